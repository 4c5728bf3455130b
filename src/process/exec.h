/*
 * culvert exec, in the main process: answers the supervisor's questions, and
 * makes a tunnel for each host and port to which the command connects.
 */
#ifndef PROCESS_EXEC_H
#define PROCESS_EXEC_H

#include <stdbool.h>
#include <stddef.h>

#include "base/foreground.h"
#include "capture/exec.h"
#include "conf/forward.h"
#include "process/destination.h"

/* A host and port that is captured. */
struct exec_target {
	struct addr to; /* as the command has it */
	struct forward forward;
	struct policy policy; /* the entry's, but for client_address */
	const struct listener *listener;
};

struct exec {
	const struct exec_plan *plan;
	struct foreground_work work; /* runs the supervisor */
	struct entry *entry; /* gets the tunnels; set before the loop runs */
	struct exec_target targets[LIMIT_EXEC_TARGETS];
	size_t n_targets;
	bool full; /* it was logged that there can be no more targets */
};

/* Receives one question from fd, and sends the answer.  Returns false if the
 * supervisor has ended. */
bool exec_reply(struct exec *exec, int fd);

#endif
