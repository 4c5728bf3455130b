/*
 * An ssh that the monitor runs (monitor.h), and what it writes.
 */
#ifndef SSH_RUN_H
#define SSH_RUN_H

#include <stddef.h>
#include <uv.h>

#include "ssh/cmdline.h"
#include "ssh/monitor.h"

struct ssh_run;

/* Called from the loop only. */
struct ssh_run_handler {
	/* It has written len bytes: ssh -G to standard output, the ssh of a
	 * link to standard error. */
	void (*wrote)(void *ctx, const char *bytes, size_t len);

	/* It has ended, and wrote() was called for all that it has written.
	 * Called once; may call ssh_run_free(). */
	void (*ended)(void *ctx, const struct monitor_end *end);
};

/* Starts it; the monitor is attached to loop.  0, or a negative errno: then no
 * callback comes and *ret is untouched. */
int ssh_run_start(uv_loop_t *loop, struct monitor *monitor,
    const struct cmdline *cmdline, const struct ssh_run_handler *handler,
    void *ctx, struct ssh_run **ret);

/* See monitor_signal().  Allowed after its end. */
void ssh_run_signal(const struct ssh_run *run, int signum);

/* Only after ended(), or in it; the loop frees it.  NULL is allowed. */
void ssh_run_free(struct ssh_run *run);

#endif
