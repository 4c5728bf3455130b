/*
 * The process: start-up, and the order in which things end.
 *
 * The start, in this order: the monitor, which starts ssh (ssh/monitor.h), with
 * the private directory; the near listeners of all destinations; dropping all
 * privileges (base/privileges.h); each destination's ssh and tunnels
 * (destination.c).  The end: tunnels with their sessions, then ssh, then
 * everything else.  Then the loop has nothing left to do, and app_run()
 * returns.
 */
#include "process/app.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/journal.h"
#include "base/log.h"
#include "base/privileges.h"
#include "limits.h"
#include "process/metrics.h"

/* Descriptors of a session during a transfer.  At most (-R, passive mode) there
 * are two for its control connection, two for its data connection, and a
 * listener. */
#define DESCRIPTORS_SESSION 5

/* Those of the ssh of a login: its standard error, the three connections to its
 * control socket, and the socket for the password with its connection. */
#define DESCRIPTORS_LOGIN 6

/* Descriptors that belong to no session: those of ssh, of the loop, and of
 * clients that are being refused. */
#define DESCRIPTORS_OWN (128 + LIMIT_TURNED_AWAY)

/* ---- the end ---- */

static void
app_let_go(struct app *app)
{
	struct shared *shared = &app->shared;
	struct destination *destination;

	shared->stopping = true;
	TAILQ_FOREACH (destination, &shared->destinations, link)
		destination_let_go(destination);
	side_free(shared->near);
	shared->near = NULL;
	control_close(app->control);
	app->control = NULL;
	metrics_close(app->metrics);
	app->metrics = NULL;
	uv_timer_stop(&app->sweep);
	uv_timer_stop(&app->settle);
}

void
app_disconnect(struct app *app)
{
	struct destination *destination;

	uv_timer_stop(&app->settle);
	TAILQ_FOREACH (destination, &app->shared.destinations, link)
		destination_disconnect(destination);
}

static void
app_on_settle(uv_timer_t *timer)
{
	struct app *app = timer->data;

	if (!destinations_are_busy(&app->shared) ||
	    uv_now(&app->shared.loop) >= app->settle_by)
		app_disconnect(app);
}

/* A gateway removes the temporary files of the uploads that were cut. */
static void
app_settle(void *ctx)
{
	struct app *app = ctx;

	app->settle_by = uv_now(&app->shared.loop) + LIMIT_STOP_SETTLE_MS;
	if (destinations_are_busy(&app->shared))
		uv_timer_start(&app->settle, app_on_settle, 0,
		    LIMIT_STOP_LOOK_MS);
	else
		app_disconnect(app);
}

/*
 * The 421 for a client of a remote tunnel goes through ssh, and when ssh ends,
 * sshd drops what it has not passed on yet.  So ssh continues until such
 * clients have ended their connections, or their time is over.
 */
void
app_stop(struct app *app)
{
	struct shared *shared = &app->shared;
	struct destination *destination;
	bool remote = false;

	shared->stopping = true;
	notify_send(&app->notify, "STOPPING=1");
	net_hurry(shared->net);
	TAILQ_FOREACH (destination, &shared->destinations, link) {
		destination_stop(destination, "culvert is stopping");
		remote |= destination_is_remote(destination);
	}
	if (remote)
		net_when_finished(shared->net, app_settle, app);
	else
		app_settle(app);
}

/* ---- what destinations report ---- */

static void
app_on_changed(void *ctx)
{
	app_show_status(ctx);
}

static void
app_on_failed(void *ctx)
{
	struct app *app = ctx;

	app->status = EXIT_FAILED;
	app_stop(app);
}

/* The exit status is that of the worst end. */
static void
app_on_ended(void *ctx, enum exit_status status)
{
	struct app *app = ctx;

	if (status > app->status)
		app->status = status;
	if (destinations_running(&app->shared) > 0)
		return;
	if (!app->shared.stopping && !app->dismissed &&
	    app->status == EXIT_STOPPED) {
		log_err("no tunnel is left");
		app->status = EXIT_FAILED;
	}
	app_let_go(app);
}

static void
app_on_sweep(uv_timer_t *timer)
{
	struct app *app = timer->data;
	struct destination *destination, *next;
	bool more = false;

	for (destination = TAILQ_FIRST(&app->shared.destinations);
	     destination != NULL; destination = next) {
		next = TAILQ_NEXT(destination, link);
		more |= destination_sweep(destination);
	}
	if (!more)
		uv_timer_stop(&app->sweep);
}

void
app_sweep(struct app *app)
{
	uv_timer_start(&app->sweep, app_on_sweep, 0, LIMIT_DRAIN_LOOK_MS);
}

void
app_reloaded(struct app *app, const char *name, const char *why)
{
	if (app->control != NULL)
		control_reloaded(app->control, name, why);
}

/* ---- the service manager ---- */

void
app_show_status(struct app *app)
{
	const struct destination *destination;
	size_t n = 0, up = 0;

	TAILQ_FOREACH (destination, &app->shared.destinations, link) {
		n++;
		up += destination_is_up(destination);
	}
	notify_send(&app->notify,
	    "STATUS=%zu of %zu SSH destination%s connected", up, n,
	    n == 1 ? "" : "s");
}

static void
app_on_watchdog(uv_timer_t *timer)
{
	struct app *app = timer->data;

	notify_send(&app->notify, "WATCHDOG=1");
}

/* WATCHDOG=1 is sent from the loop, so it stops when the loop hangs. */
static void
app_start_watchdog(struct app *app)
{
	uv_timer_init(&app->shared.loop, &app->watchdog);
	app->watchdog.data = app;
	uv_unref((uv_handle_t *)&app->watchdog);
	if (app->notify.watchdog_ms > 0)
		uv_timer_start(&app->watchdog, app_on_watchdog, 0,
		    app->notify.watchdog_ms);
}

/* ---- the transfer log ---- */

static bool
log_is_journal(const struct options *options)
{
	return options->transfer_log != NULL &&
	    strcmp(options->transfer_log, "journal") == 0;
}

/* Opens the transfer log, before the confinement.  Returns false with the
 * reason logged. */
static bool
open_transfer_log(struct app *app)
{
	const struct options *options = app->options.process;
	bool journal = log_is_journal(options);
	int fd;

	if (options->transfer_log == NULL)
		return true;
	fd =
	    journal ? journal_connect() : monitor_take_log(app->shared.monitor);
	if (fd < 0) {
		log_err("cannot reach the journal for the transfer log: %s",
		    strerror(-fd));
		return false;
	}
	app->shared.transfer_log =
	    transfer_log_new(fd, journal, options->transfer_xferlog);
	if (app->shared.transfer_log == NULL)
		log_err("out of memory");
	return app->shared.transfer_log != NULL;
}

static void
app_on_log_opened(void *ctx, int fd)
{
	struct app *app = ctx;

	if (fd < 0) {
		log_err("cannot reopen the transfer log %s: %s; continuing "
			"with the open file",
		    app->options.process->transfer_log, strerror(-fd));
	} else {
		transfer_log_use(app->shared.transfer_log, fd);
		log_verbose("reopened the transfer log");
	}
	/* The file may have been renamed again since. */
	if (app->reopen)
		app_reopen(app);
}

void
app_reopen(struct app *app)
{
	int err;

	if (app->shared.transfer_log == NULL ||
	    log_is_journal(app->options.process)) {
		log_verbose("there is no transfer log to reopen");
		return;
	}
	err = monitor_open_log(app->shared.monitor, app_on_log_opened, app);
	app->reopen = err == -EBUSY;
	if (err != 0 && err != -EBUSY)
		log_err("cannot reopen the transfer log: %s", strerror(-err));
}

/* ---- start-up ---- */

static bool
app_make_parts(struct app *app)
{
	const struct options *options = app->options.process;
	const struct admission_limits limits = {
		.sessions = options->max_sessions,
		.per_address = options->max_per_address,
		.logins = options->max_logins,
	};
	struct shared *shared = &app->shared;

	window_budget_init(&shared->budget, options->max_memory,
	    (uint32_t)options->max_window);
	shared->net = net_new(&shared->loop);
	if (shared->net != NULL) {
		shared->count.admission = admission_new(&limits);
		shared->near = near_side_new(&shared->loop, shared->net);
		shared->socks = socks_hub_new(&shared->loop, shared->net);
		shared->owners = owners_new();
		shared->checker = login_checker_new(&shared->loop);
		shared->ssh_logins = ssh_logins_new(&shared->loop);
	}
	if (shared->near != NULL && shared->socks != NULL &&
	    shared->count.admission != NULL && shared->owners != NULL &&
	    shared->checker != NULL && shared->ssh_logins != NULL)
		return true;
	log_err("out of memory");
	return false;
}

static uint64_t
descriptors_wanted(const struct app_options *options)
{
	uint64_t sessions = options->process->max_sessions;
	uint64_t logins = 0;

	for (size_t i = 0; i < options->n; i++)
		if (options->links[i].logins)
			logins = sessions < LIMIT_SSH_LOGINS ? sessions :
							       LIMIT_SSH_LOGINS;
	return DESCRIPTORS_SESSION * sessions + DESCRIPTORS_LOGIN * logins +
	    DESCRIPTORS_OWN;
}

/* Raises the limit of descriptors up to the hard limit; ssh inherits it.
 * Returns false, with the reason logged, if it is too low to start. */
static bool
raise_descriptors(const struct app_options *options)
{
	struct rlimit limit;
	uint64_t wanted = descriptors_wanted(options);

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return true;
	if (limit.rlim_cur < limit.rlim_max && limit.rlim_cur < wanted) {
		limit.rlim_cur =
		    wanted < limit.rlim_max ? wanted : limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	if (limit.rlim_cur < LIMIT_DESCRIPTORS_LEAST) {
		log_err("at most %lu descriptors are allowed (ulimit -n); "
			"culvert needs %d to start, and 5 for each session "
			"with a transfer",
		    (unsigned long)limit.rlim_cur, LIMIT_DESCRIPTORS_LEAST);
		return false;
	}
	if (limit.rlim_cur < wanted)
		log_verbose("%lu descriptors (ulimit -n) may be too few for "
			    "%lu sessions with transfers; then connections "
			    "have to wait",
		    (unsigned long)limit.rlim_cur,
		    (unsigned long)options->process->max_sessions);
	return true;
}

/* Returns the user to become; NULL if this process keeps its user. */
static const struct user *
app_user_of(const struct app *app)
{
	return app->user.name != NULL ? &app->user : NULL;
}

/* Call it after the ports are bound, and before anything is read from a peer.
 */
static bool
app_drop_privileges(const struct app *app)
{
	const struct privileges privileges = {
		.user = app_user_of(app),
		.directory = app->shared.directory,
		.low_ports = app->shared.low_ports,
		.foreign = app->shared.foreign,
		.no_filters = app->options.process->no_confine,
	};

	return privileges_drop(&privileges);
}

/* Refuses a socket of the service manager that no tunnel uses, because its
 * clients would wait for ever. */
static bool
check_activation(const struct app *app)
{
	const struct addr *unused = activation_unused(&app->shared.activation);
	char text[ADDR_TEXT_MAX];

	if (unused == NULL)
		return true;
	log_err("the service manager listens on %s, but no tunnel does "
		"(ListenStream= must be the address and port of a -L)",
	    addr_format(unused, text));
	return false;
}

static bool
app_start_all(struct app *app)
{
	struct destination *destination;

	if (!check_activation(app) || !app_drop_privileges(app))
		return false;
	if (app->shared.foreign)
		net_allow_foreign(app->shared.net);
	/* Opened only now, because it accepts peers of the user that culvert
	 * has become. */
	app->control = control_open(&app->shared, app_obey, app);
	metrics_start(app->metrics);
	TAILQ_FOREACH (destination, &app->shared.destinations, link)
		if (!destination_start(destination))
			return false;
	return true;
}

/* Call it before anything is opened, and before anything is read from a peer.
 */
static bool
start_monitor(struct app *app)
{
	const struct options *process = app->options.process;
	struct monitor_options options = {
		.first = app->options.links,
		.n = app->options.n,
		.source = app->options.source,
		.remove = process->metrics_path,
		.log = log_is_journal(process) ? NULL : process->transfer_log,
	};

	assert(options.n >= 1 && options.n <= LIMIT_DESTINATIONS);
	/* culvert exec stays the user that the command is. */
	if ((app->options.exec == NULL &&
		!privileges_find_user(process->user, &app->user)) ||
	    !metrics_arguments(process, &options.metrics))
		return false;
	options.user = app_user_of(app);
	if (monitor_fork(&options, &app->shared.monitor) != 0)
		return false;
	if (process->background || app->options.exec != NULL)
		setsid();
	snprintf(app->shared.directory, sizeof(app->shared.directory), "%s",
	    monitor_directory(app->shared.monitor));
	return true;
}

/* Without the monitor nothing can start ssh, and nobody removes the private
 * directory. */
static void
app_on_monitor_lost(void *ctx)
{
	log_err("culvert's monitor process has ended, and ssh with it");
	app_on_failed(ctx);
}

static bool
app_start_loop(struct app *app)
{
	const struct options *options = app->options.process;
	struct shared *shared = &app->shared;
	int err;

	if (!privileges_prepare(options->no_confine))
		return false; /* the reason has been logged */
	err = uv_loop_init(&shared->loop);
	if (err == 0)
		err = net_make_room(&shared->loop,
		    descriptors_wanted(&app->options));
	if (err == 0)
		err = monitor_attach(shared->monitor, &shared->loop,
		    app_on_monitor_lost, app);
	if (err != 0) {
		log_err("cannot start: %s", uv_strerror(err));
		return false;
	}
	shared->began_at = uv_now(&shared->loop);
	uv_timer_init(&shared->loop, &app->sweep);
	app->sweep.data = app;
	uv_timer_init(&shared->loop, &app->settle);
	app->settle.data = app;
	app_start_watchdog(app);
	signals_watch(app);
	background_watch(app);
	return true;
}

/* Call it when the loop has nothing left to do. */
static void
app_free_all(struct app *app)
{
	struct shared *shared = &app->shared;
	struct destination *destination;
	int err;

	while ((destination = TAILQ_FIRST(&shared->destinations)) != NULL)
		destination_free(destination);
	uv_close((uv_handle_t *)&app->sweep, NULL);
	uv_close((uv_handle_t *)&app->settle, NULL);
	uv_close((uv_handle_t *)&app->watchdog, NULL);
	background_unwatch(app);
	monitor_detach(shared->monitor);
	login_checker_free(shared->checker);
	ssh_logins_free(shared->ssh_logins);
	/* Calls the callbacks of handles that were closed just now. */
	uv_run(&shared->loop, UV_RUN_DEFAULT);
	socks_hub_free(shared->socks);
	net_free(shared->net);
	owners_free(shared->owners);
	transfer_log_free(shared->transfer_log);
	admission_free(shared->count.admission);
	err = uv_loop_close(&shared->loop);
	assert(err == 0);
	monitor_free(shared->monitor);
	/* The monitor has removed the directory, unless it was killed.  Then an
	 * empty directory remains, because Landlock does not permit culvert to
	 * write to its parent. */
	privdir_remove(shared->directory);
	user_free(&app->user);
	notify_close(&app->notify);
	activation_close(&shared->activation);
}

struct app *
app_open(const struct app_options *options, int *ret_status)
{
	static const struct destination_handler handler = {
		.changed = app_on_changed,
		.failed = app_on_failed,
		.ended = app_on_ended,
	};
	static struct app app;
	struct shared *shared = &app.shared;
	char why[200];
	int err;

	app.options = *options;
	app.status = EXIT_STOPPED;
	shared->named = options->source != NULL;
	shared->logins = options->logins;
	shared->handler = &handler;
	shared->ctx = &app;
	TAILQ_INIT(&shared->destinations);
	*ret_status = EXIT_FAILED;
	signals_prepare();
	if (activation_take(&shared->activation, why, sizeof(why)) != 0) {
		log_err("%s", why);
		return NULL;
	}
	if (!background_fork(&app, ret_status))
		return NULL;
	background_close_inherited(&app);
	log_open();
	if (!raise_descriptors(options))
		return NULL;
	err = notify_open(&app.notify);
	if (err != 0)
		log_warn("cannot notify the service manager: %s",
		    strerror(-err));
	if (!start_monitor(&app) || !app_start_loop(&app)) {
		user_free(&app.user);
		return NULL;
	}
	if (app_make_parts(&app) && open_transfer_log(&app) &&
	    metrics_open(shared, options->process, &app.metrics))
		return &app;
	*ret_status = app_run(&app, false);
	return NULL;
}

int
app_run(struct app *app, bool good)
{
	if (!good || !app_start_all(app)) {
		app->status = EXIT_FAILED;
		if (destinations_running(&app->shared) == 0)
			app_let_go(app);
		else
			app_stop(app);
	} else {
		/* With -f culvert has forked, so the service manager knows
		 * another pid. */
		if (app->options.process->background)
			notify_send(&app->notify, "MAINPID=%ld",
			    (long)getpid());
		notify_send(&app->notify, "READY=1");
		app_show_status(app);
	}
	uv_run(&app->shared.loop, UV_RUN_DEFAULT);
	signals_ignore(app);
	app_free_all(app);
	log_flush();
	return (int)app->status;
}
