/*
 * What supervisor.c and supervisor_answer.c share.  Nobody else includes it.
 */
#ifndef CAPTURE_SUPERVISOR_PRIV_H
#define CAPTURE_SUPERVISOR_PRIV_H

#include <stdint.h>
#include <sys/types.h>

#include "base/log_limit.h"
#include "capture/supervisor.h"
#include "capture/tracee.h"

struct supervisor {
	const struct supervisor_options *options;
	int main;    /* options->main; -1: the main process has ended */
	int signals; /* a signalfd */
	int notify;  /* of the filter; -1: nobody is left whom it filters */
	int hosts;   /* capture/exec_hosts.h; -1: there is no --map */
	int start;   /* from the command's process, until it runs the command;
		      * else -1 */
	pid_t command;
	int failed;	 /* its status if it could not be run; else 0 */
	uint64_t number; /* of the last question */
	struct log_limit warnings;
};

/* Asks the main process.  If it does not answer, a connection to a loopback
 * address that is not captured is EXEC_DIRECT, and all others are EXEC_FAILED.
 */
struct exec_answer supervisor_ask(struct supervisor *supervisor,
    enum exec_event event, const struct addr *to);

/* Is it a TCP socket? */
bool supervisor_is_tcp(int fd);

/* supervisor_accept.c: answers accept(2) and accept4(2). */
void supervisor_accept(struct supervisor *supervisor,
    const struct tracee *tracee);

/* Answers one call that waits, if there is one. */
void supervisor_answer(struct supervisor *supervisor);

/* The main process has ended, and from now on every TCP connection fails,
 * except to loopback addresses; or an answer has come too late, which is
 * ignored. */
void supervisor_hear_main(struct supervisor *supervisor);

#endif
