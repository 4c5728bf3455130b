/*
 * The monitor: the process that starts ssh, and this side's way to it.
 *
 * Theory of operation.  The process that handles what peers send is confined
 * (base/confine.h): it can start nothing, open next to nothing and signal
 * nobody.  ssh must not be: a ProxyCommand runs anything, it reads ~/.ssh, and
 * it is started again whenever a link was lost.  So main() forks the monitor
 * before it has read a byte of anybody, and asks it for what only it can do.
 *
 *	main process                          monitor
 *	    |-- start number 7: ssh of link 0, ... ->|  fork, exec of ssh
 *	    |   (and the pipe for what it says)      |
 *	    |-- signal number 7: SIGTERM ----------->|  kill
 *	    |<- number 7 has ended: status, signal --|
 *	    X  ends, in whatever way                 |  ends what it started,
 *	                                             |  removes the private
 *	                                             |  directory, and ends
 *
 * The monitor reads no byte of a peer, nor of ssh.  It is told which of three
 * commands to run (ssh/cmdline.h), or to run the exporter of metrics
 * (monitor_start_metrics()), not how: it makes the arguments itself, of
 * the options it has had since the fork, and so a main process that somebody
 * has taken over cannot run anything that the user has not asked for.  Signals
 * go to what the monitor has started itself, by its number, and are SIGTERM or
 * SIGKILL.  A request that the main process never makes ends all.
 *
 * It ignores the signals of a terminal and of those that stop services; it ends
 * when the main process does.
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

/*
 * What the user's files say, which only the monitor can read again.  Called in
 * its process.
 */
struct monitor_source {
	/* Reads all again.  Heap memory of *ret_len bytes, what came of it, for
	 * the main process; NULL when out of memory. */
	char *(*read)(void *ctx, size_t *ret_len);

	/* The options of that name in what was read last, as in
	 * monitor_options.first; false: there are none. */
	bool (*find)(void *ctx, const char *name, struct link_options *ret);

	void *ctx;
};

struct monitor_options {
	/* Of the first link to each destination, 1 to LIMIT_DESTINATIONS.
	 * Where the directory of the first is NULL the monitor makes a private
	 * one for all (cmdline_destination_directory()), and removes it in the
	 * end; else each has its own. */
	const struct link_options *first;
	size_t n;

	const struct monitor_source *source; /* or NULL */
	/* ssh keeps the terminal, to ask on, but not its signals:
	 * monitor_leave_terminal() is to come. */
	bool leaves_terminal;

	/* The arguments of the program that monitor_start_metrics() starts; or
	 * NULL. */
	const char *const *metrics;

	const char *log;    /* a file that it opens to append to; or NULL */
	const char *remove; /* a Unix socket that it removes in the end, if
			     * nobody listens there; or NULL */

	/* Whom it becomes, or NULL.  The private directory is his, too. */
	const struct user *user;
};

/*
 * Forks the monitor, and waits until it is ready.  0, or a negative errno, and
 * then the reason has been logged.  Only for a process with one thread.  The
 * monitor overwrites its memory of the process's original arguments
 * (base/title.h), so options must not point there.
 */
int monitor_fork(const struct monitor_options *options, struct monitor **ret);

/* The private directory that it has made, valid as long as the monitor. */
const char *monitor_directory(const struct monitor *monitor);

/* For tests: its process, and how many it has started whose ended() is still to
 * come. */
pid_t monitor_pid(const struct monitor *monitor);
unsigned int monitor_running(const struct monitor *monitor);

/* Called from the loop, once, when it has ended though nobody wanted it to;
 * before the ended() of all that it has started. */
typedef void monitor_lost_cb(void *ctx);

/* Its answers come by that loop from now on.  0 or a negative errno. */
int monitor_attach(struct monitor *monitor, uv_loop_t *loop,
    monitor_lost_cb *lost, void *ctx);

/* The loop is to run dry after that; nothing runs any more, or the monitor is
 * to end it in monitor_free().  Not attached, it does nothing. */
void monitor_detach(struct monitor *monitor);

/* How a process has ended. */
struct monitor_end {
	int err;    /* negative errno: it was not started; -EPIPE: unknown, the
		     * monitor has ended; else 0, and */
	int status; /* of its exit */
	int signal; /* that has ended it, or 0 */
};

/* Called from the loop, once. */
typedef void monitor_ended_cb(void *ctx, const struct monitor_end *end);

/*
 * Starts one; what it says (ssh: to standard error; ssh -G: to standard output)
 * goes to the pipe whose end output is; that stays the caller's.  0 with a
 * number for monitor_signal(), never 0; or a negative errno, and ended() will
 * not come.
 */
int monitor_start(struct monitor *monitor, const struct cmdline *cmdline,
    int output, monitor_ended_cb *ended, void *ctx, uint32_t *ret_number);

/*
 * Starts the program of options.metrics, in the private directory, with a
 * socket that listens as its standard input; the socket stays the caller's.  It
 * ignores every signal but SIGKILL, which monitor_signal() sends it in any
 * case, and which it gets when the monitor ends.  Returns the same as
 * monitor_start().
 */
int monitor_start_metrics(struct monitor *monitor, int listener,
    monitor_ended_cb *ended, void *ctx, uint32_t *ret_number);

/* The log of its options, opened before monitor_fork() returned; the caller's
 * from then on.  -1 at the second call, or without a log. */
int monitor_take_log(struct monitor *monitor);

/* A descriptor, the callee's; or a negative errno.  Called from the loop. */
typedef void monitor_log_cb(void *ctx, int fd);

/* Has it open the log again; done comes once, unless the monitor is lost.  One
 * at a time.  0 or a negative errno. */
int monitor_open_log(struct monitor *monitor, monitor_log_cb *done, void *ctx);

/* What read() of its source has said; or err, a negative errno, and no bytes.
 * Called from the loop. */
typedef void monitor_read_cb(void *ctx, int err, const char *bytes, size_t len);

/* Has it read its source again; done comes once, unless the monitor is lost.
 * One at a time.  0 or a negative errno. */
int monitor_read(struct monitor *monitor, monitor_read_cb *done, void *ctx);

/* Destination number to, below LIMIT_DESTINATIONS, is from now on what the
 * source has under that name; nothing runs for it.  0 or a negative errno. */
int monitor_use(struct monitor *monitor, size_t to, const char *name);

/*
 * The monitor leaves the terminal for a session of its own.  What it starts
 * from then on has no terminal, and asks nobody (BatchMode).  An ssh that is
 * running stays in the session of the terminal, but no signal of that reaches
 * it.  0 or a negative errno.
 */
int monitor_leave_terminal(struct monitor *monitor);

/* SIGTERM or SIGKILL to that process; to all of its session, if it leads one.
 * One that has ended is left alone. */
void monitor_signal(struct monitor *monitor, uint32_t number, int signum);

/*
 * Ends the monitor, and waits until it has ended all and removed the directory.
 * NULL is allowed.  Detached only, and the loop must have closed its handle.
 */
void monitor_free(struct monitor *monitor);

#endif
