/*
 * Receive windows.
 */
#include "ssh/window.h"

#include <assert.h>
#include <stddef.h>

#include "limits.h"

/* A smaller grant than WINDOW_GRANT is not sent, because each costs a packet.
 * But the limit is at most 1/WINDOW_GRANT_MOST of the window, and at least
 * 1/WINDOW_GRANT_LEAST. */
#define WINDOW_GRANT (512 * 1024)
#define WINDOW_GRANT_MOST 4
#define WINDOW_GRANT_LEAST 16

/* A probe is sent when this part (1/4) of the target has come. */
#define WINDOW_PROBE_PART 4

/* A new window takes at most 1/WINDOW_OPEN_PART of the free bytes.  A growing
 * one leaves 1/WINDOW_LEAVE_PART of what would be free without it. */
#define WINDOW_OPEN_PART 4
#define WINDOW_LEAVE_PART 4

/* The shortest round trip is forgotten after WINDOW_PATH_AGE, but only when no
 * data have come for WINDOW_PATH_QUIET; in microseconds. */
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

/* How large the window may be now. */
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
	/* Not all of the room: this reader may stop, and a grant cannot be
	 * taken back. */
	most = window_smaller(most, room - room / WINDOW_LEAVE_PART);
	return most < LIMIT_WINDOW_SMALL ? LIMIT_WINDOW_SMALL : most;
}

static void
window_count(const struct window *window, int64_t more)
{
	if (window->grows)
		window->budget->used += (uint64_t)more;
}

/* Extends the window to window_most(), as far as the free bytes of the budget
 * suffice, but always to LIMIT_WINDOW_SMALL.  Returns the grant. */
static uint32_t
window_take(struct window *window, uint64_t free)
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
		.probed_at = now,
	};
	if (now - path->since >= WINDOW_PATH_AGE &&
	    now - path->busy >= WINDOW_PATH_QUIET) {
		path->since = now;
		path->shortest = 0;
	}
	budget->n += grows;
	/* Many windows may stay unused, so some bytes must remain for the next
	 * ones. */
	return window_take(window, window_free(budget) / WINDOW_OPEN_PART);
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
	return window_take(window, window_free(window->budget));
}

bool
window_must_probe(struct window *window, uint64_t now)
{
	if (window->path == NULL || !window->grows || window->probing ||
	    window->came < window->target / WINDOW_PROBE_PART)
		return false;
	window->probing = true;
	window->probed_at = now;
	window->path->busy = now;
	window->came = 0;
	window->most_held = window->held;
	return true;
}

/* A round trip has just ended.  Returns its length. */
static uint64_t
window_trip(const struct window *window, uint64_t now)
{
	struct window_path *path = window->path;
	uint64_t time = now > window->probed_at ? now - window->probed_at : 1;

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

void
window_answered(struct window *window, uint64_t now)
{
	uint64_t holds, target, time;

	if (window->path == NULL || !window->probing)
		return;
	time = window_trip(window, now);
	/* No overflow: these are at most 2^32 bytes and 2^31 us. */
	holds = window->came * window->path->shortest / time;
	target = holds + window_smaller(holds, LIMIT_WINDOW_AHEAD);
	window->probing = false;
	window->came = 0;
	if (window->most_held > window->target / 4 && target > window->target)
		target = window->target;
	/* One slow answer at most halves the target. */
	if (window->most_held > window->target / 2 ||
	    target < window->target / 2)
		target = window->target / 2;
	if (target < LIMIT_WINDOW_FIRST)
		target = LIMIT_WINDOW_FIRST;
	window->target = window_smaller(target, window->budget->largest);
}

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
