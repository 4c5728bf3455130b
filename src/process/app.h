/*
 * The process: what all destinations share, start-up, and the order in which
 * things end.  app.c, signals.c and destination.c share the struct; the
 * commands only call app_run().
 */
#ifndef PROCESS_APP_H
#define PROCESS_APP_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "base/activation.h"
#include "base/notify.h"
#include "base/privdir.h"
#include "base/user.h"
#include "conf/options.h"
#include "process/destination.h"
#include "limits.h"
#include "net/sock.h"
#include "ssh/cmdline.h"
#include "ssh/link.h"
#include "ssh/monitor.h"
#include "ssh/window.h"
#include "tunnel/side.h"
#include "tunnel/transfer_log.h"
#include "tunnel/tunnel.h"

enum exit_status {
	EXIT_STOPPED = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_NOT_CONNECTED = 255, /* ssh's own */
};

/* SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 */
#define APP_SIGNALS 5

/* -f: until all is ready, the foreground process waits for us. */
struct background {
	int fd;		  /* to it (base/foreground.h); -1: there is none */
	uv_poll_t poll;	  /* of fd: it has ended */
	uv_timer_t timer; /* looks whether all is ready */
};

struct app {
	const struct options *options; /* those that are one for all */
	bool low_ports;		       /* below 1024 are still to be bound */
	bool named;	      /* its tunnels are a configuration file's */
	struct user user;     /* to become; without a name: none */
	struct notify notify; /* systemd, if it has started us */
	struct activation activation; /* its sockets */
	uv_timer_t watchdog;	      /* signs of life for it */
	struct monitor *monitor;
	uv_loop_t loop;
	char directory[PRIVDIR_MAX];
	struct net *net;
	struct window_budget budget;
	struct transfer_log *transfer_log; /* or NULL */
	bool reopen; /* asked for while it was being opened again */
	struct side *near;
	struct owners *owners;
	struct tunnel_count count;
	size_t n_running; /* destinations that have not ended */
	struct destination *destinations[LIMIT_DESTINATIONS]; /* or NULL */
	struct link_options links[LIMIT_DESTINATIONS]; /* to each, the first */
	char directories[LIMIT_DESTINATIONS][CMDLINE_DIRECTORY_MAX];
	uv_timer_t look; /* for what is to go once it has no sessions */
	const struct app_owner *owner;
	struct background background;	/* -f */
	struct control_socket *control; /* or NULL */
	struct metrics *metrics;	/* or NULL */
	uint64_t began_at;		/* uv_now() */
	uv_signal_t signals[APP_SIGNALS];
	int terminal;	   /* the controlling one, or -1 */
	uv_timer_t drain;  /* looks whether the last session has ended */
	uint64_t drain_by; /* uv_now(); 0: there is no such time */
	bool started;	   /* some tunnel was, once */
	bool draining;	   /* by a signal ... */
	bool stopping;	   /* app_stop() was called */
	bool dismissed;	   /* the last tunnel was stopped by hand */
	enum exit_status status;
};

/* What is wanted by a signal, or by the control socket. */
enum app_order {
	APP_STOP,   /* SIGTERM, SIGINT: end, sessions with 421 */
	APP_DRAIN,  /* SIGUSR1: end when that cuts no transfer */
	APP_RELOAD, /* SIGHUP: read the configuration file again */
};

/* ---- app.c ---- */

/* Who asks for it. */
struct app_owner {
	bool named; /* its tunnels are a configuration file's: what cannot be
		     * had at first is tried again */

	/* Adds all destinations (app_add()), each with its entries.  False: why
	 * has been logged. */
	bool (*fill)(void *ctx, struct app *app);

	/* APP_RELOAD of all, with NULL, and what is wanted of one tunnel; or
	 * NULL.  False: why says it. */
	bool (*order)(void *ctx, enum app_order order, const char *name,
	    char *why, size_t why_size);

	void *ctx;

	/* What the monitor reads again; or NULL. */
	const struct monitor_source *source;
};

/*
 * Runs until all has ended; returns the exit status.  process: for options that
 * are one for all.  to: the options of the destinations that fill() is to add,
 * in its order, n of them, 1 to LIMIT_DESTINATIONS.
 */
int app_run(const struct options *process, const struct options *const *to,
    size_t n, const struct app_owner *owner);

/* A destination in that place, which the monitor has the options for.  NULL: it
 * has been logged. */
struct destination *app_add(struct app *app, size_t to,
    const struct options_ref *options);

/* Starts one that fill() has not added.  False: why has been logged, and it
 * has ended. */
bool app_start(struct app *app, struct destination *destination);

/* A destination is up, or no longer. */
void app_show_status(struct app *app);

/* A reload has ended; why it did not, or NULL. */
void app_reloaded(struct app *app, const char *why);

/* Something is to go as soon as it has no sessions. */
void app_look(struct app *app);

/* Ends all, in its order. */
void app_stop(struct app *app);

/* Opens the transfer log again. */
void app_reopen(struct app *app);

/* Ends every ssh, whoever has still to be told something through it. */
void app_disconnect(struct app *app);

/* Called by a destination: nothing is left of its ssh, and none will run. */
void app_destination_ended(struct app *app, enum exit_status status);

/* Ends that session with 421.  False: there is no such. */
bool app_end_session(struct app *app, unsigned long number);

/* ---- background.c: -f ---- */

/* Forks, if -f was given.  False: this is the foreground process, and it ends
 * with *ret_status. */
bool background_fork(struct app *app, int *ret_status);

/* From the start of the loop on, to the end of the process. */
void background_watch(struct app *app);
void background_unwatch(struct app *app);

/* ---- orders.c: what they do is in culvert(1) ---- */

/* name: of a tunnel, or NULL for all.  False: why says it. */
bool app_obey(struct app *app, enum app_order order, const char *name,
    char *why, size_t why_size);

/* For the start: writing to a log neither ends culvert nor stops it. */
void signals_prepare(void);
void signals_watch(struct app *app);
/* From here on a signal changes nothing, and kills nobody who cleans up. */
void signals_ignore(struct app *app);

#endif
