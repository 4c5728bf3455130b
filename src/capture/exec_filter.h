/*
 * The seccomp(2) filter of a command that culvert exec runs: connect(2) waits
 * for the supervisor (SECCOMP_RET_USER_NOTIF).  The filter is inherited by all
 * that the command starts, and cannot be removed.
 *
 * What would connect without connect(2) fails: io_uring_setup(2) with ENOSYS,
 * MSG_FASTOPEN with EOPNOTSUPP, so that programs use connect(2) instead.  A
 * system call of another architecture (a 32-bit program) waits for the
 * supervisor too, whatever it is.  So does accept(2), so that the peer's
 * address is the server's, and sigaction(2) for SIGCHLD: see
 * tracee_restart_calls().
 */
#ifndef CAPTURE_EXEC_FILTER_H
#define CAPTURE_EXEC_FILTER_H

#include <stdbool.h>

/*
 * Loads the filter into this process, which must have one thread, and sets
 * no_new_privs (PR_SET_NO_NEW_PRIVS in prctl(2)).  names: opening a file waits
 * for the supervisor as well (capture/exec_hosts.h).  Returns the descriptor of
 * the notifications (seccomp_unotify(2)), close-on-exec, or a negative errno.
 */
int exec_filter_load(bool names);

#endif
