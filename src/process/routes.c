/*
 * Where clients go that have chosen their server.
 */
#include "process/routes.h"

#include <stdio.h>
#include <string.h>

#include "net/sock.h"

/* RFC 959 section 8. */
#define FTP_PORT 21

/* The side by which a listener reaches FTP servers. */
static void
routes_set_side(struct target *target, const struct listener *listener)
{
	target->side = listener->entry->destination->far;
	target->survives = listener->resume != NULL;
	target->no_link = listener->front != NULL;
	if (listener->front != NULL)
		target->side = listener->front;
	else if (listener->resume != NULL)
		target->side = listener->resume;
}

struct target
routes_target(const struct listener *listener)
{
	const struct entry *entry = listener->entry;
	const struct options *options = &entry->config->options;
	const struct forward *forward = listener->forward;
	struct target target = { .port = forward->host_port };

	memcpy(target.host, forward->host, sizeof(target.host));
	if (forward->remote) {
		target.side = entry->destination->shared->near;
	} else if (!forward->sftp) {
		routes_set_side(&target, listener);
		target.idle_ms =
		    listener->front != NULL ? options->idle_exit_ms : 0;
		target.listen_at = options->far_address;
	} else {
		strcpy(target.host, "127.0.0.1");
		target.side = listener->gateway;
		target.sftp = true;
		target.sftp_whole = !options->sftp.in_place;
		target.no_password = !listener->gateway_config.check_logins;
		target.no_link = options->login.ssh;
		target.survives = listener->gateway_config.survive_s > 0;
	}
	return target;
}

/* The listener of the tunnel with that name, with sftp its gateway's; NULL: it
 * does not run. */
static const struct listener *
find_listener(const struct shared *shared, const char *name, bool sftp)
{
	const struct destination *destination;
	const struct listener *listener;
	const struct entry *entry;

	TAILQ_FOREACH (destination, &shared->destinations, link)
		TAILQ_FOREACH (entry, &destination->entries, link) {
			if (entry->leaving ||
			    strcmp(entry->config->name, name) != 0)
				continue;
			TAILQ_FOREACH (listener, &entry->listeners, link)
				if (!listener->forward->remote &&
				    listener->forward->sftp == sftp)
					return listener;
		}
	return NULL;
}

/* To the FTP server of the request, by the SSH connection of that listener, or
 * direct. */
static struct route
route_to(const struct listener *to, const struct rules_request *request,
    bool direct)
{
	struct route route = { .tunnel = to->tunnel };
	struct target *target = &route.target;

	snprintf(target->host, sizeof(target->host), "%s", request->host);
	target->port = request->port;
	if (direct) {
		target->no_link = true;
		target->side = to->entry->destination->shared->near;
		return route;
	}
	if (to->front != NULL)
		target->idle_ms = to->entry->config->options.idle_exit_ms;
	routes_set_side(target, to);
	target->listen_at = to->entry->config->options.far_address;
	return route;
}

/* Applies the rule to a client of the listener. */
static enum route_answer
apply_rule(const struct listener *from, const struct rule *rule,
    const struct rules_request *request, struct route *ret, char *why,
    size_t why_size)
{
	const struct shared *shared = from->entry->destination->shared;
	const struct listener *to = from;

	if (rule->action == RULE_REFUSE) {
		snprintf(why, why_size, "[rule %s] refuses %.100s:%u",
		    rule->name, request->host, request->port);
		return ROUTE_REFUSED;
	}
	if (rule->action != RULE_DIRECT)
		to = find_listener(shared, rule->tunnel,
		    rule->action == RULE_SFTP);
	if (to == NULL) {
		snprintf(why, why_size,
		    "[rule %s] names [tunnel %s], which does not run",
		    rule->name, rule->tunnel);
		return ROUTE_REFUSED;
	}
	if (rule->action == RULE_SFTP)
		*ret = (struct route) { to->tunnel, routes_target(to) };
	else
		*ret = route_to(to, request, rule->action == RULE_DIRECT);
	return ROUTE_FOUND;
}

/* Without rules: SOCKS clients reach FTP servers at their usual port. */
static enum route_answer
route_without_rules(const struct listener *from,
    const struct rules_request *request, struct route *ret, char *why,
    size_t why_size)
{
	if (request->port == FTP_PORT) {
		*ret = route_to(from, request, false);
		return ROUTE_FOUND;
	}
	snprintf(why, why_size,
	    "CONNECT to %.100s port %u: the port is neither 21 nor one of a "
	    "data connection",
	    request->host, request->port);
	return ROUTE_REFUSED;
}

enum route_answer
routes_decide(void *ctx, const struct rules_request *request, struct route *ret,
    char *why, size_t why_size)
{
	const struct listener *from = ctx;
	const struct shared *shared = from->entry->destination->shared;
	const struct config *config = shared->config;
	const struct rule *rule;

	if (from->forward->socks && (config == NULL || config->n_rules == 0))
		return route_without_rules(from, request, ret, why, why_size);
	switch (rules_match(config->rules, config->n_rules, request, &rule)) {
	case RULES_NEEDS_USER:
		return ROUTE_NEEDS_USER;
	case RULES_FOUND:
		return apply_rule(from, rule, request, ret, why, why_size);
	case RULES_NONE:
		break;
	}
	snprintf(why, why_size, "no [rule NAME] matches %.100s:%u%s%.100s",
	    request->host, request->port, request->user != NULL ? " and " : "",
	    request->user != NULL ? request->user : "");
	return ROUTE_REFUSED;
}

void
routes_captured(void *ctx, const struct arrival *arrival)
{
	const struct listener *listener = ctx;
	const struct entry *entry = listener->entry;
	bool tproxy = entry->config->options.capture == OPTIONS_CAPTURE_TPROXY;
	struct arrival captured = *arrival;
	char host[ADDR_TEXT_MAX];

	captured.known_as =
	    tproxy ? arrival->local : net_stream_original(arrival->stream);
	captured.side = entry->destination->shared->near;
	captured.foreign = tproxy;
	captured.ports = entry->policy.client_ports;
	/* Connecting to it would only lead here again. */
	if (captured.known_as.family == AF_UNSPEC ||
	    (tproxy && net_is_own(&captured.known_as))) {
		tunnel_refuse_arrival(listener->tunnel, arrival,
		    "this port is only for connections to other hosts, which "
		    "nft(8) sends here");
		return;
	}
	router_take(listener->router, &captured,
	    addr_format_ip(&captured.known_as, host), captured.known_as.port);
}
