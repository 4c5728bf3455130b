/*
 * Keeps the first link up.
 *
 *	RESTING -- start, or on demand: needed ---> CONNECTING -- up --> UP
 *	 ^  ^                                       ^    |              | |
 *	 |  +----- on demand: attempts used up -----|----+              | |
 *	 |                                          |    |              | |
 *	 |                                       PAUSING <--- lost -----+ |
 *	 |                                                                |
 *	 +------------ CLOSING <------- on demand: idle ------------------+
 *
 * reconnect_stop() leads to STOPPING, and to ENDED when ssh has ended.  ENDED
 * also follows when the attempts are used up, but not on demand; and when sshd
 * refuses a login for which ssh may have asked for a password.
 */
#include "ssh/reconnect.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "limits.h"
#include "ssh/pause.h"

/* The longest pause while a client waits. */
#define RECONNECT_WANTED_MS(reconnect) (4 * (reconnect)->options.pause_ms)

/* The shortest UnusedConnectionTimeout that sshd can have. */
#define RECONNECT_UNUSED_MS 1000

/* About UnusedConnectionTimeout. */
struct reconnect_unused {
	uint64_t since; /* nothing is open on the link */
	bool keep_session;
	enum reconnect_advice {
		RECONNECT_NO_ADVICE,
		RECONNECT_KEEPS_SESSION,
		RECONNECT_NO_SESSION,
		RECONNECT_SESSION_ENDS,
	} advice; /* the last one logged */
};

struct reconnect {
	uv_loop_t *loop;
	struct reconnect_options options;
	const struct reconnect_handler *handler;
	void *ctx;
	const struct link_options *link;
	const char *destination;
	struct links *links;
	enum reconnect_state state;
	uv_timer_t timer; /* of PAUSING, STOPPING, or idleness in UP */
	struct pause pause;
	uint32_t failures; /* in a row; a loss counts as one */
	size_t held;	   /* reconnect_hold() */
	bool was_up;
	bool expect_stop;
	bool told; /* a failure was logged; until the link is up */
	struct reconnect_unused unused;
	uint64_t up_at;
	uint64_t down_at;
	uint64_t losses;
	char why[LIMIT_SSH_KEPT + 128]; /* reconnect_why() */
};

static void reconnect_attempt(struct reconnect *reconnect);

/* ---- the end ---- */

static void
reconnect_end(struct reconnect *reconnect, const char *why)
{
	uv_timer_stop(&reconnect->timer);
	reconnect->state = RECONNECT_ENDED;
	reconnect->handler->ended(reconnect->ctx, reconnect->was_up, why);
}

static void
reconnect_on_stopped(uv_timer_t *timer)
{
	reconnect_end(timer->data, NULL);
}

static void
reconnect_on_failed(uv_timer_t *timer)
{
	struct reconnect *reconnect = timer->data;

	if (!reconnect->expect_stop) /* else reconnect_stop() follows */
		reconnect_end(reconnect, reconnect->why);
}

/* Ends with reconnect->why, but not at once: if a Ctrl-C has ended ssh, it also
 * ends culvert, and then the end of ssh is no failure. */
static void
reconnect_end_soon(struct reconnect *reconnect)
{
	reconnect->state = RECONNECT_PAUSING;
	uv_timer_start(&reconnect->timer, reconnect_on_failed, 1, 0);
}

/* ---- pauses ---- */

static void
reconnect_on_pause_over(uv_timer_t *timer)
{
	struct reconnect *reconnect = timer->data;

	if (reconnect->expect_stop)
		return; /* reconnect_stop() follows */
	if (reconnect->options.on_demand && reconnect->held == 0) {
		reconnect->state = RECONNECT_RESTING;
		reconnect->failures = 0;
	} else {
		reconnect_attempt(reconnect);
	}
}

/* Begins a pause, and returns its length in ms.  lived_ms: see pause_after().
 */
static uint64_t
reconnect_begin_pause(struct reconnect *reconnect, uint64_t lived_ms)
{
	uint64_t ms = pause_after(&reconnect->pause, lived_ms);

	if (reconnect->held > 0 && ms > RECONNECT_WANTED_MS(reconnect))
		ms = RECONNECT_WANTED_MS(reconnect);
	reconnect->state = RECONNECT_PAUSING;
	uv_timer_start(&reconnect->timer, reconnect_on_pause_over, ms, 0);
	return ms;
}

/* ---- an attempt ---- */

/* Has sshd refused the login? */
static bool
reconnect_is_refused(const char *why)
{
	const char *last = why, *next;

	/* Only the last line counts: sshd's banner may be before it. */
	while ((next = strstr(last, "; ")) != NULL)
		last = next + strlen("; ");
	return strstr(last, ": Permission denied (") != NULL ||
	    strstr(last, "Too many authentication failures") != NULL;
}

/* An attempt has failed because of reconnect->why. */
static void
reconnect_failed(struct reconnect *reconnect)
{
	const struct reconnect_options *options = &reconnect->options;
	bool more = reconnect->was_up || options->first_too;
	uint64_t ms;

	reconnect->failures++;
	if (reconnect->was_up && !reconnect->link->batch &&
	    reconnect_is_refused(reconnect->why)) {
		log_err("the login to %s is refused; culvert stores no "
			"password and cannot ask for it again: use a key or "
			"an agent",
		    reconnect->destination);
		reconnect_end_soon(reconnect);
		return;
	}
	if (options->on_demand)
		more = reconnect->held > 0;
	if (more && reconnect->failures <= options->retries) {
		ms = reconnect_begin_pause(reconnect, 0);
		log_line(reconnect->told ? LOG_LEVEL_VERBOSE : LOG_LEVEL_WARN,
		    NULL,
		    "ssh could not connect to %s: %s; retrying in %.1f s%s",
		    reconnect->destination, reconnect->why, (double)ms / 1000,
		    !reconnect->told && reconnect->failures < options->retries ?
			", then repeatedly" :
			"");
		reconnect->told = true;
		return;
	}
	if (!options->on_demand) {
		reconnect_end_soon(reconnect);
		return;
	}
	log_warn("ssh could not connect to %s: %s", reconnect->destination,
	    reconnect->why);
	reconnect->failures = 0;
	reconnect_begin_pause(reconnect, 0);
	reconnect->handler->down(reconnect->ctx, reconnect->why, false);
}

static void
reconnect_attempt(struct reconnect *reconnect)
{
	int err = links_start(reconnect->links, reconnect->unused.keep_session);

	reconnect->state = RECONNECT_CONNECTING;
	if (err == 0)
		return;
	snprintf(reconnect->why, sizeof(reconnect->why), "cannot run %s: %s",
	    reconnect->link->program, strerror(-err));
	reconnect_failed(reconnect);
}

static void
reconnect_on_idle(uv_timer_t *timer)
{
	struct reconnect *reconnect = timer->data;

	log_verbose("closing the SSH connection to %s: no client needs it",
	    reconnect->destination);
	reconnect->state = RECONNECT_CLOSING;
	links_stop(reconnect->links);
}

static void
reconnect_watch_idle(struct reconnect *reconnect)
{
	const struct reconnect_options *options = &reconnect->options;

	if (options->on_demand && options->idle_ms > 0 &&
	    reconnect->held == 0 && reconnect->state == RECONNECT_UP)
		uv_timer_start(&reconnect->timer, reconnect_on_idle,
		    options->idle_ms, 0);
}

static void
reconnect_on_up(void *ctx)
{
	struct reconnect *reconnect = ctx;
	uint64_t now = uv_now(reconnect->loop);

	if (reconnect->state != RECONNECT_CONNECTING || reconnect->expect_stop)
		return;
	if (reconnect->was_up && !reconnect->options.on_demand)
		log_info("connected to %s again, after %.0f s",
		    reconnect->destination,
		    (double)(now - reconnect->down_at) / 1000);
	reconnect->state = RECONNECT_UP;
	reconnect->was_up = true;
	reconnect->told = false;
	reconnect->failures = 0;
	reconnect->up_at = now;
	reconnect->unused.since = now;
	reconnect->why[0] = '\0';
	reconnect_watch_idle(reconnect);
	reconnect->handler->up(reconnect->ctx);
}

/* Logs what keeps sshd from closing an unused connection, when that changes. */
static void
reconnect_advise(struct reconnect *reconnect)
{
	const char *end = link_info(links_first(reconnect->links))->session_end;
	const char *to = reconnect->destination;
	enum reconnect_advice advice = !reconnect->link->session ?
	    RECONNECT_NO_SESSION :
	    *end != '\0' ? RECONNECT_SESSION_ENDS :
			   RECONNECT_KEEPS_SESSION;

	if (advice == reconnect->unused.advice)
		return;
	reconnect->unused.advice = advice;
	if (advice == RECONNECT_KEEPS_SESSION)
		log_info("from now on a session keeps the SSH connection to "
			 "%s open, because of UnusedConnectionTimeout",
		    to);
	else if (advice == RECONNECT_NO_SESSION)
		log_warn(
		    "a session would keep the SSH connection to %s open, but "
		    "--no-session forbids it; remove --no-session, or use "
		    "--on-demand, or set \"UnusedConnectionTimeout none\" in "
		    "its sshd_config",
		    to);
	else
		log_warn(
		    "the session that should keep the SSH connection to %s "
		    "open has ended (%s); use --on-demand, or set "
		    "\"UnusedConnectionTimeout none\" in its sshd_config",
		    to, end);
}

/* Has sshd closed the connection while nothing was open on it?  Its
 * UnusedConnectionTimeout may be the reason; so the next link keeps a session
 * open, which prevents that. */
static bool
reconnect_note_unused(struct reconnect *reconnect)
{
	uint64_t ms = uv_now(reconnect->loop) - reconnect->unused.since;
	size_t len = strlen(reconnect->why);

	if (reconnect->held > 0 || ms < RECONNECT_UNUSED_MS ||
	    strstr(reconnect->why, "closed by remote host") == NULL)
		return false;
	snprintf(reconnect->why + len, sizeof(reconnect->why) - len,
	    " (unused for %.0f s: if sshd is OpenSSH 9.2 or newer, see "
	    "UnusedConnectionTimeout in sshd_config)",
	    (double)ms / 1000);
	reconnect->unused.keep_session = true;
	return true;
}

/* The link was lost; its streams and forwards have already reported that. */
static void
reconnect_lost(struct reconnect *reconnect)
{
	uint64_t lived_ms = uv_now(reconnect->loop) - reconnect->up_at, ms;
	bool again = reconnect->options.retries > 0;
	bool unused = reconnect_note_unused(reconnect);
	char retry[48] = "";

	uv_timer_stop(&reconnect->timer);
	reconnect->down_at = uv_now(reconnect->loop);
	reconnect->losses++;
	reconnect->failures = 1;
	if (!again && !reconnect->options.on_demand) {
		reconnect_end_soon(reconnect);
		return;
	}
	ms = reconnect_begin_pause(reconnect, lived_ms);
	/* On demand, there is an attempt only if a client needs the link. */
	if (!reconnect->options.on_demand)
		snprintf(retry, sizeof(retry), "; retrying in %.1f s",
		    (double)ms / 1000);
	log_warn("the SSH connection to %s was lost: %s%s",
	    reconnect->destination, reconnect->why, retry);
	if (unused && !reconnect->options.on_demand)
		reconnect_advise(reconnect);
	reconnect->handler->down(reconnect->ctx, reconnect->why, again);
}

static void
reconnect_on_down(void *ctx, bool was_up, const char *why)
{
	struct reconnect *reconnect = ctx;

	snprintf(reconnect->why, sizeof(reconnect->why), "%s", why);
	switch (reconnect->state) {
	case RECONNECT_CONNECTING:
	case RECONNECT_UP:
		if (reconnect->expect_stop)
			reconnect_end(reconnect, NULL);
		else if (was_up)
			reconnect_lost(reconnect);
		else
			reconnect_failed(reconnect);
		break;
	case RECONNECT_CLOSING:
		reconnect->why[0] = '\0';
		reconnect->state = RECONNECT_RESTING;
		reconnect->down_at = uv_now(reconnect->loop);
		if (reconnect->held > 0)
			reconnect_attempt(reconnect);
		break;
	case RECONNECT_STOPPING:
	case RECONNECT_RESTING: /* this and the next two have no link */
	case RECONNECT_PAUSING:
	case RECONNECT_ENDED:
		reconnect_end(reconnect, NULL);
		break;
	}
}

/* ---- reconnect.h ---- */

struct reconnect *
reconnect_new(uv_loop_t *loop, const struct links_options *links,
    const struct reconnect_options *options,
    const struct reconnect_handler *handler, void *ctx)
{
	static const struct link_handler links_handler = {
		.up = reconnect_on_up,
		.down = reconnect_on_down,
	};
	struct reconnect *reconnect = calloc(1, sizeof(*reconnect));

	if (reconnect == NULL)
		return NULL;
	reconnect->links = links_new(loop, links, &links_handler, reconnect);
	if (reconnect->links == NULL) {
		free(reconnect);
		return NULL;
	}
	reconnect->loop = loop;
	reconnect->options = *options;
	reconnect->handler = handler;
	reconnect->ctx = ctx;
	reconnect->link = links->link;
	reconnect->destination = links->link->destination;
	pause_init(&reconnect->pause, options->pause_ms, options->pause_max_ms);
	uv_timer_init(loop, &reconnect->timer);
	reconnect->timer.data = reconnect;
	return reconnect;
}

struct links *
reconnect_links(const struct reconnect *reconnect)
{
	return reconnect->links;
}

int
reconnect_start(struct reconnect *reconnect)
{
	int err;

	assert(reconnect->state == RECONNECT_RESTING);
	reconnect->down_at = uv_now(reconnect->loop);
	if (reconnect->options.on_demand)
		return 0;
	err = links_start(reconnect->links, reconnect->unused.keep_session);
	reconnect->state = err == 0 ? RECONNECT_CONNECTING : RECONNECT_ENDED;
	return err;
}

void
reconnect_expect_stop(struct reconnect *reconnect)
{
	reconnect->expect_stop = true;
	links_expect_stop(reconnect->links);
}

void
reconnect_stop(struct reconnect *reconnect)
{
	reconnect_expect_stop(reconnect);
	if (reconnect->state == RECONNECT_ENDED)
		return;
	links_stop(reconnect->links);
	if (reconnect->state == RECONNECT_RESTING ||
	    reconnect->state == RECONNECT_PAUSING)
		uv_timer_start(&reconnect->timer, reconnect_on_stopped, 0, 0);
	else if (reconnect->state != RECONNECT_STOPPING)
		uv_timer_stop(&reconnect->timer);
	reconnect->state = RECONNECT_STOPPING;
}

static void
reconnect_on_freed(uv_handle_t *handle)
{
	free(handle->data);
}

void
reconnect_free(struct reconnect *reconnect)
{
	if (reconnect == NULL)
		return;
	links_free(reconnect->links);
	uv_close((uv_handle_t *)&reconnect->timer, reconnect_on_freed);
}

const char *
reconnect_state_name(enum reconnect_state state)
{
	static const char *const names[] = {
		[RECONNECT_RESTING] = "resting",
		[RECONNECT_CONNECTING] = "connecting",
		[RECONNECT_PAUSING] = "pausing",
		[RECONNECT_UP] = "up",
		[RECONNECT_CLOSING] = "closing",
		[RECONNECT_STOPPING] = "stopping",
		[RECONNECT_ENDED] = "ended",
	};

	return names[state];
}

void
reconnect_describe(const struct reconnect *reconnect,
    struct reconnect_info *ret)
{
	bool up = reconnect_is_up(reconnect);

	*ret = (struct reconnect_info) {
		.state = reconnect->state,
		.ms = uv_now(reconnect->loop) -
		    (up ? reconnect->up_at : reconnect->down_at),
		.losses = reconnect->losses,
		.why = reconnect_why(reconnect),
	};
	if (!up)
		return;
	ret->links = 1 + links_further_up(reconnect->links);
	ret->round_trip_us =
	    link_info(links_first(reconnect->links))->path.shortest;
}

bool
reconnect_is_up(const struct reconnect *reconnect)
{
	return reconnect->state == RECONNECT_UP &&
	    link_is_up(links_first(reconnect->links));
}

void
reconnect_hold(struct reconnect *reconnect)
{
	uv_timer_t *timer = &reconnect->timer;

	reconnect->held++;
	if (reconnect->state == RECONNECT_UP) {
		uv_timer_stop(timer);
	} else if (reconnect->state == RECONNECT_PAUSING) {
		if (uv_timer_get_due_in(timer) > RECONNECT_WANTED_MS(reconnect))
			uv_timer_start(timer, reconnect_on_pause_over,
			    RECONNECT_WANTED_MS(reconnect), 0);
	} else if (reconnect->state == RECONNECT_RESTING &&
	    reconnect->options.on_demand && !reconnect->expect_stop) {
		/* The attempt begins from the loop, not inside this call. */
		reconnect->state = RECONNECT_PAUSING;
		uv_timer_start(timer, reconnect_on_pause_over, 0, 0);
	}
}

void
reconnect_release(struct reconnect *reconnect)
{
	assert(reconnect->held > 0);
	reconnect->held--;
	reconnect->unused.since = uv_now(reconnect->loop);
	reconnect_watch_idle(reconnect);
}

const char *
reconnect_why(const struct reconnect *reconnect)
{
	return reconnect->why;
}
