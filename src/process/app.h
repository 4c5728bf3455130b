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

/* -f: the foreground process waits until everything is ready. */
struct background {
	int fd;		  /* to it (base/foreground.h); -1: there is none */
	uv_poll_t poll;	  /* of fd: it has ended */
	uv_timer_t timer; /* checks whether everything is ready */
};

struct app_options {
	const struct options *process;	  /* those that apply to all tunnels */
	const struct link_options *links; /* to each destination */
	size_t n;			  /* of links */

	/* What only culvert up has; else NULL. */
	const struct monitor_source *source;
	/* Reloads, or acts on the tunnel with that name; name NULL: reloads
	 * all.  False with the reason in why. */
	control_order_cb *request;
	void *ctx; /* of request */
};

struct app {
	struct shared shared;
	struct app_options options;
	struct user user;     /* to become; name NULL: none */
	struct notify notify; /* the service manager */
	uv_timer_t watchdog;  /* signs of life for it */
	bool reopen;	  /* the log, once more, after the present reopening */
	uv_timer_t sweep; /* frees what has no sessions any more */
	struct background background;
	struct control_socket *control; /* or NULL */
	struct metrics *metrics;	/* or NULL */
	uv_signal_t signals[APP_SIGNALS];
	int terminal;	   /* the controlling one, or -1 */
	uv_timer_t drain;  /* checks whether the last session has ended */
	uint64_t drain_by; /* uv_now(); 0: no limit */
	bool dismissed;	   /* the last tunnel was stopped by request */
	enum exit_status status;
};

/*
 * Start-up until destinations can be added: the monitor and what all share.
 * options is copied, what it points to is borrowed.  NULL: the process is to
 * end with *ret_status, and the reason has been logged.
 */
struct app *app_open(const struct app_options *options, int *ret_status);

/* Starts what was added to app->shared, and runs until everything has ended;
 * good false: ends at once, as failed.  Returns the exit status. */
int app_run(struct app *app, bool good);

/* For the service manager: how many destinations are connected. */
void app_show_status(struct app *app);

/* A reload has ended; why it failed, or NULL. */
void app_reloaded(struct app *app, const char *why);

/* Some entry is leaving: frees it once it has no sessions. */
void app_sweep(struct app *app);

/* Ends everything, in order. */
void app_stop(struct app *app);

/* Opens the transfer log again. */
void app_reopen(struct app *app);

/* Ends every ssh, even if clients still wait for a reply through it. */
void app_disconnect(struct app *app);

/* ---- background.c: -f ---- */

/* Forks, if -f was given.  False: this is the foreground process, and it ends
 * with *ret_status. */
bool background_fork(struct app *app, int *ret_status);

/* When the loop starts, and when it has ended. */
void background_watch(struct app *app);
void background_unwatch(struct app *app);

/* ---- orders.c: signals, and the control socket's requests ---- */

/* A control_order_cb; ctx is the app. */
bool app_obey(void *ctx, enum control_order order, const char *name, char *why,
    size_t why_size);

/* For the start: writing to a log neither ends culvert nor stops it. */
void signals_prepare(void);
void signals_watch(struct app *app);
/* From here on a signal does nothing, so that cleaning up is not interrupted.
 */
void signals_ignore(struct app *app);

#endif
