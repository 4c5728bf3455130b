/*
 * Host-ports: the addresses in PORT and EPRT commands and in 227 and 229
 * replies (RFC 959, 2428).  Parsers never change anything; what
 * they do not understand is for the caller to pass through.
 */
#ifndef FTP_HOSTPORT_H
#define FTP_HOSTPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "ftp/command.h"

/* Where the host-port stands in its line, to be replaced in place. */
struct hostport {
	struct addr addr; /* AF_UNSPEC with a port only for 229 */
	size_t at, len;	  /* the digits, in bytes within the text */
};

/*
 * The argument of PORT or EPRT (verb says which), len bytes without the
 * line end.  Strict: a trailing blank is allowed, nothing else is.
 * Returns 0; -EINVAL when malformed (five or seven numbers, above 255, port 0,
 * unknown delimiter use); -EAFNOSUPPORT for a protocol number other than 1 and
 * 2 in EPRT.  ret->at and ret->len are not set.  A scope
 * id is dropped: it means something on the client's host only.
 */
int hostport_parse_command(enum verb verb, const uint8_t *arg, size_t len,
    struct hostport *ret);

/*
 * A line of a 227 or 229 reply (code says which).  227: the first run of
 * exactly six comma-separated numbers 0 to 255 after the code, runs of another
 * length skipped, blanks allowed around the numbers.  229: the port between
 * delimiters of 33 to 126 but no digit ("(|||port|)"; brackets, the last
 * delimiter and a dot may be missing or present; protocol and address may be
 * filled in and do not count).  The line may be an inner one, without the code.
 * Port 0 is -EINVAL.  Returns 0 or -EINVAL. ret->at and ret->len cover what is
 * to be replaced: the numbers from first to last digit; for 229 the port's
 * digits.
 */
int hostport_parse_reply(unsigned code, const uint8_t *line, size_t len,
    struct hostport *ret);

/*
 * May some client read a host-port in that text of such a reply?  Clients take
 * six numbers out of seven (curl), or any delimiter behind a bracket.
 */
bool hostport_is_likely(unsigned code, const uint8_t *text, size_t len);

/* Longest text of the functions below, with its NUL (EPRT with IPv6). */
#define HOSTPORT_TEXT_MAX 64

/*
 * The argument for a command: "127,0,0,1,p1,p2" or "|2|::1|port|".  PORT needs
 * an IPv4 address: -EAFNOSUPPORT. Another verb is -EINVAL.  A scope id is not
 * written.
 */
int hostport_format_command(enum verb verb, const struct addr *addr,
    char text[HOSTPORT_TEXT_MAX]);

/*
 * What replaces the digits in a reply: for 227 "a,b,c,d,p1,p2" (an IPv6
 * address becomes 0,0,0,0, as vsftpd does), for 229 the port.
 */
void hostport_format_reply(unsigned code, const struct addr *addr,
    char text[HOSTPORT_TEXT_MAX]);

#endif
