/*
 * A destination: its links, its sides and its entries.
 *
 * Start: near listeners are bound first, so that an address in use is reported
 * before ssh asks for a password.  Then ssh is started.  When the link is up,
 * the tunnels are started; only then do remote tunnels ask sshd to listen.
 * (With --on-demand, tunnels are started first, and ssh when the first client
 * comes.) When a link is lost, its sessions end, but the tunnels stay.  End:
 * tunnels with their sessions, then ssh.
 */
#include "process/destination.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "limits.h"

/* ---- the end ---- */

static void
stop_entries(struct destination *destination, const char *why)
{
	struct entry *entry;

	TAILQ_FOREACH (entry, &destination->entries, link)
		entry_stop(entry, why);
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
	if (destination->state == DESTINATION_ENDED)
		return;
	reconnect_expect_stop(destination->reconnect);
	stop_entries(destination, why);
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
destination_free(struct destination *destination)
{
	while (!TAILQ_EMPTY(&destination->entries))
		entry_free(TAILQ_FIRST(&destination->entries));
	destination_let_go(destination);
	reconnect_free(destination->reconnect);
	loaded_release(destination->loaded);
	TAILQ_REMOVE(&destination->shared->destinations, destination, link);
	free(destination);
}

bool
destination_sweep(struct destination *destination)
{
	struct entry *entry, *next;
	bool more = false;

	for (entry = TAILQ_FIRST(&destination->entries); entry != NULL;
	     entry = next) {
		next = TAILQ_NEXT(entry, link);
		if (!entry->leaving)
			continue;
		if (entry_has_sessions(entry)) {
			more = true;
			continue;
		}
		entry_pass_counters(entry);
		entry_free(entry);
	}
	if (!TAILQ_EMPTY(&destination->entries))
		return more;
	if (destination_is_usable(destination)) {
		destination->state = DESTINATION_LEAVING;
		reconnect_stop(destination->reconnect);
	}
	if (destination->state != DESTINATION_ENDED ||
	    !links_are_over(destination->links))
		return true;
	destination_free(destination);
	return false;
}

/* ---- what others look at ---- */

bool
destination_is_usable(const struct destination *destination)
{
	return destination->state == DESTINATION_NEW ||
	    destination->state == DESTINATION_STARTED;
}

bool
destination_is_up(const struct destination *destination)
{
	return destination->state != DESTINATION_ENDED &&
	    reconnect_is_up(destination->reconnect);
}

bool
destination_is_settled(const struct destination *destination)
{
	const struct reconnect *reconnect = destination->reconnect;
	const struct listener *listener;
	const struct entry *entry;

	if (destination->state == DESTINATION_ENDED ||
	    (destination->shared->named && !reconnect_is_up(reconnect) &&
		reconnect_why(reconnect)[0] != '\0'))
		return true;
	TAILQ_FOREACH (entry, &destination->entries, link)
		TAILQ_FOREACH (listener, &entry->listeners, link)
			if (!listener->listening && !entry->leaving &&
			    !tunnel_is_retrying(listener->tunnel))
				return false;
	return true;
}

bool
destination_is_remote(const struct destination *destination)
{
	const struct listener *listener;
	const struct entry *entry;

	TAILQ_FOREACH (entry, &destination->entries, link)
		TAILQ_FOREACH (listener, &entry->listeners, link)
			if (listener->forward->remote)
				return true;
	return false;
}

size_t
destinations_running(const struct shared *shared)
{
	const struct destination *destination;
	size_t n = 0;

	TAILQ_FOREACH (destination, &shared->destinations, link)
		n += destination->state != DESTINATION_ENDED;
	return n;
}

bool
destinations_are_busy(const struct shared *shared)
{
	const struct destination *destination;
	const struct entry *entry;

	TAILQ_FOREACH (destination, &shared->destinations, link)
		TAILQ_FOREACH (entry, &destination->entries, link)
			if (entry_is_busy(entry))
				return true;
	return false;
}

bool
destinations_end_session(const struct shared *shared, unsigned long number,
    const char *why)
{
	struct destination *destination;
	struct listener *listener;
	struct entry *entry;

	TAILQ_FOREACH (destination, &shared->destinations, link)
		TAILQ_FOREACH (entry, &destination->entries, link)
			TAILQ_FOREACH (listener, &entry->listeners, link)
				if (tunnel_end_session(listener->tunnel, number,
					why))
					return true;
	return false;
}

/* ---- the link, on which everything depends ---- */

static void
start_entries(struct destination *destination)
{
	struct entry *entry;

	destination->state = DESTINATION_STARTED;
	destination->shared->started = true;
	TAILQ_FOREACH (entry, &destination->entries, link)
		if (!entry->leaving)
			entry_start(entry);
}

static void
destination_on_up(void *ctx)
{
	struct destination *destination = ctx;
	const struct shared *shared = destination->shared;
	struct listener *listener;
	struct entry *entry;

	shared->handler->changed(shared->ctx);
	if (destination->state == DESTINATION_NEW) {
		start_entries(destination);
		return;
	}
	TAILQ_FOREACH (entry, &destination->entries, link)
		if (!entry->leaving)
			TAILQ_FOREACH (listener, &entry->listeners, link)
				tunnel_link_up(listener->tunnel);
}

static void
destination_on_down(void *ctx, const char *why, bool again)
{
	struct destination *destination = ctx;
	struct listener *listener;
	struct entry *entry;

	TAILQ_FOREACH (entry, &destination->entries, link)
		TAILQ_FOREACH (listener, &entry->listeners, link)
			tunnel_link_down(listener->tunnel, why, again);
	destination->shared->handler->changed(destination->shared->ctx);
}

/* Returns the exit status for the end of ssh.  Logs why, unless that was logged
 * before. */
static enum exit_status
status_of_end(const struct destination *destination, bool was_up,
    const char *why)
{
	const struct options *options = &destination->config->options;
	const char *to = options->destination;

	if (destination->shared->stopping ||
	    destination->state == DESTINATION_LEAVING)
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

static void
destination_on_ended(void *ctx, bool was_up, const char *why)
{
	struct destination *destination = ctx;
	const struct shared *shared = destination->shared;
	enum exit_status status = status_of_end(destination, was_up, why);

	/* If this is the last destination, the process ends.  Otherwise the
	 * clients of the others keep the usual time. */
	if (destinations_running(shared) == 1)
		net_hurry(shared->net);
	stop_entries(destination, "the SSH connection was lost");
	destination_let_go(destination);
	destination->state = DESTINATION_ENDED;
	shared->handler->ended(shared->ctx, status);
}

/* ---- start-up ---- */

struct link_options
destination_link_options(const struct options *options, size_t to)
{
	return (struct link_options) {
		.to = to,
		.program = options->ssh,
		.arguments = options->ssh_arguments.texts,
		.n_arguments = options->ssh_arguments.n,
		.destination = options->destination,
		.batch = options->batch,
		.find_defaults = true,
		.cipher_order = !options->no_cipher_order,
		.session = !options->no_session,
		.explain = !options->no_session,
		.watch_ms = LIMIT_SSH_WATCH_MS,
		.logins = options->login.ssh,
		.login_hosts = options->login.hosts.texts,
		.n_login_hosts = options->login.hosts.n,
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
	const struct options *options = &destination->config->options;
	struct shared *shared = destination->shared;
	const struct links_options links = {
		.link = &destination->first,
		.max = options->links,
		.idle_ms = LIMIT_LINK_IDLE_MS,
		.pause_ms = LIMIT_LINK_PAUSE_MS,
	};
	const struct reconnect_options reconnect = {
		.retries = options->retry,
		.first_too = options->retry_given || shared->named,
		/* With --login ssh nobody ever needs it. */
		.on_demand = options->on_demand || options->login.ssh,
		.idle_ms = options->idle_exit_ms,
		.pause_ms = LIMIT_RECONNECT_PAUSE_MS,
		.pause_max_ms = LIMIT_RECONNECT_PAUSE_MAX_MS,
	};

	destination->reconnect = reconnect_new(&shared->loop, &links,
	    &reconnect, &handler, destination);
	if (destination->reconnect == NULL)
		return false;
	destination->links = reconnect_links(destination->reconnect);
	destination->far = far_side_new(&shared->loop, destination->links,
	    shared->net, destination->directory, true);
	destination->far_first = far_side_new(&shared->loop, destination->links,
	    shared->net, destination->directory, false);
	return destination->far != NULL && destination->far_first != NULL;
}

struct destination *
destination_new(struct shared *shared, size_t to,
    const struct config_tunnel *config, struct loaded *loaded)
{
	struct destination *destination = calloc(1, sizeof(*destination));

	if (destination == NULL) {
		log_err("out of memory");
		return NULL;
	}
	destination->shared = shared;
	destination->config = config;
	destination->loaded = loaded_keep(loaded);
	TAILQ_INIT(&destination->entries);
	TAILQ_INSERT_TAIL(&shared->destinations, destination, link);
	cmdline_destination_directory(shared->directory, to,
	    destination->directory);
	destination->first = destination_link_options(&config->options, to);
	destination->first.directory = destination->directory;
	destination->first.monitor = shared->monitor;
	destination->first.budget = &shared->budget;
	destination->first.named = shared->named;
	/* The monitor makes this directory too, but perhaps later. */
	if (to > 0 && mkdir(destination->directory, 0700) != 0 &&
	    errno != EEXIST)
		log_warn("cannot make %s: %s", destination->directory,
		    strerror(errno));
	if (make_links(destination))
		return destination;
	log_err("out of memory");
	destination_free(destination);
	return NULL;
}

bool
destination_start(struct destination *destination)
{
	const struct options *options = &destination->config->options;
	int err = reconnect_start(destination->reconnect);

	if (err != 0) {
		log_err("cannot run %s: %s", options->ssh, strerror(-err));
		destination->state = DESTINATION_ENDED;
		stop_entries(destination, "ssh cannot be run");
		destination_let_go(destination);
		return false;
	}
	if (options->on_demand || options->login.ssh)
		start_entries(destination);
	return true;
}
