/*
 * An IP address and a TCP port as a plain value.  An IPv4 address that was
 * mapped into IPv6 (::ffff:a.b.c.d, RFC 4291 section 2.5.5.2) is always kept
 * as IPv4, so that two spellings of one host compare equal.  No look-ups, no
 * sockets.
 */
#ifndef BASE_ADDR_H
#define BASE_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct addr {
	sa_family_t family; /* AF_INET, AF_INET6, or AF_UNSPEC: none */
	uint8_t ip[16];	    /* network order; IPv4 uses the first four */
	uint32_t scope;	    /* IPv6 scope id, 0 when there is none */
	uint16_t port;	    /* host order */
};

/* Longest text of addr_format() and addr_format_ip(), with its NUL. */
#define ADDR_TEXT_MAX 80

/*
 * Reads an address without a port: dotted quad (four decimal numbers, as
 * inet_pton takes it) or RFC 4291 text with an optional %scope, which may be a
 * number or an interface name; no brackets.  ret->port becomes 0.
 * Returns 0 or -EINVAL; *ret is untouched on failure.
 */
int addr_parse_ip(const char *text, struct addr *ret);

/* From a socket address of AF_INET or AF_INET6.  0 or -EAFNOSUPPORT. */
int addr_from_sockaddr(const struct sockaddr *sa, struct addr *ret);

/* To a socket address; returns its length. addr->family must not be none. */
socklen_t addr_to_sockaddr(const struct addr *addr,
    struct sockaddr_storage *ret);

/* Loopback of the given family with that port (host order). */
struct addr addr_loopback(sa_family_t family, uint16_t port);

/* The same host?  Ports do not count, scopes do when both are given. */
bool addr_same_ip(const struct addr *a, const struct addr *b);

/* 127.0.0.0/8 or ::1. */
bool addr_is_loopback(const struct addr *addr);

/* Of this host or a link of it, so that it means nothing elsewhere: loopback
 * or link-local (169.254.0.0/16, fe80::/10). */
bool addr_is_local(const struct addr *addr);

/* 0.0.0.0 or ::. */
bool addr_is_any(const struct addr *addr);

/*
 * "192.0.2.1" or "2001:db8::1"; with addr_format "192.0.2.1:21" or
 * "[2001:db8::1]:21" (RFC 5952 text).  Returns text, which must hold
 * ADDR_TEXT_MAX bytes.
 */
const char *addr_format_ip(const struct addr *addr, char *text);
const char *addr_format(const struct addr *addr, char *text);

#endif
