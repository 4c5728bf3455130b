/*
 * Going to the background, as ssh -f does.
 *
 * The process that the user has started forks at the very beginning.  The child
 * does all the work.  The parent, the foreground process, waits: it prints what
 * the child writes to standard error, passes signals on, and ends with status 0
 * when the child reports that it is ready, or else with the child's status.  So
 * the user sees every error and the exit status, as without -f.
 */
#ifndef BASE_FOREGROUND_H
#define BASE_FOREGROUND_H

#include <stdbool.h>

/* What a foreground process does instead of ending when the child is ready. */
struct foreground_work {
	/* fd is a socket to the child (SOCK_SEQPACKET).  Returns a status as of
	 * waitpid(2): the foreground process will end like that. */
	int (*run)(void *ctx, int fd);
	void *ctx;
};

/*
 * Forks.  The process must have only one thread.
 *
 * work, or NULL: after it, the foreground process closes its end of the socket,
 * waits until the child has ended, and then ends.
 *
 * In the child it returns true.  *ret_fd becomes a socket to the foreground
 * process, which the child must close; it is readable once the foreground
 * process has ended.  The child's standard input and output are /dev/null.  Its
 * standard error is a pipe to the foreground process, without a reader once
 * that has ended; with keep_errors it is unchanged.
 *
 * In the foreground process it returns false when the foreground process must
 * end, with the exit status in *ret_status; the reason has been logged.  The
 * same applies if it cannot fork.
 *
 * A signal that ends programs (SIGHUP, SIGINT, SIGQUIT, SIGTERM) and comes to
 * the foreground process ends the child first.  Then the foreground process
 * ends by the same signal, and the function does not return; this is also so if
 * the child has reported at the same moment that it is ready.
 *
 * If standard error is full, the foreground process does not wait but drops
 * what the child writes (base/log_output.h).
 */
bool foreground_fork(bool keep_errors, const struct foreground_work *work,
    int *ret_fd, int *ret_status);

/* For the child, when it is ready: the foreground process ends with status 0,
 * or begins its work.  fd is that of foreground_fork() and stays open. */
void foreground_release(int fd);

#endif
