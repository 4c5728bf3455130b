/*
 * Whether the tunnels of a configuration can run together.
 */
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "process/config_check_priv.h"
#include "limits.h"

/* Where something listens. */
struct place {
	struct addr at; /* AF_UNSPEC: not on this host, but on the SSH server */
	bool dual;	/* it is "*", IPv4 as well */
	const char *host;
	uint16_t port;
	const struct setting *setting;
	const struct config_tunnel *tunnel; /* NULL: --metrics */
	const char *server; /* as ssh -G names it; NULL: not known */
};

struct places {
	struct place *list;
	size_t n;
	char **servers; /* one for each tunnel, or NULL */
};

const struct setting *
config_check_process(const struct config *config, const char *key)
{
	for (size_t i = 0; i < config->settings.n; i++) {
		const struct setting *at = &config->settings.list[i];

		if (at->key != NULL && strcmp(at->key, key) == 0)
			return at;
	}
	return NULL;
}

const struct setting *
config_check_forward(const struct config_tunnel *tunnel, size_t n)
{
	for (size_t i = 0; i < tunnel->n_settings; i++) {
		const struct setting *at = tunnel->settings[i];

		if (strcmp(at->key, "L") != 0 && strcmp(at->key, "R") != 0)
			continue;
		if (n-- == 0)
			return at;
	}
	return tunnel->begins;
}

/* ---- addresses ---- */

size_t
config_check_addresses(const char *bind,
    struct addr found[CONFIG_CHECK_ADDRESSES], bool *ret_dual,
    const char **ret_why)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *list, *info;
	size_t n = 0;
	int err;

	*ret_dual = strcmp(bind, "*") == 0;
	if (*ret_dual)
		found[n++] = (struct addr) { .family = AF_INET6 };
	else if (*bind == '\0')
		found[n++] = addr_loopback(AF_INET, 0);
	else if (addr_parse_ip(bind, &found[0]) == 0)
		n++;
	if (n > 0)
		return n;
	err = getaddrinfo(bind, NULL, &hints, &list);
	*ret_why = gai_strerror(err != 0 ? err : EAI_NONAME);
	if (err != 0)
		return 0;
	for (info = list; info != NULL && n < CONFIG_CHECK_ADDRESSES;
	     info = info->ai_next)
		if (addr_from_sockaddr(info->ai_addr, &found[n]) == 0)
			n++;
	freeaddrinfo(list);
	return n;
}

static bool
is_loopback_name(const char *host)
{
	struct addr at;

	return *host == '\0' || strcmp(host, "localhost") == 0 ||
	    (addr_parse_ip(host, &at) == 0 && addr_is_loopback(&at));
}

/* For addresses of the SSH server, only the texts are compared. */
static bool
is_same_far(const struct place *a, const struct place *b)
{
	struct addr one, other;

	if (strcmp(a->host, "*") == 0 || strcmp(b->host, "*") == 0)
		return true;
	if (addr_parse_ip(a->host, &one) != 0 ||
	    addr_parse_ip(b->host, &other) != 0)
		return is_loopback_name(a->host) == is_loopback_name(b->host) &&
		    (is_loopback_name(a->host) ||
			strcmp(a->host, b->host) == 0);
	return one.family == other.family &&
	    (addr_is_any(&one) || addr_is_any(&other) ||
		addr_same_ip(&one, &other));
}

static bool
is_same_server(const struct place *a, const struct place *b)
{
	return a->server != NULL && b->server != NULL ?
	    strcmp(a->server, b->server) == 0 :
	    config_same(a->tunnel, b->tunnel, OPTION_LINK);
}

static bool
config_check_is_same(const struct place *a, const struct place *b)
{
	if (a->port != b->port || a->port == 0 ||
	    (a->at.family == AF_UNSPEC) != (b->at.family == AF_UNSPEC))
		return false;
	if (a->at.family == AF_UNSPEC)
		return is_same_server(a, b) && is_same_far(a, b);
	if (a->at.family != b->at.family)
		return a->dual || b->dual;
	return addr_is_any(&a->at) || addr_is_any(&b->at) ||
	    addr_same_ip(&a->at, &b->at);
}

/* ---- together ---- */

static int
add_place(struct places *places, const struct place *place, char *why)
{
	struct place *grown;

	/* The addresses of one name do not exclude each other. */
	for (size_t i = 0; i < places->n; i++) {
		const struct place *other = &places->list[i];

		bool own = other->tunnel == place->tunnel &&
		    other->setting == place->setting;

		if (!own && config_check_is_same(other, place))
			return settings_complain_value(why, place->setting,
			    "%s:%u already listens on that address "
			    "and port; use another port",
			    other->setting->file, other->setting->line);
	}
	grown = realloc(places->list, (places->n + 1) * sizeof(*grown));
	if (grown == NULL)
		return settings_no_memory(why);
	places->list = grown;
	grown[places->n++] = *place;
	return 0;
}

static int
config_check_add_forward(struct places *places,
    const struct config_tunnel *tunnel, size_t number, const char *server,
    char *why)
{
	const struct forward *forward = &tunnel->options.forwards[number];
	struct addr found[CONFIG_CHECK_ADDRESSES];
	struct place place = {
		.host = forward->bind,
		.port = forward->port,
		.setting = config_check_forward(tunnel, number),
		.tunnel = tunnel,
		.server = server,
	};
	const char *reason = "";
	size_t n;
	int err = 0;

	if (forward->remote)
		return add_place(places, &place, why);
	n = config_check_addresses(forward->bind, found, &place.dual, &reason);
	if (n == 0)
		return settings_complain_value(why, place.setting,
		    "cannot listen on %s: %s", forward->bind, reason);
	for (size_t i = 0; i < n && err == 0; i++) {
		place.at = found[i];
		err = add_place(places, &place, why);
	}
	return err;
}

static int
add_all(struct places *places, const struct config *config,
    const struct command_line *line, char *why)
{
	const struct options *process = &config->process;
	struct place metrics = {
		.at = process->metrics,
		.dual = addr_is_any(&process->metrics) &&
		    process->metrics.family == AF_INET6,
		.port = process->metrics.port,
		.setting = config_check_process(config, "metrics"),
	};
	int err = 0;

	if (metrics.at.family != AF_UNSPEC)
		err = add_place(places, &metrics, why);
	for (size_t i = 0; i < config->n_tunnels && err == 0; i++) {
		const struct config_tunnel *tunnel = &config->tunnels[i];

		if (!command_line_wants(line, tunnel->name))
			continue;
		for (size_t j = 0; j < tunnel->options.n_forwards && err == 0;
		     j++)
			err = config_check_add_forward(places, tunnel, j,
			    places->servers != NULL ? places->servers[i] : NULL,
			    why);
	}
	return err;
}

int
config_check_places(const struct config *config,
    const struct command_line *line, char **servers, char *why)
{
	struct places places = { .servers = servers };
	int err = add_all(&places, config, line, why);

	free(places.list);
	return err;
}

int
config_check_together(const struct config *config,
    const struct command_line *line,
    const struct config_tunnel *ret_first[LIMIT_DESTINATIONS], size_t *ret_n,
    char why[SETTINGS_WHY_MAX])
{
	const struct config_tunnel *first[LIMIT_DESTINATIONS];
	size_t n = 0;

	for (size_t i = 0; i < config->n_tunnels; i++) {
		const struct config_tunnel *tunnel = &config->tunnels[i];
		size_t at = 0;

		while (at < n && !config_same(first[at], tunnel, OPTION_LINK))
			at++;
		if (!command_line_wants(line, tunnel->name) || at < n)
			continue;
		if (n == LIMIT_DESTINATIONS)
			return settings_complain(why, tunnel->begins,
			    "more than %d destinations; start some of the "
			    "tunnels with another culvert up",
			    LIMIT_DESTINATIONS);
		first[n++] = tunnel;
	}
	if (ret_first != NULL) {
		memcpy(ret_first, first, n * sizeof(first[0]));
		*ret_n = n;
	}
	return config_check_places(config, line, NULL, why);
}
