/*
 * The process: what all destinations share, start-up, and the order in which
 * things end.  app.c, signals.c and destination.c share the struct; the
 * commands only call app_run().
 */
#ifndef APP_H
#define APP_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "base/activation.h"
#include "base/notify.h"
#include "base/privdir.h"
#include "base/user.h"
#include "conf/options.h"
#include "destination.h"
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
	struct side *near;
	struct tunnel_count count;
	size_t n_running; /* destinations that have not ended */
	struct destination *destinations[LIMIT_DESTINATIONS]; /* or NULL */
	struct link_options links[LIMIT_DESTINATIONS]; /* to each, the first */
	char directories[LIMIT_DESTINATIONS][CMDLINE_DIRECTORY_MAX];
	uv_timer_t look; /* for what is to go once it has no sessions */
	void (*hangup)(void *ctx); /* SIGHUP; NULL: there is nothing to do */
	void *ctx;
	uv_signal_t signals[APP_SIGNALS];
	int terminal;	   /* the controlling one, or -1 */
	uv_timer_t drain;  /* looks whether the last session has ended */
	uint64_t drain_by; /* uv_now(); 0: there is no such time */
	bool started;	   /* some tunnel was, once */
	bool draining;	   /* by a signal ... */
	bool stopping;	   /* app_stop() was called */
	enum exit_status status;
};

/* ---- app.c ---- */

/* Who asks for it. */
struct app_owner {
	bool named; /* its tunnels are a configuration file's: what cannot be
		     * had at first is tried again */

	/* Adds all destinations (app_add()), each with its entries.  False: why
	 * has been logged. */
	bool (*fill)(void *ctx, struct app *app);

	void (*hangup)(void *ctx); /* SIGHUP; or NULL */
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

/* ---- signals.c: what they do is in culvert(1) ---- */

void signals_watch(struct app *app);
/* From here on a signal changes nothing, and kills nobody who cleans up. */
void signals_ignore(struct app *app);

#endif
