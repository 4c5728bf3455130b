/*
 * The links to one destination.
 *
 * Theory of operation.  Each further link has a place:
 *
 *	FREE -- wanted --> OPENING -- up --> UP -- idle --> CLOSING
 *	 ^                    |               |                |
 *	 +------ failed ------+---- lost -----+----- ended ----+
 *
 * Further links are opened one at a time, so that a server which refuses them,
 * or counts failed logins, sees one attempt.  When one is up and there are
 * still more data connections than links, the next is opened.  A timer, which
 * does not keep the loop running, closes links that are idle.
 */
#include "ssh/links.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/privdir.h"
#include "limits.h"
#include "ssh/cmdline.h"
#include "ssh/pause.h"

/* How often the timer expires in the time after which a link counts as idle. */
#define LINKS_LOOKS 4

enum place_state {
	PLACE_FREE,
	PLACE_OPENING,
	PLACE_UP,
	PLACE_CLOSING,
};

/* One link.  The first is number 0; its state is not used. */
struct place {
	struct links *links;
	size_t number;
	enum place_state state;
	struct link *link; /* when FREE: the last one, not freed yet, or NULL */
	struct link_options options;
	char directory[CMDLINE_DIRECTORY_MAX];
	unsigned int held; /* links_hold() */
	uint64_t up_at;
	uint64_t used_at;
};

struct links {
	uv_loop_t *loop;
	struct links_options options;
	const struct link_handler *handler;
	void *ctx;
	const char *to; /* the destination */
	struct place places[LIMIT_LINKS];
	uv_timer_t idle_timer;
	enum {
		LINKS_RUNNING, /* or not started yet */
		LINKS_STOPPING,
		LINKS_DOWN, /* places[0].link is down, and not replaced yet */
	} state;
	bool told; /* a failure was logged; until a link is up */
	struct pause pause;
	uint64_t retry_at;
};

static size_t
links_count(const struct links *links, enum place_state state)
{
	size_t n = 0;

	for (size_t i = 1; i < links->options.max; i++)
		n += links->places[i].state == state;
	return n;
}

/* Can the link take a data connection? */
static bool
place_is_usable(const struct place *place)
{
	return place->link != NULL && link_is_up(place->link) &&
	    (place->number == 0 ||
		(place->state == PLACE_UP && !link_is_worn(place->link)));
}

static unsigned int
place_load(const struct place *place)
{
	return place->held + link_data_streams(place->link, true);
}

/* ---- further links ---- */

static const struct link_handler place_handler;

/* Begins a pause in which no link is opened.  lived_ms: see pause_after(). */
static void
links_put_off(struct links *links, uint64_t lived_ms)
{
	links->retry_at =
	    uv_now(links->loop) + pause_after(&links->pause, lived_ms);
}

static void
links_open_failed(struct links *links, const char *why)
{
	if (links->told)
		log_verbose("another SSH connection failed again: %s", why);
	else
		log_warn("cannot open another SSH connection to %s; "
			 "continuing with %zu (--links %zu needs a login "
			 "without prompts, with a key or an agent, and a "
			 "server that accepts so many connections): %s",
		    links->to, 1 + links_count(links, PLACE_UP),
		    links->options.max, why);
	links->told = true;
	links_put_off(links, 0);
}

/* 0, or a negative errno and nothing has changed. */
static int
place_start(struct place *place)
{
	const struct link_info *first = link_info(place->links->places[0].link);
	int err;

	if (mkdir(place->directory, 0700) != 0 && errno != EEXIST)
		return -errno;
	place->options.ciphers =
	    first->ciphers[0] != '\0' ? first->ciphers : NULL;
	place->options.timeouts = first->timeouts;
	place->link = link_new(place->links->loop, &place->options,
	    &place_handler, place);
	err = place->link == NULL ? -ENOMEM : link_start(place->link, false);
	if (err == 0)
		return 0;
	link_free(place->link);
	place->link = NULL;
	privdir_remove(place->directory);
	return err;
}

/* Is there a lost link whose ssh has not ended yet? */
static bool
links_are_losing(const struct links *links)
{
	for (size_t i = 1; i < links->options.max; i++)
		if (links->places[i].state == PLACE_UP &&
		    !link_is_up(links->places[i].link))
			return true;
	return false;
}

/* There are more data connections than links: opens another one, if that is
 * possible now. */
static void
links_want_one(struct links *links)
{
	struct place *place = &links->places[1];
	int err;

	if (links->state != LINKS_RUNNING ||
	    !link_is_up(links->places[0].link) ||
	    links_count(links, PLACE_FREE) == 0 ||
	    links_count(links, PLACE_OPENING) > 0 || links_are_losing(links) ||
	    uv_now(links->loop) < links->retry_at)
		return;
	while (place->state != PLACE_FREE)
		place++;
	link_free(place->link);
	place->link = NULL;
	assert(place->held == 0);
	err = place_start(place);
	if (err != 0) {
		links_open_failed(links, strerror(-err));
		return;
	}
	place->state = PLACE_OPENING;
	log_verbose("opening another SSH connection to %s", links->to);
}

static void
links_on_look(uv_timer_t *timer)
{
	struct links *links = timer->data;
	uint64_t now = uv_now(links->loop);

	for (size_t i = 1; i < links->options.max; i++) {
		struct place *place = &links->places[i];

		if (place->state != PLACE_UP)
			continue;
		if (place->held > 0 ||
		    link_data_streams(place->link, false) > 0)
			place->used_at = now;
		else if (now - place->used_at >= links->options.idle_ms ||
		    link_is_worn(place->link)) {
			place->state = PLACE_CLOSING;
			link_stop(place->link);
		}
	}
}

static void
links_on_further_up(struct place *place)
{
	struct links *links = place->links;
	uint64_t look_ms = links->options.idle_ms / LINKS_LOOKS;
	size_t n_data = 0, n_up = 0;

	place->state = PLACE_UP;
	place->up_at = place->used_at = uv_now(links->loop);
	links->told = false;
	log_verbose("%zu SSH connections to %s are up",
	    1 + links_count(links, PLACE_UP), links->to);
	if (!uv_is_active((uv_handle_t *)&links->idle_timer))
		uv_timer_start(&links->idle_timer, links_on_look, look_ms,
		    look_ms);
	for (size_t i = 0; i < links->options.max; i++) {
		if (!place_is_usable(&links->places[i]))
			continue;
		n_up++;
		n_data += place_load(&links->places[i]);
	}
	if (n_data > n_up)
		links_want_one(links);
}

static void
links_on_further_down(struct place *place, bool was_up, const char *why)
{
	struct links *links = place->links;
	bool closing = place->state == PLACE_CLOSING;

	place->state = PLACE_FREE;
	privdir_remove(place->directory);
	if (links_count(links, PLACE_UP) == 0)
		uv_timer_stop(&links->idle_timer);
	if (links->state != LINKS_RUNNING)
		return;
	if (closing) {
		log_verbose("closed one of the SSH connections to %s",
		    links->to);
	} else if (was_up) {
		log_warn("one of %zu SSH connections to %s was lost, and what "
			 "it carried: %s",
		    2 + links_count(links, PLACE_UP), links->to, why);
		links_put_off(links, uv_now(links->loop) - place->up_at);
	} else {
		links_open_failed(links, why);
	}
}

/* ---- all ---- */

static void
links_on_up(void *ctx)
{
	struct place *place = ctx;

	if (place->number == 0)
		place->links->handler->up(place->links->ctx);
	else
		links_on_further_up(place);
}

static void
links_on_down(void *ctx, bool was_up, const char *why)
{
	struct place *place = ctx;
	struct links *links = place->links;

	if (place->number > 0) {
		links_on_further_down(place, was_up, why);
		return;
	}
	links_stop(links);
	links->state = LINKS_DOWN;
	links->handler->down(links->ctx, was_up, why);
}

static const struct link_handler place_handler = {
	.up = links_on_up,
	.down = links_on_down,
};

/* ---- links.h ---- */

struct links *
links_new(uv_loop_t *loop, const struct links_options *options,
    const struct link_handler *handler, void *ctx)
{
	struct links *links = calloc(1, sizeof(*links));

	assert(options->max >= 1 && options->max <= LIMIT_LINKS);
	if (links == NULL)
		return NULL;
	links->loop = loop;
	links->options = *options;
	links->handler = handler;
	links->ctx = ctx;
	links->to = options->link->destination;
	pause_init(&links->pause, options->pause_ms, LIMIT_LINK_PAUSE_MAX_MS);
	for (size_t i = 0; i < options->max; i++) {
		struct place *place = &links->places[i];

		place->links = links;
		place->number = i;
		place->options =
		    cmdline_link_options(options->link, i, place->directory);
	}
	links->places[0].link =
	    link_new(loop, options->link, &place_handler, &links->places[0]);
	if (links->places[0].link == NULL) {
		free(links);
		return NULL;
	}
	uv_timer_init(loop, &links->idle_timer);
	links->idle_timer.data = links;
	uv_unref((uv_handle_t *)&links->idle_timer);
	return links;
}

int
links_start(struct links *links, bool keep_session)
{
	struct place *first = &links->places[0];
	struct link *fresh;
	int err;

	if (links->state == LINKS_DOWN) {
		fresh = link_new(links->loop, links->options.link,
		    &place_handler, first);
		if (fresh == NULL)
			return -ENOMEM;
		assert(first->held == 0);
		link_free(first->link);
		first->link = fresh;
	}
	err = link_start(first->link, keep_session);
	links->state = err == 0 ? LINKS_RUNNING : LINKS_DOWN;
	return err;
}

void
links_expect_stop(struct links *links)
{
	if (links->state == LINKS_RUNNING)
		links->state = LINKS_STOPPING;
}

void
links_stop(struct links *links)
{
	links_expect_stop(links);
	for (size_t i = 0; i < links->options.max; i++) {
		struct place *place = &links->places[i];

		if (place->link == NULL)
			continue;
		if (i > 0 && place->state != PLACE_FREE)
			place->state = PLACE_CLOSING;
		link_stop(place->link);
	}
}

bool
links_are_over(const struct links *links)
{
	for (size_t i = 0; i < links->options.max; i++)
		if (links->places[i].link != NULL &&
		    !link_is_over(links->places[i].link))
			return false;
	return true;
}

static void
links_on_freed(uv_handle_t *handle)
{
	free(handle->data);
}

void
links_free(struct links *links)
{
	if (links == NULL)
		return;
	for (size_t i = 0; i < links->options.max; i++)
		link_free(links->places[i].link);
	uv_close((uv_handle_t *)&links->idle_timer, links_on_freed);
}

struct link *
links_first(const struct links *links)
{
	return links->places[0].link;
}

struct link *
links_choose(struct links *links)
{
	unsigned int least = 0;
	struct place *best = NULL;

	/* The first link comes last. */
	for (size_t n = 1; n <= links->options.max; n++) {
		struct place *place = &links->places[n % links->options.max];

		if (place_is_usable(place) &&
		    (best == NULL || place_load(place) < least)) {
			best = place;
			least = place_load(place);
		}
	}
	if (best == NULL)
		return NULL;
	if (least > 0)
		links_want_one(links);
	best->used_at = uv_now(links->loop);
	return best->link;
}

static struct place *
place_of(const struct links *links, const struct link *link)
{
	size_t i = 0;

	while (links->places[i].link != link) {
		i++;
		assert(i < links->options.max);
	}
	return (struct place *)(uintptr_t)&links->places[i];
}

void
links_hold(struct links *links, const struct link *link)
{
	place_of(links, link)->held++;
}

void
links_release(struct links *links, const struct link *link)
{
	struct place *place = place_of(links, link);

	assert(place->held > 0);
	place->held--;
}

unsigned int
links_load(const struct links *links, const struct link *link)
{
	return place_load(place_of(links, link));
}

size_t
links_further_up(const struct links *links)
{
	return links_count(links, PLACE_UP);
}
