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

/*
 * Forks.  The process must have only one thread.
 *
 * In the child it returns true.  *ret_fd becomes a socket to the foreground
 * process, for the child to close; it is readable once the foreground process
 * has ended.  The child's standard input and output are /dev/null.  Its
 * standard error is a pipe to the foreground process, which leads nowhere once
 * that has ended; with keep_errors it is unchanged.
 *
 * In the foreground process it returns false when that must end, with the exit
 * status in *ret_status; the reason has been logged.  If a signal has ended the
 * child by way of the foreground process, it does not return, but the
 * foreground process ends by the same signal.  That also happens if the signal
 * comes together with the child's report that it is ready.
 *
 * If standard error is full, the foreground process does not wait but drops
 * what the child writes (base/log_output.h).
 */
bool foreground_fork(bool keep_errors, int *ret_fd, int *ret_status);

/* For the child: lets the foreground process end with status 0. */
void foreground_release(int fd);

#endif
