/*
 * The ssh process of a link: its standard error, the wait for its control
 * socket, its end.
 *
 * The monitor starts it (monitor.h), in our process group, so that it may ask
 * on the terminal; or apart from us, in a session of its own, so that it
 * cannot.
 */
#ifndef SSH_MASTER_H
#define SSH_MASTER_H

#include <uv.h>

#include "ssh/link.h"

struct master;

/* Called from the loop only. */
struct master_handler {
	/* Authenticated: the control socket is there. */
	void (*ready)(void *ctx);

	/*
	 * The process is gone.  why: its last words and how it ended, valid in
	 * the call; NULL when it ended without a word because of
	 * master_stop().  The master may be freed in the call.
	 */
	void (*exited)(void *ctx, const char *why);
};

/* options as for link_new().  NULL when out of memory. */
struct master *master_new(uv_loop_t *loop, const struct link_options *options,
    const struct master_handler *handler, void *ctx);

/* Can it be started?  0, or the negative errno that master_start() gives. */
int master_check(const struct master *master);

/*
 * Once.  Where the user's arguments have no other ones: ciphers, a list to ask
 * for, or NULL; and timeouts, of enum link_timeout.  0, or a negative errno:
 * nothing runs and exited() will not come.
 */
int master_start(struct master *master, const char *ciphers, unsigned timeouts);

/* SIGTERM, later SIGKILL; of one apart all that it started gets them, too.
 * Twice is allowed, and before the start. */
void master_stop(struct master *master);

/* Only when nothing runs.  NULL is allowed.  The loop frees it. */
void master_free(struct master *master);

/* Path of the control socket. */
const char *master_path(const struct master *master);

/* From now on words that came before do not count as last words. */
void master_forget_words(struct master *master);

#endif
