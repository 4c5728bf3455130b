/*
 * What a process inherits from the one that starts it, and what culvert makes
 * of it, so that it works the same whoever starts it.
 */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * For the start of main(), before any other process is made.
 *
 * No timer is set, and no signal is blocked.  Each has its default action, but
 * those by which a shell or a terminal controls its jobs (SIGHUP, SIGINT,
 * SIGQUIT, SIGTSTP, SIGTTIN): one of them that is ignored, as by nohup(1) or in
 * a background job of a script, stays ignored, as in ssh(1).  The umask keeps
 * group and others from writing, and the owner from nothing, as in ssh(1).
 * Standard input, output and error are open; /dev/null takes the place of one
 * that is not.  Signals that have come while they were blocked are dropped, but
 * for SIGTERM and those of job control.
 *
 * Returns 0, or a negative errno when /dev/null cannot be opened.
 */
int process_prepare(void);

bool process_ignores(int signum);

/* Sets *ret to those of the job-control signals above that are ignored. */
void process_ignored_jobs(sigset_t *ret);

/*
 * Sets ret[0] and on to the processes that another process has started and that
 * still run, what these have started included, max at most.  Returns how many
 * these are; 0 where the kernel does not list them (proc(5),
 * /proc/PID/task/TID/children).  Of a process with several threads it is what
 * the first of them has started.
 */
size_t process_descendants(pid_t pid, pid_t *ret, size_t max);

#endif
