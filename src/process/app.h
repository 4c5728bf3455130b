/*
 * The process: start-up, signals and requests, and the order in which things
 * end.
 *
 *	cmd/run.c, up.c          which tunnels there are
 *	    |   ^ app_options.request: reload, stop one tunnel
 *	    v   |
 *	app.c, orders.c, background.c
 *	    |   ^ destination_handler: connected, failed, ended
 *	    v   | control_order_cb: what a client of the socket requests
 *	destination.c, entry.c   control.c, status.c   metrics.c
 *
 * Orders go down by calls, reports come up by these callbacks.
 */
#ifndef PROCESS_APP_H
#define PROCESS_APP_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "base/notify.h"
#include "base/user.h"
#include "conf/options.h"
#include "process/control.h"
#include "process/destination.h"
#include "process/shared.h"
#include "ssh/monitor.h"

/* SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 */
#define APP_SIGNALS 5

struct exec;

/* -f: the foreground process (base/foreground.h) waits until everything is
 * ready. */
struct background {
	int fd;		  /* to the foreground process; -1: there is none */
	uv_poll_t poll;	  /* of fd: that process has ended */
	uv_timer_t timer; /* checks whether everything is ready */
};

struct app_options {
	const struct options *process;	  /* those that apply to all tunnels */
	const struct link_options *links; /* to each destination */
	size_t n;			  /* of links */
	const struct logins *logins;	  /* those that tunnels name */

	/* Only for culvert up; otherwise NULL. */
	const struct monitor_source *source;
	/* Carries out a reload (of all tunnels if name is NULL), or an order
	 * for the tunnel with that name.  Returns false with the reason in why.
	 */
	control_order_cb *request;
	void *ctx; /* of request */

	struct exec *exec; /* of culvert exec; otherwise NULL */
};

struct app {
	struct shared shared;
	struct app_options options;
	struct user user;     /* the user to become; name NULL: none */
	struct notify notify; /* the service manager */
	uv_timer_t watchdog;  /* for its WATCHDOG=1 */
	bool reopen;	    /* the transfer log, again, after this reopening */
	uv_timer_t sweep;   /* frees entries without sessions */
	uv_timer_t settle;  /* at the end: are the gateways settled? */
	uint64_t settle_by; /* uv_now() */
	struct background background;
	struct control_socket *control; /* or NULL */
	struct metrics *metrics;	/* or NULL */
	uv_signal_t signals[APP_SIGNALS];
	int terminal;	   /* the controlling terminal, or -1 */
	uv_timer_t drain;  /* checks whether the last session has ended */
	uint64_t drain_by; /* uv_now(); 0: no limit */
	bool dismissed;	   /* the last tunnel was stopped by request */
	enum exit_status status;
};

/*
 * The first part of the start, until destinations can be added: starts the
 * monitor and makes what all destinations share.  *options is copied; what it
 * points to is borrowed.  Returns NULL if the process must end with the exit
 * status in *ret_status; the reason has been logged.
 */
struct app *app_open(const struct app_options *options, int *ret_status);

/* Starts the destinations that were added to app->shared, runs until everything
 * has ended, and frees app.  With good false, it starts nothing and ends at
 * once with EXIT_FAILED.  Returns the exit status. */
int app_run(struct app *app, bool good);

/* Tells the service manager how many destinations are connected. */
void app_show_status(struct app *app);

/* Call it when a reload has ended.  The parameters are those of
 * control_reloaded(). */
void app_reloaded(struct app *app, const char *name, const char *why);

/* Call it when an entry is leaving: the entry is freed once it has no sessions.
 */
void app_sweep(struct app *app);

/* Ends everything, in order. */
void app_stop(struct app *app);

/* Opens the transfer log again. */
void app_reopen(struct app *app);

/* Ends every ssh, even if clients still wait for a reply through it. */
void app_disconnect(struct app *app);

/* ---- background.c: -f ---- */

/* Forks, if -f was given.  Returns false in the foreground process, which must
 * end with the exit status in *ret_status. */
bool background_fork(struct app *app, int *ret_status);

/* For the process that continues after background_fork(), which has opened
 * nothing else yet.  Closes what the caller has left open, such as a lock or
 * the end of a pipe, because it must not stay open as long as culvert runs. */
void background_close_inherited(struct app *app);

/* Call them when the loop starts, and when it has ended.  In between, the
 * foreground process is released when everything is ready; if it is killed
 * before, culvert stops. */
void background_watch(struct app *app);
void background_unwatch(struct app *app);

/* ---- orders.c: signals, and the control socket's requests ---- */

/* Carries out an order of the control socket: a control_order_cb, with the app
 * as ctx. */
bool app_obey(void *ctx, enum control_order order, const char *name, char *why,
    size_t why_size);

/* Call it at the start.  Ignores the signals by which writing to a log would
 * end or stop culvert. */
void signals_prepare(void);
/* From now on culvert handles its APP_SIGNALS signals. */
void signals_watch(struct app *app);
/* From here on a signal does nothing, so that cleaning up is not interrupted.
 */
void signals_ignore(struct app *app);

#endif
