/*
 * The process: start-up, and the order in which things end.
 *
 * Start: the monitor, which starts ssh (ssh/monitor.h), with the private
 * directory; the near listeners of all destinations; all privileges dropped
 * (base/privileges.h); then each destination's ssh and tunnels (destination.c).
 * End: tunnels with their sessions, ssh, and when that has gone everything
 * else; the loop runs dry and app_run() returns.
 */
#include "app.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/log.h"
#include "base/privileges.h"

/* Descriptors of a session in a transfer: at most (-R, passive mode) two of its
 * control connection, two of its data connection, and a listener's. */
#define DESCRIPTORS_SESSION 5

/* ... and those that are no session's: of ssh, of the loop, of who was refused,
 * ... */
#define DESCRIPTORS_OWN (128 + LIMIT_TURNED_AWAY)

/* ---- the end ---- */

static void
let_go(struct app *app)
{
	for (size_t i = 0; i < app->n_destinations; i++)
		destination_let_go(app->destinations[i]);
	side_free(app->near);
	app->near = NULL;
}

void
app_disconnect(struct app *app)
{
	for (size_t i = 0; i < app->n_destinations; i++)
		destination_disconnect(app->destinations[i]);
}

static void
on_said(void *ctx)
{
	app_disconnect(ctx);
}

/*
 * Ends all, in its order.  The 421 for a client of a remote tunnel goes through
 * ssh, and sshd drops what it still has of it when ssh ends: so ssh is left
 * until such clients have ended too, or had their time.
 */
void
app_stop(struct app *app)
{
	bool remote = false;

	app->stopping = true;
	net_hurry(app->net);
	for (size_t i = 0; i < app->n_destinations; i++) {
		destination_stop(app->destinations[i], "culvert is stopping");
		remote |= destination_is_remote(app->destinations[i]);
	}
	if (remote)
		net_when_finished(app->net, on_said, app);
	else
		app_disconnect(app);
}

/* The worst of all counts. */
void
app_destination_ended(struct app *app, enum exit_status status)
{
	if (status > app->status)
		app->status = status;
	if (--app->n_running == 0)
		let_go(app);
}

/* ---- start-up ---- */

static bool
make_parts(struct app *app)
{
	const struct admission_limits limits = {
		.sessions = app->options->max_sessions,
		.per_address = app->options->max_per_address,
		.logins = app->options->max_logins,
	};

	window_budget_init(&app->budget, app->options->max_memory,
	    (uint32_t)app->options->max_window);
	app->net = net_new(&app->loop);
	if (app->net == NULL)
		return false;
	app->count.admission = admission_new(&limits);
	app->near = near_side_new(&app->loop, app->net);
	return app->count.admission != NULL && app->near != NULL;
}

/* What the administrator allows is taken. */
static void
raise_descriptors(const struct app *app)
{
	struct rlimit limit;
	uint64_t wanted =
	    DESCRIPTORS_SESSION * app->options->max_sessions + DESCRIPTORS_OWN;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	if (limit.rlim_cur < limit.rlim_max && limit.rlim_cur < wanted) {
		limit.rlim_cur =
		    wanted < limit.rlim_max ? wanted : limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	if (limit.rlim_cur < wanted)
		log_verbose("%lu descriptors (ulimit -n) may be too few for "
			    "%lu sessions with transfers; then connections "
			    "have to wait",
		    (unsigned long)limit.rlim_cur,
		    (unsigned long)app->options->max_sessions);
}

/* Whom to become: NULL for nobody. */
static const struct user *
user_of(const struct app *app)
{
	return app->user.name != NULL ? &app->user : NULL;
}

/* Does any tunnel need ports below 1024 later on? */
static bool
needs_low_ports(const struct destination_plan *plans, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < plans[i].n; j++) {
			uint16_t low =
			    plans[i].tunnels[j].options->client_ports_low;

			if (low > 0 && low < IPPORT_RESERVED)
				return true;
		}
	}
	return false;
}

/* After the ports are bound, and before anything of a peer is read. */
static bool
drop_privileges(const struct app *app, bool low_ports)
{
	const struct privileges privileges = {
		.user = user_of(app),
		.directory = app->directory,
		.low_ports = low_ports,
		.no_filters = app->options->no_confine,
	};

	return privileges_drop(&privileges);
}

static bool
make_destinations(struct app *app, const struct destination_plan *plans,
    size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct destination *destination =
		    destination_new(app, &plans[i], &app->links[i]);

		if (destination == NULL) {
			log_err("out of memory");
			return false;
		}
		app->destinations[app->n_destinations++] = destination;
		if (!destination_prepare(destination))
			return false;
	}
	return true;
}

/* Those that have been started end by themselves. */
static void
abandon(struct app *app)
{
	for (size_t i = app->n_running; i < app->n_destinations; i++)
		destination_let_go(app->destinations[i]);
	if (app->n_running == 0)
		let_go(app);
	else
		app_stop(app);
}

static bool
start(struct app *app, const struct destination_plan *plans, size_t n)
{
	if (!make_parts(app)) {
		log_err("out of memory");
		return false;
	}
	if (!make_destinations(app, plans, n) ||
	    !drop_privileges(app, needs_low_ports(plans, n)))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!destination_start(app->destinations[i]))
			return false;
		app->n_running++;
	}
	return true;
}

/* Nothing is open yet, and nothing of anybody read. */
static bool
start_monitor(struct app *app, const struct destination_plan *plans, size_t n)
{
	struct monitor_options options = { .first = app->links, .n = n };

	assert(n >= 1 && n <= LIMIT_DESTINATIONS);
	for (size_t i = 0; i < n; i++) {
		app->links[i] = destination_link_options(&plans[i], i);
		app->links[i].budget = &app->budget;
	}
	if (!privileges_find_user(app->options->user, &app->user))
		return false;
	options.user = user_of(app);
	if (monitor_fork(&options, &app->monitor) != 0)
		return false;
	snprintf(app->directory, sizeof(app->directory), "%s",
	    monitor_directory(app->monitor));
	for (size_t i = 0; i < n; i++) {
		cmdline_destination_directory(app->directory, i,
		    app->directories[i]);
		app->links[i].directory = app->directories[i];
		app->links[i].monitor = app->monitor;
	}
	return true;
}

/* Nothing can start ssh any more, and nobody cleans up but we. */
static void
on_monitor_lost(void *ctx)
{
	struct app *app = ctx;

	log_err("culvert's monitor process has ended, and ssh with it");
	app->status = EXIT_FAILED;
	app_stop(app);
}

static int
start_loop(struct app *app)
{
	int err;

	/* io_uring would go round the filter of system calls. */
	setenv("UV_USE_IO_URING", "0", 1);
	err = uv_loop_init(&app->loop);
	if (err == 0)
		err = monitor_attach(app->monitor, &app->loop, on_monitor_lost,
		    app);
	if (err != 0)
		log_err("cannot start: %s", uv_strerror(err));
	return err;
}

/* When the loop has run dry. */
static void
free_all(struct app *app)
{
	int err;

	for (size_t i = 0; i < app->n_destinations; i++)
		destination_free(app->destinations[i]);
	monitor_detach(app->monitor);
	/* For the handles that were closed just now. */
	uv_run(&app->loop, UV_RUN_DEFAULT);
	net_free(app->net);
	admission_free(app->count.admission);
	err = uv_loop_close(&app->loop);
	assert(err == 0);
	monitor_free(app->monitor);
	/* Which has done that, unless it has died. */
	privdir_remove(app->directory);
	user_free(&app->user);
}

int
app_run(const struct options *process, bool named,
    const struct destination_plan *plans, size_t n)
{
	static struct app app;

	app.options = process;
	app.named = named;
	app.status = EXIT_STOPPED;
	if (!start_monitor(&app, plans, n) || start_loop(&app) != 0) {
		user_free(&app.user);
		return EXIT_FAILED;
	}
	signals_watch(&app);
	raise_descriptors(&app);
	if (!start(&app, plans, n)) {
		app.status = EXIT_FAILED;
		abandon(&app);
	}
	uv_run(&app.loop, UV_RUN_DEFAULT);
	signals_ignore(&app);
	free_all(&app);
	return (int)app.status;
}
