/*
 * Receive windows: the policy.
 */
#include "ssh/window.h"

#include <assert.h>
#include <stddef.h>

#include "limits.h"

/* What is consumed is given back when it is this much, or a quarter of a small
 * window, or a sixteenth of a large one: each time costs a packet, and at both
 * ends what goes with it. */
#define WINDOW_GRANT (512 * 1024)
#define WINDOW_GRANT_MOST 4
#define WINDOW_GRANT_LEAST 16

/* A question is put when this part of the window has come. */
#define WINDOW_QUESTION_PART 4

/* When a window opens it takes no more than this part of what is free; when it
 * grows, it leaves this part of what would be free without it. */
#define WINDOW_OPEN_PART 4
#define WINDOW_LEAVE_PART 4

/* What was seen of a path is good for so long, in microseconds, and longer
 * while the last data are less old than the other. */
#define WINDOW_PATH_AGE (60 * 1000 * 1000)
#define WINDOW_PATH_QUIET (1000 * 1000)

void
window_budget_init(struct window_budget *budget, uint64_t max, uint32_t largest)
{
	*budget = (struct window_budget) { .max = max, .largest = largest };
}

void
window_path_init(struct window_path *path, struct window_budget *budget)
{
	*path = (struct window_path) { .budget = budget };
}

static uint32_t
window_smaller(uint64_t one, uint64_t other)
{
	return (uint32_t)(one < other ? one : other);
}

static uint64_t
window_free(const struct window_budget *budget)
{
	return budget->max > budget->used ? budget->max - budget->used : 0;
}

/* What the window may be by its target, the shares of others, and --max-window;
 * never less than what any channel has. */
static uint32_t
window_most(const struct window *window)
{
	const struct window_budget *budget = window->budget;
	uint64_t room = window_free(budget) + window->left + window->held;
	uint32_t most = window->target;

	if (!window->grows)
		return LIMIT_WINDOW_SMALL;
	most = window_smaller(most, budget->largest);
	most = window_smaller(most, budget->max / budget->n);
	/* This reader may be about to stop, and nothing can be taken back. */
	most = window_smaller(most, room - room / WINDOW_LEAVE_PART);
	return most < LIMIT_WINDOW_SMALL ? LIMIT_WINDOW_SMALL : most;
}

static void
window_count(const struct window *window, int64_t more)
{
	if (window->grows)
		window->budget->used += (uint64_t)more;
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
	window_count(window, grant);
	return grant;
}

uint32_t
window_open(struct window *window, struct window_path *path, bool grows,
    uint64_t now)
{
	struct window_budget *budget = path->budget;

	*window = (struct window) {
		.budget = budget,
		.path = path,
		.grows = grows,
		.target = grows ? LIMIT_WINDOW_FIRST : LIMIT_WINDOW_SMALL,
		.asked_at = now,
	};
	if (now - path->since >= WINDOW_PATH_AGE &&
	    now - path->busy >= WINDOW_PATH_QUIET) {
		path->since = now;
		path->shortest = 0;
	}
	budget->n += grows;
	/* Many may stand unused, and what is promised cannot be taken back:
	 * something is always left for the next. */
	return window_promise(window, window_free(budget) / WINDOW_OPEN_PART);
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
	window_count(window, -(int64_t)len);
}

uint32_t
window_grant(struct window *window)
{
	uint32_t most, least, now = window->left + window->held;

	if (window->path == NULL)
		return 0;
	most = window_most(window);
	least = window_smaller(WINDOW_GRANT, most / WINDOW_GRANT_MOST);
	if (least < most / WINDOW_GRANT_LEAST)
		least = most / WINDOW_GRANT_LEAST;
	if (now >= most || most - now < least)
		return 0;
	return window_promise(window, window_free(window->budget));
}

bool
window_asks(struct window *window, uint64_t now)
{
	if (window->path == NULL || !window->grows || window->asked ||
	    window->came < window->target / WINDOW_QUESTION_PART)
		return false;
	window->asked = true;
	window->asked_at = now;
	window->path->busy = now;
	window->came = 0;
	window->most_held = window->held;
	return true;
}

/* A round trip has just ended.  Returns how long it was. */
static uint64_t
window_trip(const struct window *window, uint64_t now)
{
	struct window_path *path = window->path;
	uint64_t time = now > window->asked_at ? now - window->asked_at : 1;

	if (path->shortest == 0 || time < path->shortest)
		path->shortest = time;
	return time;
}

void
window_opened(struct window *window, uint64_t now)
{
	if (window->path != NULL)
		window_trip(window, now);
}

/* What the path itself holds, by the round trip that has just ended. */
static uint64_t
window_holds(struct window *window, uint64_t now)
{
	uint64_t time = window_trip(window, now);

	/* At most 2^32 bytes in 2^31 us come here: no overflow. */
	return window->came * window->path->shortest / time;
}

void
window_answered(struct window *window, uint64_t now)
{
	uint64_t holds, target;

	if (window->path == NULL || !window->asked)
		return;
	holds = window_holds(window, now);
	target = holds + window_smaller(holds, LIMIT_WINDOW_AHEAD);
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
	window->target = window_smaller(target, window->budget->largest);
}

/* What is held stays in the budget's count until it is consumed. */
void
window_close(struct window *window)
{
	struct window_budget *budget = window->budget;

	if (window->path == NULL)
		return;
	window->path = NULL;
	window_count(window, -(int64_t)window->left);
	budget->n -= window->grows;
	window->left = 0;
}
