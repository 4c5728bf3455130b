/*
 * An IP address and a TCP port as a plain value.
 */
#include "base/addr.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"

static void
addr_set_ipv4(struct addr *addr, const void *ip)
{
	*addr = (struct addr) { .family = AF_INET };
	memcpy(addr->ip, ip, 4);
}

/* Stores an IPv4-mapped address (RFC 4291 section 2.5.5.2) as IPv4, without its
 * scope. */
static void
addr_set_ipv6(struct addr *addr, const struct in6_addr *ip, uint32_t scope)
{
	if (IN6_IS_ADDR_V4MAPPED(ip)) {
		addr_set_ipv4(addr, ip->s6_addr + 12);
		return;
	}
	*addr = (struct addr) { .family = AF_INET6, .scope = scope };
	memcpy(addr->ip, ip->s6_addr, sizeof(addr->ip));
}

/* Reads a scope id as in RFC 4007 section 11: a number or an interface. */
static int
addr_parse_scope(const char *text, uint32_t *ret)
{
	uint64_t number;
	unsigned int ifindex;

	if (num_parse_text(text, UINT32_MAX, &number) == 0) {
		if (number == 0)
			return -EINVAL;
		*ret = (uint32_t)number;
		return 0;
	}
	ifindex = if_nametoindex(text);
	if (ifindex == 0)
		return -EINVAL;
	*ret = ifindex;
	return 0;
}

int
addr_parse_ip(const char *text, struct addr *ret)
{
	char host[INET6_ADDRSTRLEN];
	const char *percent = strchr(text, '%');
	size_t len = percent == NULL ? strlen(text) : (size_t)(percent - text);
	struct in_addr ipv4;
	struct in6_addr ipv6;
	uint32_t scope = 0;

	if (len >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, len);
	host[len] = '\0';
	if (percent == NULL && inet_pton(AF_INET, host, &ipv4) == 1) {
		addr_set_ipv4(ret, &ipv4);
		return 0;
	}
	if (inet_pton(AF_INET6, host, &ipv6) != 1)
		return -EINVAL;
	if (percent != NULL && addr_parse_scope(percent + 1, &scope) != 0)
		return -EINVAL;
	addr_set_ipv6(ret, &ipv6, scope);
	return 0;
}

int
addr_from_sockaddr(const struct sockaddr *sa, struct addr *ret)
{
	struct sockaddr_in sin;
	struct sockaddr_in6 sin6;

	if (sa->sa_family == AF_INET) {
		memcpy(&sin, sa, sizeof(sin));
		addr_set_ipv4(ret, &sin.sin_addr);
		ret->port = ntohs(sin.sin_port);
		return 0;
	}
	if (sa->sa_family == AF_INET6) {
		memcpy(&sin6, sa, sizeof(sin6));
		addr_set_ipv6(ret, &sin6.sin6_addr, sin6.sin6_scope_id);
		ret->port = ntohs(sin6.sin6_port);
		return 0;
	}
	return -EAFNOSUPPORT;
}

socklen_t
addr_to_sockaddr(const struct addr *addr, struct sockaddr_storage *ret)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };

	assert(addr->family == AF_INET || addr->family == AF_INET6);
	memset(ret, 0, sizeof(*ret));
	if (addr->family == AF_INET) {
		sin.sin_port = htons(addr->port);
		memcpy(&sin.sin_addr, addr->ip, sizeof(sin.sin_addr));
		memcpy(ret, &sin, sizeof(sin));
		return sizeof(sin);
	}
	sin6.sin6_port = htons(addr->port);
	sin6.sin6_scope_id = addr->scope;
	memcpy(&sin6.sin6_addr, addr->ip, sizeof(sin6.sin6_addr));
	memcpy(ret, &sin6, sizeof(sin6));
	return sizeof(sin6);
}

struct addr
addr_loopback(sa_family_t family, uint16_t port)
{
	struct addr addr = { .family = family, .port = port };

	assert(family == AF_INET || family == AF_INET6);
	if (family == AF_INET)
		addr.ip[0] = 127;
	addr.ip[family == AF_INET ? 3 : 15] = 1;
	return addr;
}

/* The number of bytes of ip that are used. */
static size_t
addr_ip_len(const struct addr *addr)
{
	if (addr->family == AF_INET)
		return 4;
	return addr->family == AF_INET6 ? 16 : 0;
}

bool
addr_same_ip(const struct addr *a, const struct addr *b)
{
	size_t len = addr_ip_len(a);

	if (len == 0 || a->family != b->family)
		return false;
	if (a->scope != 0 && b->scope != 0 && a->scope != b->scope)
		return false;
	return memcmp(a->ip, b->ip, len) == 0;
}

bool
addr_is_loopback(const struct addr *addr)
{
	struct addr loopback;

	if (addr->family == AF_INET)
		return addr->ip[0] == 127;
	if (addr->family != AF_INET6)
		return false;
	loopback = addr_loopback(AF_INET6, 0);
	return memcmp(addr->ip, loopback.ip, sizeof(addr->ip)) == 0;
}

bool
addr_is_local(const struct addr *addr)
{
	const uint8_t *ip = addr->ip;

	if (addr_is_loopback(addr))
		return true;
	if (addr->family == AF_INET)
		return ip[0] == 169 && ip[1] == 254;
	return addr->family == AF_INET6 && ip[0] == 0xfe &&
	    (ip[1] & 0xc0) == 0x80;
}

bool
addr_is_any(const struct addr *addr)
{
	static const uint8_t any[16];
	size_t len = addr_ip_len(addr);

	return len > 0 && memcmp(addr->ip, any, len) == 0;
}

const char *
addr_format_ip(const struct addr *addr, char *text)
{
	char name[IF_NAMESIZE];
	size_t len;

	if (addr_ip_len(addr) == 0) {
		snprintf(text, ADDR_TEXT_MAX, "none");
		return text;
	}
	inet_ntop(addr->family, addr->ip, text, ADDR_TEXT_MAX);
	if (addr->family != AF_INET6 || addr->scope == 0)
		return text;
	len = strlen(text);
	if (if_indextoname(addr->scope, name) != NULL)
		snprintf(text + len, ADDR_TEXT_MAX - len, "%%%s", name);
	else
		snprintf(text + len, ADDR_TEXT_MAX - len, "%%%u",
		    (unsigned int)addr->scope);
	return text;
}

const char *
addr_format(const struct addr *addr, char *text)
{
	char ip[ADDR_TEXT_MAX - sizeof("[]:65535") + 1];
	char full[ADDR_TEXT_MAX];

	addr_format_ip(addr, full);
	snprintf(ip, sizeof(ip), "%.*s", (int)sizeof(ip) - 1, full);
	if (addr->family == AF_INET6)
		snprintf(text, ADDR_TEXT_MAX, "[%s]:%u", ip,
		    (unsigned int)addr->port);
	else
		snprintf(text, ADDR_TEXT_MAX, "%s:%u", ip,
		    (unsigned int)addr->port);
	return text;
}
