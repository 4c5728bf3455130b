/*
 * The places where the tunnels of a configuration would listen.
 */
#include "process/config_places.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* How many addresses of one name are used, at most. */
#define PLACES_OF_NAME 16

/* ---- find the places ---- */

static int
add_place(struct places *places, const struct place *place, char *why)
{
	struct place *grown =
	    realloc(places->list, (places->n + 1) * sizeof(*grown));

	if (grown == NULL)
		return settings_no_memory(why);
	places->list = grown;
	grown[places->n++] = *place;
	return 0;
}

/* The setting of the tunnel's forward number n. */
static const struct setting *
forward_setting(const struct config_tunnel *tunnel, size_t n)
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

/* Looks up addresses as a local tunnel does (tunnel/tunnel_local.c).  Returns
 * their number; 0 with the reason in *ret_why. */
static size_t
look_up_bind(const char *bind, struct addr found[PLACES_OF_NAME],
    const char **ret_why)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *list, *info;
	size_t n = 0;
	int err;

	if (strcmp(bind, "*") == 0)
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
	for (info = list; info != NULL && n < PLACES_OF_NAME;
	     info = info->ai_next)
		if (addr_from_sockaddr(info->ai_addr, &found[n]) == 0)
			n++;
	freeaddrinfo(list);
	return n;
}

static int
add_forward(struct places *places, const struct config_tunnel *tunnel,
    size_t number, char *why)
{
	const struct forward *forward = &tunnel->options.forwards[number];
	struct addr found[PLACES_OF_NAME];
	struct place place = {
		.dual = strcmp(forward->bind, "*") == 0,
		.sftp = forward->sftp,
		.host = forward->bind,
		.port = forward->port,
		.setting = forward_setting(tunnel, number),
		.tunnel = tunnel,
	};
	const char *reason = "";
	size_t n;
	int err = 0;

	if (forward->remote)
		return add_place(places, &place, why);
	n = look_up_bind(forward->bind, found, &reason);
	if (n == 0)
		return settings_complain_value(why, place.setting,
		    "cannot listen on %s: %s", forward->bind, reason);
	for (size_t i = 0; i < n && err == 0; i++) {
		place.at = found[i];
		place.at.port = forward->port;
		err = add_place(places, &place, why);
	}
	return err;
}

int
places_find(const struct config *config, const struct command_line *line,
    struct places *ret, char why[SETTINGS_WHY_MAX])
{
	const struct options *process = &config->process;
	struct place metrics = {
		.at = process->metrics,
		.dual = addr_is_any(&process->metrics) &&
		    process->metrics.family == AF_INET6,
		.port = process->metrics.port,
		.setting = config_find_setting(config, "metrics"),
	};
	int err = 0;

	*ret = (struct places) { .n = 0 };
	if (metrics.at.family != AF_UNSPEC)
		err = add_place(ret, &metrics, why);
	for (size_t i = 0; i < config->n_tunnels; i++) {
		const struct config_tunnel *tunnel = &config->tunnels[i];
		size_t n = command_line_wants(line, tunnel->name) ?
		    tunnel->options.n_forwards :
		    0;

		for (size_t j = 0; j < n && err == 0; j++)
			err = add_forward(ret, tunnel, j, why);
	}
	return err;
}

/* ---- compare the places ---- */

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
is_same_place(const struct place *a, const struct place *b)
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

int
places_check(const struct places *places, char why[SETTINGS_WHY_MAX])
{
	for (size_t i = 0; i < places->n; i++)
		for (size_t j = 0; j < i; j++) {
			const struct place *place = &places->list[i];
			const struct place *other = &places->list[j];

			/* Addresses of one name do not exclude each other. */
			if ((other->setting != place->setting ||
				other->tunnel != place->tunnel) &&
			    is_same_place(other, place))
				return settings_complain_value(why,
				    place->setting,
				    "%s:%u already listens on that address and "
				    "port; use another port",
				    other->setting->file, other->setting->line);
		}
	return 0;
}
