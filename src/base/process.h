/*
 * Signals, descriptors and other properties that a process inherits: culvert
 * sets them, so that it works the same however it is started.
 */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * For the start of main(), before any other process is started.  Afterwards:
 * - No timer is set, and no signal is blocked.
 * - Each signal has its default action.  But the signals of job control
 *   (SIGHUP, SIGINT, SIGQUIT, SIGTSTP, SIGTTIN) stay ignored if they were, as
 *   under nohup(1) or in a background job of a script.  ssh(1) does the same.
 * - Signals that came while they were blocked are dropped, except SIGTERM and
 *   those of job control.
 * - The umask removes write permission from group and others, and no permission
 *   from the owner, as in ssh(1).
 * - Standard input, output and error are open; those that were not are
 *   /dev/null.
 *
 * Returns 0, or a negative errno if /dev/null cannot be opened.
 */
int process_prepare(void);

/* For a child that is about to run a program of the user's: sets the signals
 * and the umask as process_prepare() found them. */
void process_restore(void);

/* Is the action of the signal SIG_IGN? */
bool process_ignores(int signum);

/* Sets *ret to the signals of job control that are ignored. */
void process_ignored_jobs(sigset_t *ret);

/*
 * Sets ret[], which has room for max, to the running children of a process and
 * their descendants.  Returns their number; 0 if the kernel does not list them
 * (/proc/PID/task/TID/children in proc(5)).  In a process with several threads,
 * it finds only the children of the first thread.
 */
size_t process_descendants(pid_t pid, pid_t *ret, size_t max);

#endif
