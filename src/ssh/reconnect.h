/*
 * Keeps the first link up, on which all others depend: starts it, and again
 * after a pause that grows when it failed or was lost; with --on-demand, only
 * while somebody needs it.
 *
 * If ssh may have asked for a password, a refused login is not repeated: nobody
 * may be there to type it, and servers count refused logins.  Attempts and why
 * they failed are logged here.
 */
#ifndef SSH_RECONNECT_H
#define SSH_RECONNECT_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "ssh/links.h"

struct reconnect;

#define RECONNECT_FOREVER UINT32_MAX

struct reconnect_options {
	uint32_t retries; /* attempts in a row after a loss; 0: none */
	bool first_too;	  /* also after the very first attempt has failed */
	bool on_demand;
	uint64_t idle_ms;  /* on demand: it ends when nobody has needed it for
			    * so long; 0: it stays */
	uint64_t pause_ms; /* LIMIT_RECONNECT_PAUSE_MS; less in tests */
	uint64_t pause_max_ms;
};

/* Called from the loop only, never from inside a call. */
struct reconnect_handler {
	/* The link is up, for the first time or again. */
	void (*up)(void *ctx);

	/*
	 * The link was lost, and all its streams have been told; or attempts on
	 * demand were given up.  Whoever waits for it need not wait any longer.
	 * again: the next attempt comes by itself.  why is valid in the call.
	 */
	void (*down)(void *ctx, const char *why, bool again);

	/* No ssh runs, and none will.  was_up: a link was up at some time.
	 * why: NULL after reconnect_stop(). */
	void (*ended)(void *ctx, bool was_up, const char *why);
};

/* Makes it and its links; both options are copied, but not what they point to.
 * NULL when out of memory. */
struct reconnect *reconnect_new(uv_loop_t *loop,
    const struct links_options *links, const struct reconnect_options *options,
    const struct reconnect_handler *handler, void *ctx);

/* Its links. */
struct links *reconnect_links(const struct reconnect *reconnect);

/* Begins; on demand, waits for reconnect_hold().  0, or a negative errno if ssh
 * cannot be run: then no callback comes. */
int reconnect_start(struct reconnect *reconnect);

/* reconnect_stop() will follow: a link that is lost is not started again, and
 * its loss is not logged. */
void reconnect_expect_stop(struct reconnect *reconnect);

/* Ends all; ended() follows, unless it has come.  Allowed twice. */
void reconnect_stop(struct reconnect *reconnect);

/* Only after ended(), or if it was not started, and the loop has nothing left
 * of it; the loop frees it.  NULL is allowed. */
void reconnect_free(struct reconnect *reconnect);

enum reconnect_state {
	RECONNECT_RESTING, /* on demand, or not started */
	RECONNECT_CONNECTING,
	RECONNECT_PAUSING,
	RECONNECT_UP,
	RECONNECT_CLOSING,
	RECONNECT_STOPPING,
	RECONNECT_ENDED,
};

struct reconnect_info {
	enum reconnect_state state;
	uint64_t ms;		/* since when the link is up, or down */
	uint64_t losses;	/* of links that were up */
	size_t links;		/* that are up */
	uint64_t round_trip_us; /* to sshd, the shortest; 0: not known */
	const char *why;	/* reconnect_why() */
};

void reconnect_describe(const struct reconnect *reconnect,
    struct reconnect_info *ret);

/* "up", "resting", ... */
const char *reconnect_state_name(enum reconnect_state state);

bool reconnect_is_up(const struct reconnect *reconnect);

/* The caller needs the link, until it releases it as often.  On demand this
 * begins an attempt; in a pause, it shortens the pause. */
void reconnect_hold(struct reconnect *reconnect);
void reconnect_release(struct reconnect *reconnect);

/* Why the latest attempt failed or the link was lost; "" if neither. */
const char *reconnect_why(const struct reconnect *reconnect);

#endif
