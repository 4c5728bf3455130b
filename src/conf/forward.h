/*
 * The value of -L and -R: [ftp/][bind_address:]port:host:hostport, as in
 * ssh(1); or of -L only, sftp/[bind_address:]port[:directory] and
 * socks/[bind_address:]port.
 */
#ifndef CONF_FORWARD_H
#define CONF_FORWARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest host name (RFC 1035 section 2.3.4), with its NUL. */
#define FORWARD_HOST_MAX 256

/* Longest directory of "sftp/", with its NUL. */
#define FORWARD_DIRECTORY_MAX 1024

struct forward {
	bool remote;		     /* -R */
	char bind[FORWARD_HOST_MAX]; /* "" none given, "*" all addresses */
	uint16_t port;		     /* to listen on; 0: the kernel's choice */
	char host[FORWARD_HOST_MAX]; /* the FTP server, as the other side
				      * resolves it */
	uint16_t host_port;
	bool captures; /* it has no server: each client has chosen one; then
			* host is "", and host_port 0 */
	bool sftp;     /* "sftp/": the SFTP server of the destination; then
			* host is "", and host_port 0 */
	bool socks; /* "socks/": the server that each SOCKS client names; then
		     * host is "", and host_port 0 */
	char directory[FORWARD_DIRECTORY_MAX]; /* where sessions begin; "": the
						* server's choice */
};

/*
 * Reads spec.  As in ssh(1), IPv6 addresses are in square brackets, an empty
 * bind address or "*" means all addresses, and "localhost" the loopback
 * addresses.  The prefix "ftp/", from SSH Tectia, is accepted.  Unix socket
 * paths (FTP needs addresses) and hosts that begin with "-" are refused.  The
 * caller sets ret->remote.  Returns 0, or -EINVAL with a text in why that says
 * what is wrong and what is expected; then *ret is unchanged.
 */
int forward_parse(const char *spec, struct forward *ret, char *why,
    size_t why_size);

/* The same for a tunnel that captures connections: [bind_address:]port. */
int forward_parse_capture(const char *spec, struct forward *ret, char *why,
    size_t why_size);

#endif
