/*
 * An IP address and a TCP port as a plain value.  An IPv4-mapped IPv6 address
 * (::ffff:a.b.c.d, RFC 4291 section 2.5.5.2) is always stored as IPv4, so that
 * both spellings of a host compare equal.  No look-ups, no sockets.
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

/* Converts a socket address of AF_INET or AF_INET6.  Returns 0 or
 * -EAFNOSUPPORT. */
int addr_from_sockaddr(const struct sockaddr *sa, struct addr *ret);

/* Converts to a socket address; returns its length.  addr->family must not be
 * AF_UNSPEC. */
socklen_t addr_to_sockaddr(const struct addr *addr,
    struct sockaddr_storage *ret);

/* The loopback address of that family, with that port (host order). */
struct addr addr_loopback(sa_family_t family, uint16_t port);

/* Are the IP addresses equal?  Ports are ignored; scopes are compared if both
 * have one.  False if a is AF_UNSPEC. */
bool addr_same_ip(const struct addr *a, const struct addr *b);

/* 127.0.0.0/8 or ::1. */
bool addr_is_loopback(const struct addr *addr);

/* Loopback or link-local (169.254.0.0/16, fe80::/10): an address that means
 * nothing on another host. */
bool addr_is_local(const struct addr *addr);

/* 0.0.0.0 or ::. */
bool addr_is_any(const struct addr *addr);

/*
 * addr_format_ip() writes "192.0.2.1" or "2001:db8::1" (RFC 5952), and "none"
 * for AF_UNSPEC; addr_format() writes "192.0.2.1:21" or "[2001:db8::1]:21".
 * text must have room for ADDR_TEXT_MAX bytes.  Both return text.
 */
const char *addr_format_ip(const struct addr *addr, char *text);
const char *addr_format(const struct addr *addr, char *text);

#endif
