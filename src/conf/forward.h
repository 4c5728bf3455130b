/*
 * What -L and -R say: [ftp/][bind_address:]port:host:hostport, as ssh(1) reads
 * it.
 */
#ifndef CONF_FORWARD_H
#define CONF_FORWARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest host name that is taken (RFC 1035 section 2.3.4), with its NUL. */
#define FORWARD_HOST_MAX 256

struct forward {
	bool remote;		     /* -R */
	char bind[FORWARD_HOST_MAX]; /* "" none given, "*" all addresses */
	uint16_t port;		     /* to listen on; 0: the kernel's choice */
	char host[FORWARD_HOST_MAX]; /* the FTP server, as the other side
				      * resolves it */
	uint16_t host_port;
};

/*
 * Reads spec.  As in ssh(1): IPv6 addresses stand in square brackets, an empty
 * bind address or "*" means all addresses, "localhost" the loopback ones.  Also
 * taken, from SSH Tectia: the prefix "ftp/".  Refused: Unix socket paths (FTP
 * needs addresses) and hosts that begin with "-".  ret->remote becomes false:
 * whose option it is the caller knows.
 * Returns 0, or -EINVAL with a text in why that names what is wrong and what
 * is expected; *ret is untouched on failure.
 */
int forward_parse(const char *spec, struct forward *ret, char *why,
    size_t why_size);

#endif
