/*
 * A destination: its links, its sides and its entries.
 *
 * Start: near listeners (bound, so that an address in use is told before ssh
 * asks for a password); ssh, and when that is up the tunnels, of which the
 * remote ones only then ask sshd to listen; when all stand, their lines.  (On
 * demand, the lines come first, and ssh with the first client.)  A link that is
 * lost ends the sessions, but not the tunnels.  End: tunnels with their
 * sessions, and ssh.
 */
#include "process/destination.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "process/app.h"
#include "base/log.h"
#include "process/destination_priv.h"
#include "limits.h"
#include "tunnel/ports.h"

static void
options_ref_gone(const struct options_ref *ref)
{
	if (ref->gone != NULL)
		ref->gone(ref->ctx);
}

/* ---- the end ---- */

/* Its listeners hold nothing any more. */
static void
entry_let_go(struct entry *entry)
{
	for (size_t i = 0; i < entry->n_listeners; i++) {
		tunnel_free(entry->listeners[i].tunnel);
		entry->listeners[i].tunnel = NULL;
	}
}

static void
entry_free(struct entry *entry)
{
	TAILQ_REMOVE(&entry->destination->entries, entry, link);
	entry_let_go(entry);
	ports_free(entry->policy.client_ports);
	free(entry->listeners);
	options_ref_gone(&entry->plan.options);
	free(entry);
}

bool
entry_has_sessions(const struct entry *entry)
{
	for (size_t i = 0; i < entry->n_listeners; i++)
		if (entry->listeners[i].tunnel != NULL &&
		    tunnel_has_sessions(entry->listeners[i].tunnel))
			return true;
	return false;
}

static void
entry_drain(struct entry *entry, const char *why)
{
	for (size_t i = 0; i < entry->n_listeners; i++)
		if (entry->listeners[i].tunnel != NULL)
			tunnel_drain(entry->listeners[i].tunnel, why);
}

static void
stop_tunnels(struct destination *destination, const char *why)
{
	struct entry *entry;

	TAILQ_FOREACH (entry, &destination->entries, link)
		for (size_t i = 0; i < entry->n_listeners; i++)
			if (entry->listeners[i].tunnel != NULL)
				tunnel_stop(entry->listeners[i].tunnel, why);
}

void
destination_let_go(struct destination *destination)
{
	struct entry *entry;

	TAILQ_FOREACH (entry, &destination->entries, link)
		entry_let_go(entry);
	side_free(destination->far_first);
	side_free(destination->far);
	destination->far_first = NULL;
	destination->far = NULL;
}

void
destination_stop(struct destination *destination, const char *why)
{
	if (destination->ended)
		return;
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
	struct entry *entry;

	TAILQ_FOREACH (entry, &destination->entries, link)
		entry_drain(entry, why);
}

void
destination_remove(struct entry *entry, const char *why)
{
	entry->leaving = true;
	entry_drain(entry, why);
	app_look(entry->destination->app);
}

void
destination_cut(struct entry *entry, const char *why)
{
	entry->leaving = true;
	for (size_t i = 0; i < entry->n_listeners; i++)
		if (entry->listeners[i].tunnel != NULL)
			tunnel_stop(entry->listeners[i].tunnel, why);
	app_look(entry->destination->app);
}

static void
entry_go(struct entry *entry)
{
	for (size_t i = 0; i < entry->n_listeners; i++)
		destination_pass_on(&entry->listeners[i]);
	entry_free(entry);
}

bool
destination_sweep(struct destination *destination)
{
	struct entry *entry, *next;
	bool more = false;

	for (entry = TAILQ_FIRST(&destination->entries); entry != NULL;
	     entry = next) {
		next = TAILQ_NEXT(entry, link);
		if (entry->leaving && entry_has_sessions(entry))
			more = true;
		else if (entry->leaving)
			entry_go(entry);
	}
	if (TAILQ_EMPTY(&destination->entries) && !destination->leaving) {
		destination->leaving = true;
		reconnect_stop(destination->reconnect);
	}
	return more ||
	    (destination->leaving && !destination_is_gone(destination));
}

bool
destination_is_gone(const struct destination *destination)
{
	return destination->ended && TAILQ_EMPTY(&destination->entries) &&
	    links_are_over(destination->links);
}

bool
destination_is_up(const struct destination *destination)
{
	return !destination->ended && reconnect_is_up(destination->reconnect);
}

bool
destination_is_usable(const struct destination *destination)
{
	return !destination->ended && !destination->leaving;
}

bool
destination_is_remote(const struct destination *destination)
{
	const struct entry *entry;

	TAILQ_FOREACH (entry, &destination->entries, link)
		for (size_t i = 0; i < entry->n_listeners; i++)
			if (entry->listeners[i].forward->remote)
				return true;
	return false;
}

void
destination_free(struct destination *destination)
{
	if (destination == NULL)
		return;
	while (!TAILQ_EMPTY(&destination->entries))
		entry_free(TAILQ_FIRST(&destination->entries));
	destination_let_go(destination);
	reconnect_free(destination->reconnect);
	options_ref_gone(&destination->ref);
	free(destination);
}

/* ---- the link, on which all depends ---- */

#define entry_say(entry, level, ...) \
	log_line((level),            \
	    &(struct log_origin) { (entry)->plan.name, 0, NULL }, __VA_ARGS__)

static void
announce(const struct listener *listener)
{
	const struct entry *entry = listener->entry;
	const struct forward *forward = listener->forward;
	char at[4 * ADDR_TEXT_MAX];
	bool bracket = strchr(forward->host, ':') != NULL;

	entry_say(entry, LOG_LEVEL_INFO, "listening on %s%s%s%s to %s%s%s:%u",
	    tunnel_address(listener->tunnel, at, sizeof(at)),
	    forward->remote ? " of " : ", through ",
	    entry->destination->options->destination,
	    forward->remote ? "," : "", bracket ? "[" : "", forward->host,
	    bracket ? "]" : "", forward->host_port);
}

/* One tunnel that cannot be had is the end of all: who asked for it would not
 * see that it is missing. */
static void
destination_on_started(void *ctx, struct tunnel *tunnel, const char *why)
{
	struct listener *listener = ctx;
	struct entry *entry = listener->entry;
	struct app *app = entry->destination->app;

	(void)tunnel;
	if (why != NULL) {
		entry_say(entry, LOG_LEVEL_ERR, "%s", why);
		app->status = EXIT_FAILED;
		app_stop(app);
		return;
	}
	entry->n_starting--;
	listener->listening = true;
	/* Those of one command together, when all stand. */
	if (app->named)
		announce(listener);
	else if (entry->n_starting == 0)
		for (size_t i = 0; i < entry->n_listeners; i++)
			announce(&entry->listeners[i]);
}

static void
start_entry(struct entry *entry)
{
	entry->n_starting = entry->n_listeners;
	for (size_t i = 0; i < entry->n_listeners; i++)
		if (!entry->destination->app->stopping)
			tunnel_start(entry->listeners[i].tunnel,
			    destination_on_started, &entry->listeners[i]);
}

static void
start_tunnels(struct destination *destination)
{
	struct entry *entry;

	destination->started = true;
	destination->app->started = true;
	TAILQ_FOREACH (entry, &destination->entries, link)
		if (!entry->leaving)
			start_entry(entry);
}

static void
destination_on_up(void *ctx)
{
	struct destination *destination = ctx;
	struct entry *entry;

	app_show_status(destination->app);
	if (!destination->started) {
		start_tunnels(destination);
		return;
	}
	TAILQ_FOREACH (entry, &destination->entries, link)
		for (size_t i = 0; i < entry->n_listeners && !entry->leaving;
		     i++)
			tunnel_link_up(entry->listeners[i].tunnel);
}

static void
destination_on_down(void *ctx, const char *why, bool again)
{
	struct destination *destination = ctx;
	struct entry *entry;

	TAILQ_FOREACH (entry, &destination->entries, link)
		for (size_t i = 0; i < entry->n_listeners; i++)
			tunnel_link_down(entry->listeners[i].tunnel, why,
			    again);
	app_show_status(destination->app);
}

/* What it means for the process, and why, if that has not been said. */
static enum exit_status
status_of_end(const struct destination *destination, bool was_up,
    const char *why)
{
	const struct options *options = destination->options;
	const char *to = options->destination;

	if (destination->app->stopping || destination->leaving)
		return EXIT_STOPPED;
	if (was_up && options->retry == 0 && !options->on_demand) {
		log_err("the SSH connection to %s was lost: %s", to, why);
		return EXIT_FAILED;
	}
	if (!link_info(links_first(destination->links))->has_run) {
		log_err("%s", why);
		return EXIT_FAILED;
	}
	log_err("ssh could not connect to %s%s: %s", to, was_up ? " again" : "",
	    why);
	return EXIT_NOT_CONNECTED;
}

/* Nothing is left of ssh. */
static void
destination_on_ended(void *ctx, bool was_up, const char *why)
{
	struct destination *destination = ctx;
	enum exit_status status = status_of_end(destination, was_up, why);

	/* Clients of others are not to be hurried. */
	if (destination->app->n_running == 1)
		net_hurry(destination->app->net);
	stop_tunnels(destination, "the SSH connection was lost");
	destination_let_go(destination);
	destination->ended = true;
	app_destination_ended(destination->app, status);
}

/* ---- start-up ---- */

static bool
make_policy(struct policy *policy, const struct options *options,
    struct owners *owners)
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
		.many_links = options->links > 1,
		.server_mode = modes[options->server_mode],
		.server_data_host_reply = options->server_data_host_reply,
		.client_data_host_control = options->client_data_host_control,
		.client_address = options->client_address,
		.far_address = options->far_address,
		.commands = {
			.read_only = options->read_only,
			.deny = options->deny.texts,
			.n_deny = options->deny.n,
			.allow_path = options->allow_path.texts,
			.n_allow_path = options->allow_path.n,
			.deny_path = options->deny_path.texts,
			.n_deny_path = options->deny_path.n,
		},
		.rate = options->rate,
		.session_rate = options->session_rate,
		.owners = owners,
	};
	if (options->client_ports_low == 0)
		return true;
	policy->client_ports =
	    ports_new(options->client_ports_low, options->client_ports_high);
	return policy->client_ports != NULL;
}

/* Binds one; what is wrong has been logged. */
static bool
make_listener(struct entry *entry, const struct forward *forward)
{
	struct destination *destination = entry->destination;
	struct app *app = destination->app;
	struct listener *listener = &entry->listeners[entry->n_listeners++];
	const struct tunnel_options options = {
		.name = entry->plan.name,
		.remote = forward->remote,
		.activation = &app->activation,
		.bind = forward->bind,
		.port = forward->port,
		.server_host = forward->host,
		.server_port = forward->host_port,
		.policy = &entry->policy,
		.loop = &app->loop,
		.net = app->net,
		.near = app->near,
		.far =
		    forward->remote ? destination->far_first : destination->far,
		.reconnect = destination->reconnect,
		.link_wait_ms = entry->plan.options.options->link_wait_ms,
		.count = &app->count,
		.log = app->transfer_log,
		.patient = app->named,
	};
	char why[512];

	*listener = (struct listener) {
		.entry = entry,
		.forward = forward,
		.tunnel = tunnel_new(&options, why, sizeof(why)),
	};
	if (listener->tunnel == NULL)
		entry_say(entry, LOG_LEVEL_ERR, "%s", why);
	return listener->tunnel != NULL;
}

static bool
make_entry(struct entry *entry)
{
	const struct options *options = entry->plan.options.options;

	if (options->client_ports_low > 0 &&
	    options->client_ports_low < IPPORT_RESERVED)
		entry->destination->app->low_ports = true;
	entry->listeners =
	    calloc(options->n_forwards, sizeof(*entry->listeners));
	if (entry->listeners == NULL ||
	    !make_policy(&entry->policy, options,
		entry->destination->app->owners)) {
		log_err("out of memory");
		return false;
	}
	for (size_t i = 0; i < options->n_forwards; i++)
		if (!make_listener(entry, &options->forwards[i]))
			return false;
	return true;
}

struct entry *
destination_add(struct destination *destination, const struct entry_plan *plan)
{
	struct entry *entry = calloc(1, sizeof(*entry));

	if (entry == NULL) {
		log_err("out of memory");
		options_ref_gone(&plan->options);
		return NULL;
	}
	entry->destination = destination;
	entry->plan = *plan;
	TAILQ_INSERT_TAIL(&destination->entries, entry, link);
	if (!make_entry(entry)) {
		entry_free(entry);
		return NULL;
	}
	if (destination->started)
		start_entry(entry);
	return entry;
}

struct link_options
destination_link_options(const struct options *options, size_t to)
{
	return (struct link_options) {
		.to = to,
		.program = options->ssh,
		.arguments = options->ssh_arguments,
		.n_arguments = options->n_ssh_arguments,
		.destination = options->destination,
		.batch = options->batch,
		.find_defaults = true,
		.cipher_order = !options->no_cipher_order,
		.session = !options->no_session,
		.explain = !options->no_session,
		.watch_ms = LIMIT_SSH_WATCH_MS,
	};
}

static bool
make_links(struct destination *destination)
{
	static const struct reconnect_handler handler = {
		.up = destination_on_up,
		.down = destination_on_down,
		.ended = destination_on_ended,
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

/* Frees nothing of what it has made. */
static bool
destination_make_parts(struct destination *destination)
{
	struct app *app = destination->app;
	const char *directory = destination->link->directory;

	if (!make_links(destination))
		return false;
	destination->far = far_side_new(&app->loop, destination->links,
	    app->net, directory, true);
	destination->far_first = far_side_new(&app->loop, destination->links,
	    app->net, directory, false);
	return destination->far != NULL && destination->far_first != NULL;
}

struct destination *
destination_new(struct app *app, const struct options_ref *ref,
    const struct link_options *link)
{
	struct destination *destination = calloc(1, sizeof(*destination));

	if (destination == NULL) {
		options_ref_gone(ref);
		return NULL;
	}
	TAILQ_INIT(&destination->entries);
	destination->app = app;
	destination->ref = *ref;
	destination->options = ref->options;
	destination->link = link;
	if (destination_make_parts(destination))
		return destination;
	destination_free(destination);
	return NULL;
}

bool
destination_start(struct destination *destination)
{
	const struct options *options = destination->options;
	int err = reconnect_start(destination->reconnect);

	if (err != 0) {
		log_err("cannot run %s: %s", options->ssh, strerror(-err));
		destination->ended = true;
		stop_tunnels(destination, "ssh cannot be run");
		destination_let_go(destination);
		return false;
	}
	if (options->on_demand)
		start_tunnels(destination);
	return true;
}
