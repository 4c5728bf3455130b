/*
 * Going to the background, as ssh -f does.
 *
 * The process that the user has started forks at the very beginning.  The child
 * does all the work; the parent, the foreground process, only waits.  It prints
 * what the child writes to standard error, passes signals on, and ends with 0
 * when the child says that it is ready, or else as the child ends.  So the user
 * sees every error, and the exit status, as without a background.
 */
#ifndef BASE_FOREGROUND_H
#define BASE_FOREGROUND_H

#include <stdbool.h>

/*
 * Forks.  Only for a process with one thread.
 *
 * In the child it returns true, and *ret_fd is the child's to close: a socket
 * to the foreground process, readable as soon as that has ended.  Standard
 * input and output of the child are /dev/null.  Its standard error is a pipe to
 * the foreground process, and leads nowhere when that has ended; with
 * keep_errors it stays what it was.
 *
 * In the foreground process it returns false when that is to end, with the exit
 * status in *ret_status; why has been logged.  When the foreground process got
 * a signal that ends it, and the child has ended because of it, it does not
 * return but ends by that signal.  That holds until it has read that the child
 * is ready: when both come at once, the signal wins.
 *
 * Where standard error is full, the foreground process drops what the child
 * says (base/log_output.h); it does not wait.
 */
bool foreground_fork(bool keep_errors, int *ret_fd, int *ret_status);

/* Called by the child: the foreground process ends with status 0. */
void foreground_release(int fd);

#endif
