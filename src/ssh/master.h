/*
 * The ssh process of a link: its standard error, its control socket, its end.
 *
 * The monitor starts it (monitor.h): the first of a destination in culvert's
 * process group, so that it can ask on the terminal; the others (apart) in a
 * session of their own, so that they cannot.
 */
#ifndef SSH_MASTER_H
#define SSH_MASTER_H

#include <uv.h>

#include "ssh/link.h"

struct master;

/* Called from the loop only. */
struct master_handler {
	/* The login has succeeded: the control socket exists. */
	void (*ready)(void *ctx);

	/*
	 * The process has ended.  why: its last lines or how it ended, valid in
	 * the call; NULL if master_stop() has ended it and it said nothing.
	 * May call master_free().
	 */
	void (*exited)(void *ctx, const char *why);
};

/* options: see link_new().  NULL when out of memory. */
struct master *master_new(uv_loop_t *loop, const struct link_options *options,
    const struct master_handler *handler, void *ctx);

/* 0, or the negative errno with which master_start() would fail, as far as that
 * is known before. */
int master_check(const struct master *master);

/*
 * Starts it, once.  ciphers (a list, or NULL) and timeouts (of enum
 * link_timeout) apply where the user's arguments do not set them.  0, or a
 * negative errno: nothing runs, and exited() will not come.
 */
int master_start(struct master *master, const char *ciphers, unsigned timeouts);

/* Sends SIGTERM, some more of them, then SIGKILL, to ssh and what it has
 * started.  Allowed twice, and before the start. */
void master_stop(struct master *master);

/* Only if it does not run; the loop frees it.  NULL is allowed. */
void master_free(struct master *master);

/* The path of the control socket. */
const char *master_path(const struct master *master);

/* Lines that came before this call are no longer last lines. */
void master_forget_words(struct master *master);

#endif
