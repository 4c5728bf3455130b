/*
 * The supervisor of culvert exec: runs the command, answers its connect(2), and
 * passes signals on, as a shell would.
 *
 * A connection that is captured is made here, on a copy of the command's socket
 * (pidfd_getfd(2)) and to an address that is in no memory of the command.  So
 * it cannot be changed behind our back, and the socket keeps its options.
 *
 * It fails closed: if the main process has ended, or the supervisor cannot look
 * at a call, the call fails.
 */
#ifndef CAPTURE_SUPERVISOR_H
#define CAPTURE_SUPERVISOR_H

#include <signal.h>

#include "capture/exec.h"

struct supervisor_options {
	const struct exec_plan *plan;
	char *const *command; /* as for execvp(3) */
	int main;	      /* a SOCK_SEQPACKET socket to the main process,
			       * for struct exec_question; borrowed */
};

/* The exit status of a command that is not there, or cannot be run, as of
 * env(1). */
#define SUPERVISOR_NOT_FOUND 127
#define SUPERVISOR_NOT_RUN 126

/*
 * Runs the command until it has ended.  Its signals and umask are those that
 * this process was started with (process_restore()).  Whatever it has started
 * and left behind cannot connect any more.  Returns its status as waitpid(2)
 * gives it; if it could not be run, the reason has been logged, and it is one
 * of the two above.
 */
int supervisor_run(const struct supervisor_options *options);

#endif
