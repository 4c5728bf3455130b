/*
 * An entry of a destination, and its listeners.
 */
#include "process/destination.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "gateway/front_side.h"
#include "gateway/side.h"
#include "process/routes.h"
#include "resume/side.h"
#include "tunnel/ports.h"

/* ---- the end ---- */

static void
free_listener(struct listener *listener)
{
	router_free(listener->router);
	tunnel_free(listener->tunnel);
	side_free(listener->gateway);
	side_free(listener->front);
	side_free(listener->resume);
	socks_side_close(listener->socks);
	side_free(listener->socks);
	charset_free(listener->gateway_config.charset);
	free(listener);
}

void
entry_let_go(struct entry *entry)
{
	struct listener *listener;

	while ((listener = TAILQ_FIRST(&entry->listeners)) != NULL) {
		TAILQ_REMOVE(&entry->listeners, listener, link);
		free_listener(listener);
	}
}

void
entry_free(struct entry *entry)
{
	TAILQ_REMOVE(&entry->destination->entries, entry, link);
	entry_let_go(entry);
	ports_free(entry->policy.client_ports);
	loaded_release(entry->loaded);
	free(entry);
}

bool
entry_is_busy(const struct entry *entry)
{
	const struct listener *listener;

	TAILQ_FOREACH (listener, &entry->listeners, link)
		if (listener->gateway != NULL &&
		    !gateway_side_is_settled(listener->gateway))
			return true;
	return false;
}

bool
entry_has_sessions(const struct entry *entry)
{
	const struct listener *listener;

	TAILQ_FOREACH (listener, &entry->listeners, link)
		if (tunnel_has_sessions(listener->tunnel) ||
		    (listener->router != NULL &&
			router_has_clients(listener->router)))
			return true;
	return entry_is_busy(entry);
}

void
entry_drain(struct entry *entry, const char *why)
{
	struct listener *listener;

	TAILQ_FOREACH (listener, &entry->listeners, link) {
		tunnel_drain(listener->tunnel, why);
		if (listener->router != NULL)
			router_stop(listener->router, why);
	}
}

void
entry_stop(struct entry *entry, const char *why)
{
	struct listener *listener;

	TAILQ_FOREACH (listener, &entry->listeners, link) {
		tunnel_stop(listener->tunnel, why);
		if (listener->router != NULL)
			router_stop(listener->router, why);
	}
}

void
entry_leave(struct entry *entry, bool at_once, const char *why)
{
	entry->leaving = true;
	(at_once ? entry_stop : entry_drain)(entry, why);
}

static bool
listens_as(const struct listener *listener, const struct listener *other)
{
	char at[2][4 * ADDR_TEXT_MAX];

	tunnel_address(listener->tunnel, at[0], sizeof(at[0]));
	tunnel_address(other->tunnel, at[1], sizeof(at[1]));
	return strcmp(at[0], at[1]) == 0;
}

/* Adds the counters of a listener to those of its successor, which has the same
 * name and address, because a counter must never decrease. */
static void
pass_counters_on(const struct listener *gone)
{
	const struct shared *shared = gone->entry->destination->shared;
	const char *name = gone->entry->config->name;
	struct destination *destination;
	struct listener *listener;
	struct entry *entry;

	TAILQ_FOREACH (destination, &shared->destinations, link)
		TAILQ_FOREACH (entry, &destination->entries, link) {
			if (entry->leaving ||
			    strcmp(entry->config->name, name) != 0)
				continue;
			TAILQ_FOREACH (listener, &entry->listeners, link)
				if (listens_as(listener, gone))
					tunnel_inherit(listener->tunnel,
					    gone->tunnel);
		}
}

void
entry_pass_counters(const struct entry *entry)
{
	const struct listener *listener;

	TAILQ_FOREACH (listener, &entry->listeners, link)
		pass_counters_on(listener);
}

/* ---- start-up ---- */

static void
entry_log_error(const struct entry *entry, const char *why)
{
	const struct log_origin origin = { .tunnel = entry->config->name };

	log_line(LOG_LEVEL_ERR, &origin, "%s", why);
}

/* Tunnels that are made later are nobody's to connect to by hand. */
static void
announce(const struct listener *listener, enum log_level level)
{
	const struct forward *forward = listener->forward;
	const struct config_tunnel *config = listener->entry->config;
	const struct log_origin origin = { .tunnel = config->name };
	bool bracket = strchr(forward->host, ':') != NULL;
	char at[4 * ADDR_TEXT_MAX];

	if (forward->captures) {
		log_line(LOG_LEVEL_INFO, &origin,
		    "listening on %s for captured connections",
		    tunnel_address(listener->tunnel, at, sizeof(at)));
		return;
	}
	if (forward->sftp) {
		log_line(level, &origin,
		    "listening on %s, through %s to its SFTP server",
		    tunnel_address(listener->tunnel, at, sizeof(at)),
		    config->options.destination);
		return;
	}
	if (forward->socks) {
		log_line(level, &origin,
		    "listening on %s, through %s to the servers of SOCKS clients",
		    tunnel_address(listener->tunnel, at, sizeof(at)),
		    config->options.destination);
		return;
	}
	log_line(level, &origin, "listening on %s%s%s%s to %s%s%s:%u",
	    tunnel_address(listener->tunnel, at, sizeof(at)),
	    forward->remote ? " of " : ", through ",
	    config->options.destination, forward->remote ? "," : "",
	    bracket ? "[" : "", forward->host, bracket ? "]" : "",
	    forward->host_port);
}

/* If one tunnel cannot start, culvert ends.  Otherwise its user would not
 * notice that the tunnel is missing. */
static void
entry_on_started(void *ctx, struct tunnel *tunnel, const char *why)
{
	struct listener *listener = ctx;
	struct entry *entry = listener->entry;
	const struct shared *shared = entry->destination->shared;

	if (why != NULL) {
		entry_log_error(entry, why);
		shared->handler->failed(shared->ctx);
		return;
	}
	entry->n_starting--;
	listener->listening = true;
	/* The tunnels of a command line are announced together, when all of
	 * them listen. */
	if (shared->named || listener->added)
		announce(listener,
		    listener->added ? LOG_LEVEL_VERBOSE : LOG_LEVEL_INFO);
	else if (entry->n_starting == 0)
		TAILQ_FOREACH (listener, &entry->listeners, link)
			announce(listener, LOG_LEVEL_INFO);
}

void
entry_start(struct entry *entry)
{
	struct listener *listener;

	TAILQ_FOREACH (listener, &entry->listeners, link)
		entry->n_starting++;
	TAILQ_FOREACH (listener, &entry->listeners, link)
		if (!entry->destination->shared->stopping)
			tunnel_start(listener->tunnel, entry_on_started,
			    listener);
}

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

/* Gives its gateway the login file as it was read last. */
static void
take_logins(const struct listener *listener)
{
	const struct entry *entry = listener->entry;
	const char *path = entry->config->options.sftp.login_file;

	if (listener->gateway != NULL && path != NULL)
		gateway_side_set_logins(listener->gateway,
		    logins_find(entry->destination->shared->logins, path));
}

void
entry_renew_logins(const struct entry *entry)
{
	const struct listener *listener;

	TAILQ_FOREACH (listener, &entry->listeners, link)
		take_logins(listener);
}

/* Makes the side of "sftp/".  Returns false with the reason logged. */
static bool
make_gateway(struct listener *listener)
{
	const struct entry *entry = listener->entry;
	const struct options *options = &entry->config->options;
	const struct destination *destination = entry->destination;
	struct gateway_config *config = &listener->gateway_config;

	*config = (struct gateway_config) {
		.name = options->destination,
		.directory = listener->forward->directory,
		.upload =
		    options->sftp.in_place ? GATEWAY_IN_PLACE : GATEWAY_ATOMIC,
		.fsync = options->sftp.fsync,
		.no_setstat = options->sftp.no_setstat,
		.no_concurrent_writes = options->sftp.no_concurrent_writes,
		.newline = (enum newline)options->sftp.newline,
		.max_packet = (uint32_t)options->sftp.max_packet,
		.requests = (unsigned)options->sftp.requests,
		.channels = (unsigned)options->sftp.channels,
		.check_logins =
		    options->sftp.login_file != NULL || options->login.ssh,
		.login_connects = options->login.ssh,
		.survive_s =
		    (unsigned)(options_survive_ms(options, true) / 1000),
		.idle_s = options->login.ssh ?
		    (unsigned)(options->idle_exit_ms / 1000) :
		    0,
	};
	if (options->sftp.charset != NULL) {
		config->charset = charset_new(options->sftp.charset);
		if (config->charset == NULL) {
			entry_log_error(entry,
			    "the character set of --client-charset cannot "
			    "be used");
			return false;
		}
	}
	listener->gateway =
	    gateway_side_new(&destination->shared->loop, destination->links,
		config, destination->shared->checker, entry->config->name);
	if (listener->gateway == NULL) {
		entry_log_error(entry, "out of memory");
		return false;
	}
	take_logins(listener);
	if (options->login.ssh)
		gateway_side_set_ssh_logins(listener->gateway,
		    destination->shared->ssh_logins, &destination->first);
	return true;
}

/* Makes the side of a tunnel with --login ssh.  Returns false with the reason
 * logged. */
static bool
make_front(struct listener *listener)
{
	const struct entry *entry = listener->entry;
	const struct destination *destination = entry->destination;
	struct shared *shared = destination->shared;
	const struct front_side_options options = {
		.loop = &shared->loop,
		.net = shared->net,
		.logins = shared->ssh_logins,
		.link = &destination->first,
		.log_name = entry->config->name,
	};

	if (listener->forward->sftp || !entry->config->options.login.ssh)
		return true;
	listener->front = front_side_new(&options);
	if (listener->front == NULL)
		entry_log_error(entry, "out of memory");
	return listener->front != NULL;
}

/* Makes the side of a tunnel with --survive.  Returns false with the reason
 * logged. */
static bool
make_resume(struct listener *listener)
{
	const struct entry *entry = listener->entry;
	const struct destination *destination = entry->destination;
	const struct resume_side_options options = {
		.loop = &destination->shared->loop,
		.far = destination->far,
		.links = destination->links,
		.survive_ms =
		    options_survive_ms(&entry->config->options, false),
		.memory = entry->config->options.survive_memory,
		.log_name = entry->config->name,
	};

	if (options.survive_ms == 0 || listener->forward->remote ||
	    listener->forward->sftp)
		return true;
	listener->resume = resume_side_new(&options);
	if (listener->resume == NULL)
		entry_log_error(entry, "out of memory");
	return listener->resume != NULL;
}

/* For a listener whose clients choose the server.  Returns false with the
 * reason logged. */
static bool
make_router(struct listener *listener, struct tunnel_options *options)
{
	const struct entry *entry = listener->entry;

	listener->router = router_new(options->loop, entry->policy.login_ms,
	    routes_decide, listener);
	if (listener->router == NULL) {
		entry_log_error(entry, "out of memory");
		return false;
	}
	if (!listener->forward->captures)
		return true;
	options->admitted = routes_captured;
	options->admitted_ctx = listener;
	options->transparent =
	    entry->config->options.capture == OPTIONS_CAPTURE_TPROXY;
	return true;
}

/* Makes the side of "socks/", which takes what the tunnel accepts.  Returns
 * false with the reason logged. */
static bool
make_socks(struct listener *listener, struct tunnel_options *options)
{
	const struct entry *entry = listener->entry;
	const struct shared *shared = entry->destination->shared;
	const struct socks_config config = {
		.near = shared->near,
		.policy = options->policy,
		.router = listener->router,
		.log_name = entry->config->name,
	};

	listener->socks = socks_side_new(shared->socks, &config);
	if (listener->socks == NULL) {
		entry_log_error(entry, "out of memory");
		return false;
	}
	options->side = listener->socks;
	options->accepted = socks_side_take;
	options->accepted_ctx = listener->socks;
	return true;
}

/* Makes and binds a listener.  Returns NULL with the reason logged. */
static struct listener *
make_listener(struct entry *entry, const struct forward *forward,
    const struct policy *policy)
{
	const struct destination *destination = entry->destination;
	struct shared *shared = destination->shared;
	struct tunnel_options options = {
		.name = entry->config->name,
		.remote = forward->remote,
		.activation = &shared->activation,
		.bind = forward->bind,
		.port = forward->port,
		.side = forward->remote ? destination->far_first : shared->near,
		.policy = policy,
		.loop = &shared->loop,
		.net = shared->net,
		.reconnect = destination->reconnect,
		.link_wait_ms = entry->config->options.link_wait_ms,
		.count = &shared->count,
		.log = shared->transfer_log,
		.patient = shared->named,
	};
	struct listener *listener = calloc(1, sizeof(*listener));
	char why[512];

	if (listener == NULL) {
		log_err("out of memory");
		return NULL;
	}
	*listener = (struct listener) { .entry = entry, .forward = forward };
	if (((forward->captures || forward->socks) &&
		!make_router(listener, &options)) ||
	    (forward->sftp && !make_gateway(listener)) ||
	    (forward->socks && !make_socks(listener, &options)) ||
	    !make_front(listener) || !make_resume(listener)) {
		free_listener(listener);
		return NULL;
	}
	options.target = routes_target(listener);
	listener->tunnel = tunnel_new(&options, why, sizeof(why));
	if (listener->tunnel == NULL) {
		entry_log_error(entry, why);
		free_listener(listener);
		return NULL;
	}
	if (listener->router != NULL)
		router_set_tunnel(listener->router, listener->tunnel);
	if (forward->socks)
		socks_side_set_tunnel(listener->socks, listener->tunnel);
	TAILQ_INSERT_TAIL(&entry->listeners, listener, link);
	return listener;
}

const struct listener *
entry_add(struct entry *entry, const struct forward *forward,
    const struct policy *policy)
{
	struct listener *listener = make_listener(entry, forward, policy);

	if (listener == NULL)
		return NULL;
	listener->added = true;
	entry->n_starting++;
	tunnel_start(listener->tunnel, entry_on_started, listener);
	return listener;
}

static bool
make_entry(struct entry *entry)
{
	const struct options *options = &entry->config->options;
	struct shared *shared = entry->destination->shared;

	if (options->client_ports_low > 0 &&
	    options->client_ports_low < IPPORT_RESERVED)
		shared->low_ports = true;
	shared->foreign |= options->capture == OPTIONS_CAPTURE_TPROXY;
	if (!make_policy(&entry->policy, options, shared->owners)) {
		log_err("out of memory");
		return false;
	}
	for (size_t i = 0; i < options->n_forwards; i++)
		if (make_listener(entry, &options->forwards[i],
			&entry->policy) == NULL)
			return false;
	return true;
}

struct entry *
entry_new(struct destination *destination, const struct config_tunnel *config,
    struct loaded *loaded)
{
	struct entry *entry = calloc(1, sizeof(*entry));

	if (entry == NULL) {
		log_err("out of memory");
		return NULL;
	}
	entry->destination = destination;
	entry->config = config;
	entry->loaded = loaded_keep(loaded);
	TAILQ_INIT(&entry->listeners);
	TAILQ_INSERT_TAIL(&destination->entries, entry, link);
	if (!make_entry(entry)) {
		entry_free(entry);
		return NULL;
	}
	if (destination->state == DESTINATION_STARTED)
		entry_start(entry);
	return entry;
}
