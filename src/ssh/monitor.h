/*
 * The monitor, the process that starts ssh, as the main process sees it; why
 * there are two processes: doc/design.md, "Two processes".
 *
 * The monitor reads no byte of a peer or of ssh, but the account of a login
 * (base/account.h), of which it checks each byte.  A request names one of four
 * commands (ssh/cmdline.h), or the metrics exporter; the monitor makes the
 * arguments itself, from the options that it has had since the fork, or has
 * read since.  So a main process that an attacker has taken over can run
 * nothing but what the user has configured; with --login ssh it can choose the
 * account, and the host among those of --login-hosts.  Signals are SIGTERM or
 * SIGKILL, and reach only what the monitor has started.  A request that the
 * main process never makes ends everything.
 *
 * The monitor ignores the signals of a terminal and of service managers.  When
 * the main process ends, however it ends, the monitor ends all that it has
 * started, removes the private directory, and ends.
 */
#ifndef SSH_MONITOR_H
#define SSH_MONITOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "base/user.h"
#include "ssh/cmdline.h"

struct monitor;

/* The user's files, which only the monitor can read again.  Called in its
 * process. */
struct monitor_source {
	/* Reads all again.  The result for the main process: heap memory of
	 * *ret_len bytes; NULL when out of memory. */
	char *(*read)(void *ctx, size_t *ret_len);

	/* The options of that name, from what was read last; false if there are
	 * none. */
	bool (*find)(void *ctx, const char *name, struct link_options *ret);

	void *ctx;
};

struct monitor_options {
	/*
	 * Of the first link to each of the n destinations, 1 to
	 * LIMIT_DESTINATIONS.  If the first directory is NULL, the monitor
	 * makes a private one (cmdline_destination_directory()), and removes it
	 * at its end.
	 */
	const struct link_options *first;
	size_t n;

	const struct monitor_source *source; /* or NULL */
	const char *const *metrics; /* arguments of the exporter, or NULL */
	const char *log;    /* a file that it opens to append to; or NULL */
	const char *remove; /* a Unix socket that it removes at its end, unless
			     * somebody listens there; or NULL */

	/* Whom it becomes, who then owns the private directory; or NULL. */
	const struct user *user;
};

/*
 * Forks the monitor, and waits until it is ready.  0, or a negative errno, and
 * the reason has been logged.  Only for a process with one thread.  options
 * must not point into the process's original arguments: the monitor overwrites
 * its copy of them (base/title.h).
 */
int monitor_fork(const struct monitor_options *options, struct monitor **ret);

/* The private directory that it has made; valid as long as the monitor. */
const char *monitor_directory(const struct monitor *monitor);

/* For tests: its process, and how many ended() will still come. */
pid_t monitor_pid(const struct monitor *monitor);
unsigned int monitor_running(const struct monitor *monitor);

/* The monitor has ended unexpectedly.  Called once, from the loop, before the
 * ended() of all that it has started. */
typedef void monitor_lost_cb(void *ctx);

/* Its answers come from that loop.  0 or a negative errno. */
int monitor_attach(struct monitor *monitor, uv_loop_t *loop,
    monitor_lost_cb *lost, void *ctx);

/* Its answers do not come any more; what still runs is ended by monitor_free().
 * Does nothing if it is not attached. */
void monitor_detach(struct monitor *monitor);

/* How a process has ended. */
struct monitor_end {
	int err;    /* negative errno: it was not started; -EPIPE: the monitor
		     * has ended; 0: */
	int status; /* its exit status */
	int signal; /* that has ended it, or 0 */
};

/* Called once, from the loop. */
typedef void monitor_ended_cb(void *ctx, const struct monitor_end *end);

/*
 * Starts an ssh.  output, the writing end of a pipe, becomes its standard error
 * (of ssh -G: its standard output), and remains the caller's.  0 and a number
 * for monitor_signal(), never 0; or a negative errno, and ended() does not
 * come.
 */
int monitor_start(struct monitor *monitor, const struct cmdline *cmdline,
    int output, monitor_ended_cb *ended, void *ctx, uint32_t *ret_number);

/*
 * Starts options.metrics in the private directory, with a listening socket as
 * its standard input; the socket remains the caller's.  It ignores all signals
 * but SIGKILL, which it gets for every monitor_signal() and at the end of the
 * monitor.  Returns the same as monitor_start().
 */
int monitor_start_metrics(struct monitor *monitor, int listener,
    monitor_ended_cb *ended, void *ctx, uint32_t *ret_number);

/* Sends SIGTERM or SIGKILL to that process and what it has started.  Allowed
 * after its end. */
void monitor_signal(struct monitor *monitor, uint32_t number, int signum);

/* Takes options.log, opened by monitor_fork(): a descriptor, or -1 if there is
 * none or it was taken. */
int monitor_take_log(struct monitor *monitor);

/* fd: the callee's; or a negative errno.  Called from the loop. */
typedef void monitor_log_cb(void *ctx, int fd);

/* Opens options.log again; done comes once, unless the monitor is lost.  0, or
 * a negative errno; -EBUSY if done of an earlier call has not come yet. */
int monitor_open_log(struct monitor *monitor, monitor_log_cb *done, void *ctx);

/* What the source has read, valid in the call; or err, a negative errno. Called
 * from the loop. */
typedef void monitor_read_cb(void *ctx, int err, const char *bytes, size_t len);

/* Reads the source again; done and result as for monitor_open_log(). */
int monitor_read(struct monitor *monitor, monitor_read_cb *done, void *ctx);

/* From now on destination number to, below LIMIT_DESTINATIONS, has the options
 * of that name from the source; nothing of it runs.  0 or a negative errno. */
int monitor_use(struct monitor *monitor, size_t to, const char *name);

/*
 * The monitor leaves the terminal for a session of its own.  What it starts
 * from now on has no terminal and asks nothing (BatchMode).  An ssh that runs
 * stays in the terminal's session, but ignores its signals.  0 or a negative
 * errno.
 */
int monitor_leave_terminal(struct monitor *monitor);

/* Ends the monitor, and waits until it has ended all and removed the directory.
 * Only when detached and the loop has closed its handle.  NULL is allowed. */
void monitor_free(struct monitor *monitor);

#endif
