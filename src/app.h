/*
 * What main.c (start-up, and the order in which things end) and signals.c
 * share. Nobody else includes it.
 */
#ifndef APP_H
#define APP_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "base/privdir.h"
#include "base/user.h"
#include "conf/options.h"
#include "net/sock.h"
#include "ssh/link.h"
#include "ssh/links.h"
#include "ssh/monitor.h"
#include "ssh/reconnect.h"
#include "ssh/window.h"
#include "tunnel/policy.h"
#include "tunnel/ports.h"
#include "tunnel/side.h"
#include "tunnel/tunnel.h"

enum exit_status {
	EXIT_STOPPED = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_NOT_CONNECTED = 255, /* ssh's own */
};

/* SIGINT, SIGTERM, SIGHUP, SIGUSR1 */
#define APP_SIGNALS 4

struct app {
	struct options options;
	struct user user; /* to become; without a name: none */
	struct monitor *monitor;
	uv_loop_t loop;
	char directory[PRIVDIR_MAX];
	struct net *net;
	struct window_budget budget;
	struct link_options link_options;
	struct reconnect *reconnect;
	struct links *links; /* its own */
	struct side *near;
	struct side *far;	/* of servers */
	struct side *far_first; /* of clients: the first link only */
	struct policy policy;
	struct tunnel *tunnels[OPTIONS_FORWARDS_MAX];
	bool started;	   /* the tunnels were, once */
	size_t n_starting; /* of them, still */
	struct tunnel_count count;
	uv_signal_t signals[APP_SIGNALS];
	int terminal;	   /* the controlling one, or -1 */
	uv_timer_t drain;  /* looks whether the last session has ended */
	uint64_t drain_by; /* uv_now(); 0: there is no such time */
	bool draining;	   /* by a signal ... */
	bool stopping;	   /* ... and this too */
	enum exit_status status;
};

/* main.c: ends all, in its order. */
void app_stop(struct app *app);

/* signals.c: what they do is in culvert(1). */
void signals_watch(struct app *app);
/* From here on a signal changes nothing, and kills nobody who cleans up. */
void signals_ignore(struct app *app);

#endif
