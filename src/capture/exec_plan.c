/*
 * Which connections culvert exec captures.
 */
#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "capture/exec.h"
#include "conf/option.h"

/* 127.121.0.0: maps have the addresses above it. */
static const uint8_t map_network[] = { 127, 121, 0, 0 };

/* Can it be a line's word in /etc/hosts, and a host for sshd?  Not what looks
 * like an option. */
static bool
is_host(const char *text, size_t len)
{
	if (len == 0 || len >= EXEC_HOST_MAX || *text == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) &&
		    strchr(".-_:%", text[i]) == NULL)
			return false;
	return true;
}

static const struct exec_map *
find_name(const struct exec_plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->n_maps; i++)
		if (strcasecmp(plan->maps[i].name, name) == 0)
			return &plan->maps[i];
	return NULL;
}

int
exec_plan_map(struct exec_plan *plan, const char *text, char *why,
    size_t why_size)
{
	const char *equals = strchr(text, '=');
	size_t len = equals != NULL ? (size_t)(equals - text) : strlen(text);
	const char *host = equals != NULL ? equals + 1 : text;
	struct exec_map *map = &plan->maps[plan->n_maps];
	struct addr addr;

	if (plan->n_maps == LIMIT_EXEC_MAPS)
		return option_refuse(why, why_size, "there can be %d at most",
		    LIMIT_EXEC_MAPS);
	if (!is_host(text, len) || memchr(text, ':', len) != NULL ||
	    !is_host(host, strlen(host)))
		return option_refuse(why, why_size,
		    "expected NAME or NAME=HOST, two names of hosts");
	snprintf(map->name, sizeof(map->name), "%.*s", (int)len, text);
	snprintf(map->host, sizeof(map->host), "%s", host);
	if (addr_parse_ip(map->name, &addr) == 0)
		return option_refuse(why, why_size,
		    "%s is an address; an address needs no --map", map->name);
	if (find_name(plan, map->name) != NULL)
		return option_refuse(why, why_size, "%s is given twice",
		    map->name);
	plan->n_maps++;
	return 0;
}

struct addr
exec_map_address(size_t n)
{
	struct addr addr = { .family = AF_INET };

	memcpy(addr.ip, map_network, sizeof(map_network));
	addr.ip[3] = (uint8_t)(n + 1);
	return addr;
}

const struct exec_map *
exec_plan_mapped(const struct exec_plan *plan, const struct addr *at)
{
	struct addr one;

	for (size_t i = 0; i < plan->n_maps; i++) {
		one = exec_map_address(i);
		if (addr_same_ip(&one, at))
			return &plan->maps[i];
	}
	return NULL;
}

socklen_t
exec_sockaddr(const struct addr *at, bool v6, struct sockaddr_storage *ret)
{
	struct sockaddr_in6 mapped = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(at->port),
		.sin6_addr = { .s6_addr = { [10] = 0xff, 0xff } },
	};

	if (!v6 || at->family != AF_INET)
		return addr_to_sockaddr(at, ret);
	memcpy(&mapped.sin6_addr.s6_addr[12], at->ip, 4);
	memcpy(ret, &mapped, sizeof(mapped));
	return sizeof(mapped);
}

/* ---- patterns ---- */

static int
add_pattern(struct exec_plan *plan, const struct exec_pattern *pattern,
    char *why, size_t why_size)
{
	if (plan->n_patterns == LIMIT_EXEC_PATTERNS)
		return option_refuse(why, why_size,
		    "there can be %d addresses at most", LIMIT_EXEC_PATTERNS);
	plan->patterns[plan->n_patterns++] = *pattern;
	return 0;
}

static int
add_address(struct exec_plan *plan, const struct addr *addr, uint16_t port,
    char *why, size_t why_size)
{
	struct exec_pattern pattern = { .port = port };
	char text[ADDR_TEXT_MAX];
	struct addr plain = *addr;

	plain.scope = 0;
	return subnet_parse(addr_format_ip(&plain, text), &pattern.net) != 0 ?
	    -EINVAL :
	    add_pattern(plan, &pattern, why, why_size);
}

static int
add_name(struct exec_plan *plan, const char *name, uint16_t port, char *why,
    size_t why_size)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	const struct exec_map *map = find_name(plan, name);
	struct addrinfo *found, *info;
	struct addr addr;
	int err, status;

	if (map != NULL) {
		addr = exec_map_address((size_t)(map - plan->maps));
		return add_address(plan, &addr, port, why, why_size);
	}
	status = getaddrinfo(name, NULL, &hints, &found);
	if (status != 0)
		return option_refuse(why, why_size,
		    "cannot look %s up: %s; if only the far side knows that "
		    "name, add --map %s",
		    name, gai_strerror(status), name);
	err = 0;
	for (info = found; info != NULL && err == 0; info = info->ai_next)
		if (addr_from_sockaddr(info->ai_addr, &addr) == 0)
			err = add_address(plan, &addr, port, why, why_size);
	freeaddrinfo(found);
	return err;
}

/* Finds the port behind the host, and ends host there.  Returns false if it is
 * not a port. */
static bool
split_port(char **host, uint16_t *ret_port)
{
	char *colon = strchr(*host, ':'), *bracket = strchr(*host, ']');
	uint64_t port;

	*ret_port = EXEC_FTP_PORT;
	if (**host == '[' && bracket != NULL) {
		*bracket = '\0';
		++*host;
		if (bracket[1] == '\0')
			return true;
		colon = bracket[1] == ':' ? bracket + 1 : NULL;
		if (colon == NULL)
			return false;
	} else if (colon == NULL || strchr(colon + 1, ':') != NULL) {
		return true; /* no port; or IPv6 without brackets */
	}
	*colon = '\0';
	if (num_parse_text(colon + 1, UINT16_MAX, &port) != 0 || port == 0)
		return false;
	*ret_port = (uint16_t)port;
	return true;
}

int
exec_plan_capture(struct exec_plan *plan, const char *text, char *why,
    size_t why_size)
{
	CLEANUP(cleanup_text) char *copy = strdup(text);
	struct exec_pattern pattern = { .any = false };
	char *host = copy;

	if (copy == NULL)
		return option_refuse(why, why_size, "out of memory");
	if (!split_port(&host, &pattern.port))
		return option_refuse(why, why_size,
		    "expected HOST or HOST:PORT, with IPv6 addresses in "
		    "square brackets");
	pattern.any = strcmp(host, "*") == 0;
	if (pattern.any || subnet_parse(host, &pattern.net) == 0)
		return add_pattern(plan, &pattern, why, why_size);
	if (!is_host(host, strlen(host)) || strchr(host, ':') != NULL)
		return option_refuse(why, why_size,
		    "\"%s\" is not *, an address, a network or a name", host);
	return add_name(plan, host, pattern.port, why, why_size);
}

bool
exec_plan_captures(const struct exec_plan *plan, const struct addr *to)
{
	bool loopback = addr_is_loopback(to);
	const struct exec_pattern *pattern;

	if (to->port == EXEC_FTP_PORT &&
	    (!loopback || exec_plan_mapped(plan, to) != NULL))
		return true;
	for (size_t i = 0; i < plan->n_patterns; i++) {
		pattern = &plan->patterns[i];
		if (pattern->port != to->port)
			continue;
		if (pattern->any ? !loopback || exec_plan_mapped(plan, to) :
				   subnet_has(&pattern->net, to))
			return true;
	}
	return false;
}
