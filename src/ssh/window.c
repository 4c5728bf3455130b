/*
 * Receive windows: the policy.
 */
#include "ssh/window.h"

#include <assert.h>

#include "limits.h"

/* What is consumed is given back when it is that part of the window, and a
 * question is put when the other part has come. */
#define WINDOW_GRANT_PART 16
#define WINDOW_QUESTION_PART 4

void
window_budget_init(struct window_budget *budget, uint64_t max, uint32_t largest)
{
	*budget = (struct window_budget) { .max = max, .largest = largest };
}

static uint32_t
smaller(uint64_t one, uint64_t other)
{
	return (uint32_t)(one < other ? one : other);
}

/* What the window may be by its target, the shares of others, and --max-window;
 * never less than what any channel has. */
static uint32_t
window_most(const struct window *window)
{
	const struct window_budget *budget = window->budget;
	uint32_t most = window->target;

	if (!window->grows)
		return LIMIT_WINDOW_SMALL;
	most = smaller(most, budget->largest);
	most = smaller(most, budget->max / budget->n);
	return most < LIMIT_WINDOW_SMALL ? LIMIT_WINDOW_SMALL : most;
}

static uint64_t
window_free(const struct window_budget *budget)
{
	return budget->max > budget->used ? budget->max - budget->used : 0;
}

/* Promises up to the most it may be, as far as free bytes of the budget go. */
static uint32_t
window_promise(struct window *window, uint64_t free)
{
	uint32_t now = window->left + window->held;
	uint32_t most = window_most(window), grant, low = 0;

	if (now >= most)
		return 0;
	grant = most - now;
	if (now < LIMIT_WINDOW_SMALL)
		low = LIMIT_WINDOW_SMALL - now;
	if (grant > free)
		grant = free > low ? (uint32_t)free : low;
	window->left += grant;
	window->budget->used += grant;
	return grant;
}

uint32_t
window_open(struct window *window, struct window_budget *budget, bool grows)
{
	*window = (struct window) {
		.budget = budget,
		.grows = grows,
		.target = grows ? LIMIT_WINDOW_FIRST : LIMIT_WINDOW_SMALL,
	};
	budget->n += grows;
	/* Many may stand unused, and what is promised cannot be taken back:
	 * something is always left for the next. */
	return window_promise(window, window_free(budget) / 4);
}

bool
window_receive(struct window *window, uint32_t len)
{
	if (len > window->left)
		return false;
	window->left -= len;
	window->held += len;
	window->came += len;
	if (window->held > window->most_held)
		window->most_held = window->held;
	return true;
}

void
window_consume(struct window *window, uint32_t len)
{
	assert(len <= window->held);
	window->held -= len;
	window->budget->used -= len;
}

/*
 * Not each time a little is consumed: that costs a packet and, at both ends,
 * what goes with it.
 */
uint32_t
window_grant(struct window *window)
{
	uint32_t most, now = window->left + window->held;

	if (window->closed)
		return 0;
	most = window_most(window);
	if (now >= most || most - now < most / WINDOW_GRANT_PART)
		return 0;
	return window_promise(window, window_free(window->budget));
}

bool
window_asks(struct window *window, uint64_t now)
{
	if (window->closed || !window->grows || window->asked ||
	    window->came < window->target / WINDOW_QUESTION_PART)
		return false;
	window->asked = true;
	window->asked_at = now;
	window->came = 0;
	window->most_held = window->held;
	return true;
}

/* What the path itself holds, by the round trip that has just ended. */
static uint64_t
window_path(struct window *window, uint64_t now)
{
	uint64_t time = now > window->asked_at ? now - window->asked_at : 1;

	if (window->shortest == 0 || time < window->shortest)
		window->shortest = time;
	/* At most 2^32 bytes in 2^31 us come here: no overflow. */
	return window->came * window->shortest / time;
}

void
window_answered(struct window *window, uint64_t now)
{
	uint64_t path, target;

	if (window->closed || !window->asked)
		return;
	path = window_path(window, now);
	target = path + (path < LIMIT_WINDOW_AHEAD ? path : LIMIT_WINDOW_AHEAD);
	window->asked = false;
	window->came = 0;
	if (window->most_held > window->target / 4 && target > window->target)
		target = window->target;
	/* One slow answer is no slow path. */
	if (window->most_held > window->target / 2 ||
	    target < window->target / 2)
		target = window->target / 2;
	if (target < LIMIT_WINDOW_FIRST)
		target = LIMIT_WINDOW_FIRST;
	window->target = smaller(target, window->budget->largest);
}

/* What is held stays in the budget's count until it is consumed. */
void
window_close(struct window *window)
{
	struct window_budget *budget = window->budget;

	if (window->closed)
		return;
	window->closed = true;
	budget->used -= window->left;
	budget->n -= window->grows;
	window->left = 0;
}
