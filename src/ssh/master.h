/*
 * The ssh process of a link: its arguments, its standard error, the wait for
 * its control socket, its end.
 *
 * ssh runs in our process group, so that it may ask on the terminal; or apart
 * from us, in a session of its own, so that it cannot.  In either case it dies
 * with us: it is started through our own executable (master_exec_main), which
 * asks the kernel for that and becomes ssh.
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
 * for, or NULL; and alive, whether ssh is to find out that the connection is
 * dead (ServerAliveInterval).  0, or a negative errno: nothing runs and
 * exited() will not come.
 */
int master_start(struct master *master, const char *ciphers, bool alive);

/* SIGTERM, later SIGKILL; of one apart all that it started gets them, too.
 * Twice is allowed, and before the start. */
void master_stop(struct master *master);

/* Only when nothing runs.  NULL is allowed.  The loop frees it. */
void master_free(struct master *master);

/* Path of the control socket. */
const char *master_path(const struct master *master);

/* From now on words that came before do not count as last words. */
void master_forget_words(struct master *master);

/* The first argument with which main() calls master_exec_main(). */
#define MASTER_EXEC_ARGUMENT "--exec-ssh"

/*
 * argv for uv_spawn() of ourselves, which becomes ssh with the options of the
 * master: ours, the user's, more (up to a NULL), the destination.  ppid is
 * getpid() as a text.  The strings are borrowed, the array is the caller's.
 * NULL when out of memory.
 */
const char **master_argv(const struct link_options *options, const char *ppid,
    const char *const *more);

/*
 * The program behind `culvert --exec-ssh PPID PROGRAM ARGUMENT...`: becomes
 * PROGRAM, which gets SIGTERM when process PPID, its parent, ends; and where it
 * leads a session of its own, asks by no window either (SSH_ASKPASS_REQUIRE).
 * Returns an exit status (127) only when that fails, after saying why.
 */
int master_exec_main(int argc, char **argv);

#endif
