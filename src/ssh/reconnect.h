/*
 * Keeps the first of the links up, which carries what all others depend on:
 * starts it, starts it again when it failed or was lost, after a pause that
 * grows; or has it only while somebody wants it (--on-demand).
 *
 * A login that was refused is not tried again where ssh may have asked for a
 * password: nobody may be there to type it again, and a server counts such
 * logins.  Of what ssh tried, and why it failed, this says the word to the log.
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
	/* Attempts in a row to have a link again that was lost; 0: none. */
	uint32_t retries;

	/* They are made, too, when the very first attempt has failed. */
	bool first_too;

	bool on_demand;
	uint64_t idle_ms;  /* on demand: it ends when nobody has wanted it for
			    * so long; 0: it stays */
	uint64_t pause_ms; /* LIMIT_RECONNECT_PAUSE_MS; a test has less time */
	uint64_t pause_max_ms;
};

/* Called from the loop only, never from inside a call. */
struct reconnect_handler {
	/* The link is up, for the first time or again. */
	void (*up)(void *ctx);

	/*
	 * It is not: it was lost, after all its streams were told; or attempts
	 * on demand were given up.  Who waits for it need not wait longer, but
	 * again says that the next attempt is to come by itself.  Valid in the
	 * call: why.
	 */
	void (*down)(void *ctx, const char *why, bool again);

	/*
	 * The end; no ssh runs, and none will.  was_up: a link was, at some
	 * time.  why: NULL after reconnect_stop().
	 */
	void (*ended)(void *ctx, bool was_up, const char *why);
};

/*
 * Makes it, and the links; nothing is started.  Both options are copied, but
 * not what they point to.  NULL when out of memory.
 */
struct reconnect *reconnect_new(uv_loop_t *loop,
    const struct links_options *links, const struct reconnect_options *options,
    const struct reconnect_handler *handler, void *ctx);

/* The links; they are its own. */
struct links *reconnect_links(const struct reconnect *reconnect);

/*
 * Begins; on demand, it waits for somebody.  0, or a negative errno when ssh
 * cannot be run at all; then no callback follows.
 */
int reconnect_start(struct reconnect *reconnect);

/* reconnect_stop() is to come: a link that is lost until then is not had
 * again, and is no news. */
void reconnect_expect_stop(struct reconnect *reconnect);

/* Ends all; ended() follows, unless it has come.  Twice is allowed. */
void reconnect_stop(struct reconnect *reconnect);

/* Only after ended(), or when it was not started, and when the loop has run
 * dry; what keeps the memory is left to the loop.  NULL is allowed. */
void reconnect_free(struct reconnect *reconnect);

enum reconnect_state {
	RECONNECT_RESTING, /* on demand; or not started */
	RECONNECT_CONNECTING,
	RECONNECT_PAUSING,
	RECONNECT_UP,
	RECONNECT_CLOSING,
	RECONNECT_STOPPING,
	RECONNECT_ENDED,
};

/* What is to be seen of it from outside. */
struct reconnect_info {
	enum reconnect_state state;
	uint64_t ms;		/* that the link is up, or is not */
	uint64_t losses;	/* of links that were up */
	size_t links;		/* that are up */
	uint64_t round_trip_us; /* to sshd, the shortest; 0: not known */
	const char *why;	/* reconnect_why() */
};

void reconnect_describe(const struct reconnect *reconnect,
    struct reconnect_info *ret);

/* "up", "resting", ... */
const char *reconnect_state_name(enum reconnect_state state);

/* Is the link up? */
bool reconnect_is_up(const struct reconnect *reconnect);

/*
 * Somebody wants the link, until he has released it as often.  On demand that
 * begins an attempt; and where a pause is on, it makes it shorter.
 */
void reconnect_hold(struct reconnect *reconnect);
void reconnect_release(struct reconnect *reconnect);

/* Why the latest attempt failed or the link was lost; "" when neither. */
const char *reconnect_why(const struct reconnect *reconnect);

#endif
