/*
 * A destination: its links, its sides and its tunnels.
 *
 * Start: near listeners (bound, so that an address in use is told before ssh
 * asks for a password); ssh, and when that is up the tunnels, of which the
 * remote ones only then ask sshd to listen; when all stand, their lines.  (On
 * demand, the lines come first, and ssh with the first client.)  A link that is
 * lost ends the sessions, but not the tunnels.  End: tunnels with their
 * sessions, and ssh.
 */
#include "destination.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "base/log.h"
#include "limits.h"
#include "ssh/links.h"
#include "ssh/reconnect.h"
#include "tunnel/policy.h"
#include "tunnel/ports.h"

/* One -L or -R. */
struct listener {
	struct destination *destination;
	const struct destination_tunnel *plan;
	const struct forward *forward;
	struct tunnel *tunnel; /* NULL: it could not be had, or has gone */
};

struct destination {
	struct app *app;
	const struct destination_plan *plan;
	const struct options *options; /* of the links */
	const struct link_options *link;
	struct reconnect *reconnect;
	struct links *links;	 /* its own */
	struct side *far;	 /* of servers */
	struct side *far_first;	 /* of clients: the first link only */
	struct policy *policies; /* of plan->tunnels */
	struct listener *listeners;
	size_t n_listeners;
	bool started;	   /* the tunnels were, once */
	size_t n_starting; /* of them, still */
};

/* ---- the end ---- */

static void
stop_tunnels(struct destination *destination, const char *why)
{
	for (size_t i = 0; i < destination->n_listeners; i++)
		if (destination->listeners[i].tunnel != NULL)
			tunnel_stop(destination->listeners[i].tunnel, why);
}

void
destination_let_go(struct destination *destination)
{
	for (size_t i = 0; i < destination->n_listeners; i++) {
		tunnel_free(destination->listeners[i].tunnel);
		destination->listeners[i].tunnel = NULL;
	}
	side_free(destination->far_first);
	side_free(destination->far);
	destination->far_first = NULL;
	destination->far = NULL;
}

void
destination_stop(struct destination *destination, const char *why)
{
	reconnect_expect_stop(destination->reconnect);
	stop_tunnels(destination, why);
}

void
destination_disconnect(struct destination *destination)
{
	reconnect_stop(destination->reconnect);
}

void
destination_drain(struct destination *destination, const char *why)
{
	/* None is left when the link has been lost for good. */
	for (size_t i = 0; i < destination->n_listeners; i++)
		if (destination->listeners[i].tunnel != NULL)
			tunnel_drain(destination->listeners[i].tunnel, why);
}

bool
destination_is_remote(const struct destination *destination)
{
	for (size_t i = 0; i < destination->n_listeners; i++)
		if (destination->listeners[i].forward->remote)
			return true;
	return false;
}

void
destination_free(struct destination *destination)
{
	if (destination == NULL)
		return;
	reconnect_free(destination->reconnect);
	for (size_t i = 0;
	     destination->policies != NULL && i < destination->plan->n; i++)
		ports_free(destination->policies[i].client_ports);
	free(destination->policies);
	free(destination->listeners);
	free(destination);
}

/* ---- the link, on which all depends ---- */

/* Of log lines that are about one tunnel of several. */
static const char *
prefix_of(const struct destination_tunnel *plan)
{
	return plan->prefix != NULL ? plan->prefix : "";
}

static void
announce(const struct listener *listener)
{
	const struct forward *forward = listener->forward;
	char at[4 * ADDR_TEXT_MAX];
	bool bracket = strchr(forward->host, ':') != NULL;

	log_info("%slistening on %s%s%s%s to %s%s%s:%u",
	    prefix_of(listener->plan),
	    tunnel_address(listener->tunnel, at, sizeof(at)),
	    forward->remote ? " of " : ", through ",
	    listener->destination->options->destination,
	    forward->remote ? "," : "", bracket ? "[" : "", forward->host,
	    bracket ? "]" : "", forward->host_port);
}

/* One tunnel that cannot be had is the end of all: who asked for it would not
 * see that it is missing. */
static void
on_started(void *ctx, struct tunnel *tunnel, const char *why)
{
	struct listener *listener = ctx;
	struct destination *destination = listener->destination;

	(void)tunnel;
	if (why != NULL) {
		log_err("%s%s", prefix_of(listener->plan), why);
		destination->app->status = EXIT_FAILED;
		app_stop(destination->app);
		return;
	}
	/* Those of one command together, when all stand. */
	if (listener->plan->prefix != NULL)
		announce(listener);
	if (--destination->n_starting > 0 || listener->plan->prefix != NULL)
		return;
	for (size_t i = 0; i < destination->n_listeners; i++)
		announce(&destination->listeners[i]);
}

static void
start_tunnels(struct destination *destination)
{
	size_t n = destination->n_listeners;

	destination->started = true;
	destination->app->started = true;
	destination->n_starting = n;
	for (size_t i = 0; i < n && !destination->app->stopping; i++)
		tunnel_start(destination->listeners[i].tunnel, on_started,
		    &destination->listeners[i]);
}

static void
on_up(void *ctx)
{
	struct destination *destination = ctx;

	if (!destination->started) {
		start_tunnels(destination);
		return;
	}
	for (size_t i = 0; i < destination->n_listeners; i++)
		tunnel_link_up(destination->listeners[i].tunnel);
}

static void
on_down(void *ctx, const char *why, bool again)
{
	struct destination *destination = ctx;

	for (size_t i = 0; i < destination->n_listeners; i++)
		tunnel_link_down(destination->listeners[i].tunnel, why, again);
}

/* What it means for the process, and why, if that has not been said. */
static enum exit_status
status_of_end(const struct destination *destination, bool was_up,
    const char *why)
{
	const struct options *options = destination->options;
	const char *to = options->destination;

	if (destination->app->stopping)
		return EXIT_STOPPED;
	if (was_up && options->retry == 0 && !options->on_demand) {
		log_err("the SSH connection to %s was lost: %s", to, why);
		return EXIT_FAILED;
	}
	if (!link_has_run(links_first(destination->links))) {
		log_err("%s", why);
		return EXIT_FAILED;
	}
	log_err("ssh could not connect to %s%s: %s", to, was_up ? " again" : "",
	    why);
	return EXIT_NOT_CONNECTED;
}

/* Nothing is left of ssh. */
static void
on_ended(void *ctx, bool was_up, const char *why)
{
	struct destination *destination = ctx;
	enum exit_status status = status_of_end(destination, was_up, why);

	net_hurry(destination->app->net);
	stop_tunnels(destination, "the SSH connection was lost");
	destination_let_go(destination);
	app_destination_ended(destination->app, status);
}

/* ---- start-up ---- */

static bool
make_policy(struct policy *policy, const struct options *options)
{
	static const enum engine_mode modes[] = {
		[OPTIONS_SAME] = ENGINE_SAME,
		[OPTIONS_PASSIVE] = ENGINE_PASSIVE,
		[OPTIONS_ACTIVE] = ENGINE_ACTIVE,
	};

	*policy = (struct policy) {
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
	policy->client_ports =
	    ports_new(options->client_ports_low, options->client_ports_high);
	return policy->client_ports != NULL;
}

/* Binds one; what is wrong has been logged. */
static bool
make_listener(struct destination *destination, size_t tunnel,
    const struct forward *forward)
{
	struct app *app = destination->app;
	const struct destination_tunnel *plan =
	    &destination->plan->tunnels[tunnel];
	struct listener *listener =
	    &destination->listeners[destination->n_listeners++];
	const struct tunnel_options options = {
		.remote = forward->remote,
		.bind = forward->bind,
		.port = forward->port,
		.server_host = forward->host,
		.server_port = forward->host_port,
		.policy = &destination->policies[tunnel],
		.loop = &app->loop,
		.net = app->net,
		.near = app->near,
		.far =
		    forward->remote ? destination->far_first : destination->far,
		.reconnect = destination->reconnect,
		.link_wait_ms = plan->options->link_wait_ms,
		.count = &app->count,
		.patient = app->named,
	};
	char why[512];

	*listener = (struct listener) {
		.destination = destination,
		.plan = plan,
		.forward = forward,
		.tunnel = tunnel_new(&options, why, sizeof(why)),
	};
	if (listener->tunnel == NULL)
		log_err("%s%s", prefix_of(plan), why);
	return listener->tunnel != NULL;
}

static bool
make_listeners(struct destination *destination)
{
	const struct destination_plan *plan = destination->plan;

	for (size_t i = 0; i < plan->n; i++) {
		const struct options *options = plan->tunnels[i].options;

		for (size_t j = 0; j < options->n_forwards; j++)
			if (!make_listener(destination, i,
				&options->forwards[j]))
				return false;
	}
	return true;
}

struct link_options
destination_link_options(const struct destination_plan *plan, size_t to)
{
	const struct options *options = plan->tunnels[0].options;

	return (struct link_options) {
		.to = to,
		.program = options->ssh,
		.arguments = options->ssh_arguments,
		.n_arguments = options->n_ssh_arguments,
		.destination = options->destination,
		.batch = options->batch,
		.ask = true,
		.cipher_order = !options->no_cipher_order,
		.session = !options->no_session,
		.watch_ms = LIMIT_SSH_WATCH_MS,
	};
}

static bool
make_links(struct destination *destination)
{
	static const struct reconnect_handler handler = {
		.up = on_up,
		.down = on_down,
		.ended = on_ended,
	};
	const struct options *options = destination->options;
	const struct links_options links = {
		.link = destination->link,
		.max = options->links,
		.idle_ms = LIMIT_LINK_IDLE_MS,
		.pause_ms = LIMIT_LINK_PAUSE_MS,
	};
	const struct reconnect_options reconnect = {
		.retries = options->retry,
		.first_too = options->retry_given || destination->app->named,
		.on_demand = options->on_demand,
		.idle_ms = options->idle_exit_ms,
		.pause_ms = LIMIT_RECONNECT_PAUSE_MS,
		.pause_max_ms = LIMIT_RECONNECT_PAUSE_MAX_MS,
	};

	destination->reconnect = reconnect_new(&destination->app->loop, &links,
	    &reconnect, &handler, destination);
	if (destination->reconnect == NULL)
		return false;
	destination->links = reconnect_links(destination->reconnect);
	return true;
}

static bool
make_parts(struct destination *destination)
{
	struct app *app = destination->app;
	const struct destination_plan *plan = destination->plan;
	const char *directory = destination->link->directory;
	size_t n = 0;

	for (size_t i = 0; i < plan->n; i++)
		n += plan->tunnels[i].options->n_forwards;
	destination->policies = calloc(plan->n, sizeof(struct policy));
	destination->listeners = calloc(n, sizeof(struct listener));
	if (destination->policies == NULL || destination->listeners == NULL ||
	    !make_links(destination))
		return false;
	destination->far = far_side_new(&app->loop, destination->links,
	    app->net, directory, true);
	destination->far_first = far_side_new(&app->loop, destination->links,
	    app->net, directory, false);
	for (size_t i = 0; i < plan->n; i++)
		if (!make_policy(&destination->policies[i],
			plan->tunnels[i].options))
			return false;
	return destination->far != NULL && destination->far_first != NULL;
}

struct destination *
destination_new(struct app *app, const struct destination_plan *plan,
    const struct link_options *link)
{
	struct destination *destination = calloc(1, sizeof(*destination));

	if (destination == NULL)
		return NULL;
	destination->app = app;
	destination->plan = plan;
	destination->options = plan->tunnels[0].options;
	destination->link = link;
	return destination;
}

bool
destination_prepare(struct destination *destination)
{
	if (make_parts(destination))
		return make_listeners(destination);
	log_err("out of memory");
	return false;
}

bool
destination_start(struct destination *destination)
{
	const struct options *options = destination->options;
	int err = reconnect_start(destination->reconnect);

	if (err != 0) {
		log_err("cannot run %s: %s", options->ssh, strerror(-err));
		return false;
	}
	if (options->on_demand)
		start_tunnels(destination);
	return true;
}
