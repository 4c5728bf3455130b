/*
 * culvert: FTP through SSH.  Start-up, and the order in which things end.
 *
 * Start: options; the monitor, which starts ssh (ssh/monitor.h), with the
 * private directory; listening addresses (bound, so that an address in use is
 * told before ssh asks for a password); all privileges dropped
 * (base/privileges.h); ssh, and when that is up the tunnels, of which the
 * remote ones only then ask sshd to listen; when all stand, their lines.  (On
 * demand, the lines come first, and ssh with the first client.)  A link that is
 * lost ends the sessions, but not the tunnels.  End: tunnels with their
 * sessions, ssh, and when that has gone everything else; the loop runs dry and
 * main() returns.
 */
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "app.h"
#include "base/log.h"
#include "base/privileges.h"
#include "commands.h"
#include "limits.h"

/* Descriptors of a session in a transfer: at most (-R, passive mode) two of its
 * control connection, two of its data connection, and a listener's. */
#define DESCRIPTORS_SESSION 5

/* ... and those that are no session's: of ssh, of the loop, of who was refused,
 * ... */
#define DESCRIPTORS_OWN (128 + LIMIT_TURNED_AWAY)

/* ---- the end ---- */

static void
stop_tunnels(struct app *app, const char *why)
{
	for (size_t i = 0; i < app->options.n_forwards; i++)
		if (app->tunnels[i] != NULL)
			tunnel_stop(app->tunnels[i], why);
}

/* What stands on the link. */
static void
let_go(struct app *app)
{
	for (size_t i = 0; i < app->options.n_forwards; i++) {
		tunnel_free(app->tunnels[i]);
		app->tunnels[i] = NULL;
	}
	side_free(app->far_first);
	side_free(app->far);
	side_free(app->near);
	app->far_first = NULL;
	app->far = NULL;
	app->near = NULL;
}

static void
on_said(void *ctx)
{
	struct app *app = ctx;

	reconnect_stop(app->reconnect);
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

	net_hurry(app->net);
	reconnect_expect_stop(app->reconnect);
	stop_tunnels(app, "culvert is stopping");
	for (size_t i = 0; i < app->options.n_forwards; i++)
		remote |= app->options.forwards[i].remote;
	if (remote)
		net_when_finished(app->net, on_said, app);
	else
		reconnect_stop(app->reconnect);
}

/* ---- the link, on which all depends ---- */

static void
announce(const struct app *app, size_t i)
{
	const struct forward *forward = &app->options.forwards[i];
	char at[4 * ADDR_TEXT_MAX];
	bool bracket = strchr(forward->host, ':') != NULL;

	log_info("listening on %s%s%s%s to %s%s%s:%u",
	    tunnel_address(app->tunnels[i], at, sizeof(at)),
	    forward->remote ? " of " : ", through ", app->options.destination,
	    forward->remote ? "," : "", bracket ? "[" : "", forward->host,
	    bracket ? "]" : "", forward->host_port);
}

/* One tunnel that cannot be had is the end of all: who asked for it would
 * not see that it is missing. */
static void
on_started(void *ctx, struct tunnel *tunnel, const char *why)
{
	struct app *app = ctx;

	(void)tunnel;
	if (why != NULL) {
		log_err("%s", why);
		app->status = EXIT_FAILED;
		app_stop(app);
		return;
	}
	if (--app->n_starting > 0)
		return;
	for (size_t i = 0; i < app->options.n_forwards; i++)
		announce(app, i);
}

static void
start_tunnels(struct app *app)
{
	size_t n = app->options.n_forwards;

	app->started = true;
	app->n_starting = n;
	for (size_t i = 0; i < n && app->status != EXIT_FAILED; i++)
		tunnel_start(app->tunnels[i], on_started, app);
}

static void
on_up(void *ctx)
{
	struct app *app = ctx;

	if (!app->started) {
		start_tunnels(app);
		return;
	}
	for (size_t i = 0; i < app->options.n_forwards; i++)
		tunnel_link_up(app->tunnels[i]);
}

static void
on_down(void *ctx, const char *why, bool again)
{
	struct app *app = ctx;

	for (size_t i = 0; i < app->options.n_forwards; i++)
		tunnel_link_down(app->tunnels[i], why, again);
}

/* Nothing is left of ssh. */
static void
on_ended(void *ctx, bool was_up, const char *why)
{
	struct app *app = ctx;
	const char *to = app->options.destination;

	if (app->status == EXIT_FAILED) {
		/* A tunnel has said what failed. */
	} else if (app->stopping) {
		app->status = EXIT_STOPPED;
	} else if (was_up && app->options.retry == 0 &&
	    !app->options.on_demand) {
		log_err("the SSH connection to %s was lost: %s", to, why);
		app->status = EXIT_FAILED;
	} else if (!link_has_run(links_first(app->links))) {
		log_err("%s", why);
		app->status = EXIT_FAILED;
	} else {
		log_err("ssh could not connect to %s%s: %s", to,
		    was_up ? " again" : "", why);
		app->status = EXIT_NOT_CONNECTED;
	}
	net_hurry(app->net);
	stop_tunnels(app, "the SSH connection was lost");
	let_go(app);
}

/* ---- start-up ---- */

static bool
make_policy(struct app *app)
{
	static const enum engine_mode modes[] = {
		[OPTIONS_SAME] = ENGINE_SAME,
		[OPTIONS_PASSIVE] = ENGINE_PASSIVE,
		[OPTIONS_ACTIVE] = ENGINE_ACTIVE,
	};
	const struct options *options = &app->options;

	app->policy = (struct policy) {
		.allow = options->allow,
		.n_allow = options->n_allow,
		.any_user = options->any_user,
		.max_lines = (unsigned)options->max_lines,
		.max_data = (unsigned)options->max_data,
		.login_ms = options->login_ms,
		.keepalive_ms = options->keepalive_ms,
		.pass_foreign_port = options->pass_foreign_port,
		.allow_tls = options->allow_tls,
		.prefetch = options->prefetch,
		.many_links = options->links > 1,
		.server_mode = modes[options->server_mode],
		.server_data_host_reply = options->server_data_host_reply,
		.client_data_host_control = options->client_data_host_control,
		.client_address = options->client_address,
		.far_address = options->far_address,
	};
	if (options->client_ports_low == 0)
		return true;
	app->policy.client_ports =
	    ports_new(options->client_ports_low, options->client_ports_high);
	return app->policy.client_ports != NULL;
}

static bool
make_tunnels(struct app *app)
{
	const struct options *options = &app->options;
	char why[512];

	for (size_t i = 0; i < options->n_forwards; i++) {
		const struct forward *forward = &options->forwards[i];
		struct tunnel_options tunnel = {
			.remote = forward->remote,
			.bind = forward->bind,
			.port = forward->port,
			.server_host = forward->host,
			.server_port = forward->host_port,
			.policy = &app->policy,
			.loop = &app->loop,
			.net = app->net,
			.near = app->near,
			.far = forward->remote ? app->far_first : app->far,
			.reconnect = app->reconnect,
			.link_wait_ms = options->link_wait_ms,
			.count = &app->count,
		};

		app->tunnels[i] = tunnel_new(&tunnel, why, sizeof(why));
		if (app->tunnels[i] == NULL) {
			log_err("%s", why);
			return false;
		}
	}
	return true;
}

static bool
make_parts(struct app *app)
{
	static const struct reconnect_handler handler = {
		.up = on_up,
		.down = on_down,
		.ended = on_ended,
	};
	const struct links_options links = {
		.link = &app->link_options,
		.max = app->options.links,
		.idle_ms = LIMIT_LINK_IDLE_MS,
		.pause_ms = LIMIT_LINK_PAUSE_MS,
	};
	const struct reconnect_options reconnect = {
		.retries = app->options.retry,
		.first_too = app->options.retry_given,
		.on_demand = app->options.on_demand,
		.idle_ms = app->options.idle_exit_ms,
		.pause_ms = LIMIT_RECONNECT_PAUSE_MS,
		.pause_max_ms = LIMIT_RECONNECT_PAUSE_MAX_MS,
	};
	const struct admission_limits limits = {
		.sessions = app->options.max_sessions,
		.per_address = app->options.max_per_address,
		.logins = app->options.max_logins,
	};

	window_budget_init(&app->budget, app->options.max_memory,
	    (uint32_t)app->options.max_window);
	app->net = net_new(&app->loop);
	app->reconnect =
	    reconnect_new(&app->loop, &links, &reconnect, &handler, app);
	if (app->net == NULL || app->reconnect == NULL)
		return false;
	app->links = reconnect_links(app->reconnect);
	app->count.admission = admission_new(&limits);
	app->near = near_side_new(&app->loop, app->net);
	app->far = far_side_new(&app->loop, app->links, app->net,
	    app->directory, true);
	app->far_first = far_side_new(&app->loop, app->links, app->net,
	    app->directory, false);
	return app->count.admission != NULL && app->near != NULL &&
	    app->far != NULL && app->far_first != NULL && make_policy(app);
}

/* What the administrator allows is taken. */
static void
raise_descriptors(const struct app *app)
{
	struct rlimit limit;
	uint64_t wanted =
	    DESCRIPTORS_SESSION * app->options.max_sessions + DESCRIPTORS_OWN;

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
		    (unsigned long)app->options.max_sessions);
}

/* Whom to become: NULL for nobody. */
static const struct user *
user_of(const struct app *app)
{
	return app->user.name != NULL ? &app->user : NULL;
}

/* After the ports are bound, and before anything of a peer is read. */
static bool
drop_privileges(const struct app *app)
{
	const struct privileges privileges = {
		.user = user_of(app),
		.directory = app->directory,
		.low_ports = app->options.client_ports_low > 0 &&
		    app->options.client_ports_low < IPPORT_RESERVED,
		.no_filters = app->options.no_confine,
	};

	return privileges_drop(&privileges);
}

static bool
start(struct app *app)
{
	int err;

	if (!make_parts(app)) {
		log_err("out of memory");
		return false;
	}
	if (!make_tunnels(app) || !drop_privileges(app))
		return false;
	err = reconnect_start(app->reconnect);
	if (err != 0) {
		log_err("cannot run %s: %s", app->options.ssh, strerror(-err));
		return false;
	}
	if (app->options.on_demand)
		start_tunnels(app);
	return true;
}

/* Nothing is open yet, and nothing of anybody read. */
static bool
start_monitor(struct app *app)
{
	struct monitor_options options = { .first = &app->link_options,
		.n = 1 };

	app->link_options = (struct link_options) {
		.program = app->options.ssh,
		.arguments = app->options.ssh_arguments,
		.n_arguments = app->options.n_ssh_arguments,
		.destination = app->options.destination,
		.batch = app->options.batch,
		.ask = true,
		.cipher_order = !app->options.no_cipher_order,
		.session = !app->options.no_session,
		.watch_ms = LIMIT_SSH_WATCH_MS,
		.budget = &app->budget,
	};
	if (!privileges_find_user(app->options.user, &app->user))
		return false;
	options.user = user_of(app);
	if (monitor_fork(&options, &app->monitor) != 0)
		return false;
	snprintf(app->directory, sizeof(app->directory), "%s",
	    monitor_directory(app->monitor));
	app->link_options.directory = app->directory;
	app->link_options.monitor = app->monitor;
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

static int
run(struct app *app)
{
	int err;

	if (!start_monitor(app) || start_loop(app) != 0)
		return EXIT_FAILED;
	app->status = EXIT_STOPPED;
	signals_watch(app);
	raise_descriptors(app);
	if (!start(app)) {
		app->status = EXIT_FAILED;
		let_go(app);
	}
	uv_run(&app->loop, UV_RUN_DEFAULT);
	signals_ignore(app);
	reconnect_free(app->reconnect);
	monitor_detach(app->monitor);
	/* For the handles that were closed just now. */
	uv_run(&app->loop, UV_RUN_DEFAULT);
	net_free(app->net);
	ports_free(app->policy.client_ports);
	admission_free(app->count.admission);
	err = uv_loop_close(&app->loop);
	assert(err == 0);
	monitor_free(app->monitor);
	/* Which has done that, unless it has died. */
	privdir_remove(app->directory);
	return (int)app->status;
}

static enum log_level
level_of(const struct options *options)
{
	if (options->quiet)
		return LOG_LEVEL_ERR;
	if (options->verbose == 0)
		return LOG_LEVEL_INFO;
	return options->verbose == 1 ? LOG_LEVEL_VERBOSE : LOG_LEVEL_DEBUG;
}

/* "culvert -- config" is a destination of that name. */
static const struct subcommand {
	const char *name;
	int (*run)(int argc, char **argv);
} subcommands[] = {
	{ "config", command_config },
};

int
main(int argc, char **argv)
{
	static struct app app;
	int status = EXIT_SUCCESS;

	for (size_t i = 0; i < sizeof(subcommands) / sizeof(subcommands[0]);
	     i++)
		if (argc > 1 && strcmp(argv[1], subcommands[i].name) == 0)
			return subcommands[i].run(argc - 1, argv + 1);
	switch (options_parse(argc, argv, &app.options)) {
	case OPTIONS_RUN:
		log_set_level(level_of(&app.options));
		status = run(&app);
		break;
	case OPTIONS_HELP:
		for (size_t i = 0; options_help()[i] != NULL; i++)
			fputs(options_help()[i], stdout);
		break;
	case OPTIONS_VERSION:
		puts("culvert " CULVERT_VERSION);
		break;
	case OPTIONS_BAD:
		log_err("%s", app.options.why);
		log_err("see culvert --help");
		status = EXIT_USAGE;
		break;
	}
	user_free(&app.user);
	options_free(&app.options);
	return status;
}
