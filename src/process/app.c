/*
 * The process: start-up, and the order in which things end.
 *
 * Start: the monitor, which starts ssh (ssh/monitor.h), with the private
 * directory; the near listeners of all destinations; all privileges dropped
 * (base/privileges.h); then each destination's ssh and tunnels (destination.c).
 * End: tunnels with their sessions, ssh, and when that has gone everything
 * else; the loop runs dry and app_run() returns.
 */
#include "process/app.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/journal.h"
#include "base/log.h"
#include "base/privileges.h"
#include "process/control.h"
#include "process/metrics.h"

/* Descriptors of a session in a transfer: at most (-R, passive mode) two of its
 * control connection, two of its data connection, and a listener's. */
#define DESCRIPTORS_SESSION 5

/* ... and those that are no session's: of ssh, of the loop, of who was refused,
 * ... */
#define DESCRIPTORS_OWN (128 + LIMIT_TURNED_AWAY)

/* ---- the end ---- */

static void
app_let_go(struct app *app)
{
	/* Whatever is wanted from here on comes too late. */
	app->stopping = true;
	for (size_t i = 0; i < LIMIT_DESTINATIONS; i++)
		if (app->destinations[i] != NULL)
			destination_let_go(app->destinations[i]);
	side_free(app->near);
	app->near = NULL;
	control_close(app->control);
	app->control = NULL;
	metrics_close(app->metrics);
	app->metrics = NULL;
	uv_timer_stop(&app->look);
}

void
app_disconnect(struct app *app)
{
	for (size_t i = 0; i < LIMIT_DESTINATIONS; i++)
		if (app->destinations[i] != NULL)
			destination_disconnect(app->destinations[i]);
}

static void
app_on_said(void *ctx)
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
	notify_send(&app->notify, "STOPPING=1");
	net_hurry(app->net);
	for (size_t i = 0; i < LIMIT_DESTINATIONS; i++) {
		if (app->destinations[i] == NULL)
			continue;
		destination_stop(app->destinations[i], "culvert is stopping");
		remote |= destination_is_remote(app->destinations[i]);
	}
	if (remote)
		net_when_finished(app->net, app_on_said, app);
	else
		app_disconnect(app);
}

/* The worst of all counts. */
void
app_destination_ended(struct app *app, enum exit_status status)
{
	if (status > app->status)
		app->status = status;
	if (--app->n_running > 0)
		return;
	if (!app->stopping && !app->dismissed && app->status == EXIT_STOPPED) {
		log_err("no tunnel is left");
		app->status = EXIT_FAILED;
	}
	app_let_go(app);
}

bool
app_end_session(struct app *app, unsigned long number)
{
	for (size_t i = 0; i < LIMIT_DESTINATIONS; i++)
		if (app->destinations[i] != NULL &&
		    destination_end_session(app->destinations[i], number,
			"The session was closed by the operator"))
			return true;
	return false;
}

/* ---- what goes while others stay ---- */

static void
app_on_look(uv_timer_t *timer)
{
	struct app *app = timer->data;
	bool more = false;

	for (size_t i = 0; i < LIMIT_DESTINATIONS; i++) {
		struct destination *destination = app->destinations[i];

		if (destination == NULL)
			continue;
		more |= destination_sweep(destination);
		if (!destination_is_gone(destination))
			continue;
		destination_free(destination);
		app->destinations[i] = NULL;
	}
	if (!more)
		uv_timer_stop(&app->look);
}

void
app_reloaded(struct app *app, const char *why)
{
	if (app->control != NULL)
		control_reloaded(app->control, why);
}

void
app_look(struct app *app)
{
	uv_timer_start(&app->look, app_on_look, 0, LIMIT_DRAIN_LOOK_MS);
}

/* ---- systemd ---- */

void
app_show_status(struct app *app)
{
	size_t n = 0, up = 0;

	for (size_t i = 0; i < LIMIT_DESTINATIONS; i++) {
		if (app->destinations[i] == NULL)
			continue;
		n++;
		up += destination_is_up(app->destinations[i]);
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

/* It lives as long as its loop turns. */
static void
app_watch(struct app *app)
{
	uv_timer_init(&app->loop, &app->watchdog);
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

/* Before the confinement.  False: why has been logged. */
static bool
open_transfer_log(struct app *app)
{
	const struct options *options = app->options;
	bool journal = log_is_journal(options);
	int fd;

	if (options->transfer_log == NULL)
		return true;
	fd = journal ? journal_connect() : monitor_take_log(app->monitor);
	if (fd < 0) {
		log_err("cannot reach the journal for the transfer log: %s",
		    strerror(-fd));
		return false;
	}
	app->transfer_log =
	    transfer_log_new(fd, journal, options->transfer_xferlog);
	if (app->transfer_log == NULL)
		log_err("out of memory");
	return app->transfer_log != NULL;
}

static void
app_on_log_opened(void *ctx, int fd)
{
	struct app *app = ctx;

	if (fd < 0) {
		log_err("cannot reopen the transfer log %s: %s; continuing "
			"with the open file",
		    app->options->transfer_log, strerror(-fd));
	} else {
		transfer_log_use(app->transfer_log, fd);
		log_verbose("reopened the transfer log");
	}
	/* It may have been renamed once more since. */
	if (app->reopen)
		app_reopen(app);
}

void
app_reopen(struct app *app)
{
	int err;

	if (app->transfer_log == NULL || log_is_journal(app->options)) {
		log_verbose("there is no transfer log to reopen");
		return;
	}
	err = monitor_open_log(app->monitor, app_on_log_opened, app);
	app->reopen = err == -EBUSY;
	if (err != 0 && err != -EBUSY)
		log_err("cannot reopen the transfer log: %s", strerror(-err));
}

/* ---- start-up ---- */

static bool
app_make_parts(struct app *app)
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
	app->owners = owners_new();
	return app->count.admission != NULL && app->near != NULL &&
	    app->owners != NULL;
}

static uint64_t
descriptors_wanted(const struct app *app)
{
	return DESCRIPTORS_SESSION * app->options->max_sessions +
	    DESCRIPTORS_OWN;
}

/* To what the administrator allows; ssh inherits it.  False: that is too little
 * to start, and it has been logged. */
static bool
raise_descriptors(const struct app *app)
{
	struct rlimit limit;
	uint64_t wanted = descriptors_wanted(app);

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
		    (unsigned long)app->options->max_sessions);
	return true;
}

/* Whom to become: NULL for nobody. */
static const struct user *
app_user_of(const struct app *app)
{
	return app->user.name != NULL ? &app->user : NULL;
}

/* After the ports are bound, and before anything of a peer is read. */
static bool
app_drop_privileges(const struct app *app)
{
	const struct privileges privileges = {
		.user = app_user_of(app),
		.directory = app->directory,
		.low_ports = app->low_ports,
		.no_filters = app->options->no_confine,
	};

	return privileges_drop(&privileges);
}

struct destination *
app_add(struct app *app, size_t to, const struct options_ref *options)
{
	struct link_options *link = &app->links[to];

	*link = destination_link_options(options->options, to);
	link->budget = &app->budget;
	link->monitor = app->monitor;
	link->named = app->named;
	cmdline_destination_directory(app->directory, to, app->directories[to]);
	link->directory = app->directories[to];
	/* The monitor makes it, too, and may not have come to that yet. */
	if (to > 0 && mkdir(link->directory, 0700) != 0 && errno != EEXIST)
		log_warn("cannot make %s: %s", link->directory,
		    strerror(errno));
	app->destinations[to] = destination_new(app, options, link);
	if (app->destinations[to] == NULL)
		log_err("out of memory");
	else
		app->n_running++;
	return app->destinations[to];
}

bool
app_start(struct app *app, struct destination *destination)
{
	if (destination_start(destination))
		return true;
	app->n_running--;
	return false;
}

/* Clients of one that nobody takes would wait for ever. */
static bool
check_activation(const struct app *app)
{
	const struct addr *unused = activation_unused(&app->activation);
	char text[ADDR_TEXT_MAX];

	if (unused == NULL)
		return true;
	log_err("the service manager listens on %s, but no tunnel does "
		"(ListenStream= must be the address and port of a -L)",
	    addr_format(unused, text));
	return false;
}

static bool
open_metrics(struct app *app)
{
	const struct options *options = app->options;
	char why[300];

	if (options->metrics_path == NULL &&
	    options->metrics.family == AF_UNSPEC)
		return true;
	app->metrics = metrics_open(app, &options->metrics,
	    options->metrics_path, why, sizeof(why));
	if (app->metrics == NULL)
		log_err("%s", why);
	return app->metrics != NULL;
}

static bool
app_start_all(struct app *app, const struct app_owner *owner)
{
	if (!app_make_parts(app)) {
		log_err("out of memory");
		return false;
	}
	if (!open_transfer_log(app))
		return false;
	if (!open_metrics(app))
		return false;
	if (!owner->fill(owner->ctx, app) || !check_activation(app) ||
	    !app_drop_privileges(app))
		return false;
	/* The user's own, whom it is to let in. */
	app->control = control_open(app);
	metrics_start(app->metrics);
	for (size_t i = 0; i < LIMIT_DESTINATIONS; i++)
		if (app->destinations[i] != NULL &&
		    !app_start(app, app->destinations[i]))
			return false;
	return true;
}

static void
abandon(struct app *app)
{
	if (app->n_running == 0)
		app_let_go(app);
	else
		app_stop(app);
}

/* Nothing is open yet, and nothing of anybody read. */
static bool
start_monitor(struct app *app, const struct options *const *to, size_t n,
    const struct app_owner *owner)
{
	struct monitor_options options = {
		.first = app->links,
		.n = n,
		.source = owner->source,
		.remove = app->options->metrics_path,
		.leaves_terminal = app->options->background,
		.log = log_is_journal(app->options) ?
		    NULL :
		    app->options->transfer_log,
	};

	assert(n >= 1 && n <= LIMIT_DESTINATIONS);
	for (size_t i = 0; i < n; i++)
		app->links[i] = destination_link_options(to[i], i);
	if (!privileges_find_user(app->options->user, &app->user) ||
	    !metrics_arguments(app->options, &options.metrics))
		return false;
	options.user = app_user_of(app);
	if (monitor_fork(&options, &app->monitor) != 0)
		return false;
	if (app->options->background)
		setsid();
	snprintf(app->directory, sizeof(app->directory), "%s",
	    monitor_directory(app->monitor));
	return true;
}

/* Nothing can start ssh any more, and nobody cleans up but we. */
static void
app_on_monitor_lost(void *ctx)
{
	struct app *app = ctx;

	log_err("culvert's monitor process has ended, and ssh with it");
	app->status = EXIT_FAILED;
	app_stop(app);
}

static int
app_start_loop(struct app *app)
{
	int err;

	if (!privileges_prepare(app->options->no_confine))
		return UV_EPERM; /* it has said why */
	err = uv_loop_init(&app->loop);
	if (err == 0)
		err = net_make_room(&app->loop, descriptors_wanted(app));
	if (err == 0)
		err = monitor_attach(app->monitor, &app->loop,
		    app_on_monitor_lost, app);
	if (err != 0)
		log_err("cannot start: %s", uv_strerror(err));
	return err;
}

/* When the loop has run dry. */
static void
app_free_all(struct app *app)
{
	int err;

	for (size_t i = 0; i < LIMIT_DESTINATIONS; i++)
		destination_free(app->destinations[i]);
	uv_close((uv_handle_t *)&app->look, NULL);
	uv_close((uv_handle_t *)&app->watchdog, NULL);
	background_unwatch(app);
	monitor_detach(app->monitor);
	/* For the handles that were closed just now. */
	uv_run(&app->loop, UV_RUN_DEFAULT);
	net_free(app->net);
	owners_free(app->owners);
	transfer_log_free(app->transfer_log);
	admission_free(app->count.admission);
	err = uv_loop_close(&app->loop);
	assert(err == 0);
	monitor_free(app->monitor);
	/* Which has done that, unless it has died; then, where Landlock keeps
	 * us from what it stands in, an empty directory is left. */
	privdir_remove(app->directory);
	user_free(&app->user);
	notify_close(&app->notify);
	activation_close(&app->activation);
}

int
app_run(const struct options *process, const struct options *const *to,
    size_t n, const struct app_owner *owner)
{
	static struct app app;
	char why[200];
	int err, status;

	app.options = process;
	app.named = owner->named;
	app.owner = owner;
	app.status = EXIT_STOPPED;
	signals_prepare();
	if (activation_take(&app.activation, why, sizeof(why)) != 0) {
		log_err("%s", why);
		return EXIT_FAILED;
	}
	/* Nothing of ours is open.  What the caller left open, a lock or the
	 * end of a pipe, is not to be held as long as culvert runs. */
	closefrom(STDERR_FILENO + 1 + (int)app.activation.n);
	if (!background_fork(&app, &status))
		return status;
	log_open();
	if (!raise_descriptors(&app))
		return EXIT_FAILED;
	err = notify_open(&app.notify);
	if (err != 0)
		log_warn("cannot notify the service manager: %s",
		    strerror(-err));
	if (!start_monitor(&app, to, n, owner) || app_start_loop(&app) != 0) {
		user_free(&app.user);
		return EXIT_FAILED;
	}
	app.began_at = uv_now(&app.loop);
	uv_timer_init(&app.loop, &app.look);
	app.look.data = &app;
	app_watch(&app);
	signals_watch(&app);
	background_watch(&app);
	if (!app_start_all(&app, owner)) {
		app.status = EXIT_FAILED;
		abandon(&app);
	} else {
		/* With -f it has started another process. */
		if (process->background)
			notify_send(&app.notify, "MAINPID=%ld", (long)getpid());
		notify_send(&app.notify, "READY=1");
		app_show_status(&app);
	}
	uv_run(&app.loop, UV_RUN_DEFAULT);
	signals_ignore(&app);
	app_free_all(&app);
	log_flush();
	return (int)app.status;
}
