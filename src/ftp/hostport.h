/*
 * Host-ports in PORT and EPRT commands and in 227 and 229 replies (RFC 959, RFC
 * 2428).
 */
#ifndef FTP_HOSTPORT_H
#define FTP_HOSTPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "ftp/command.h"

/* A host-port, and its position in the line, where another one can replace it.
 */
struct hostport {
	struct addr addr; /* AF_UNSPEC with a port only for 229 */
	size_t at, len;	  /* the digits, in bytes within the text */
};

/*
 * Reads the argument of PORT or EPRT (verb), len bytes without the line end.
 * Strict: only trailing blanks are permitted.
 * Returns 0; -EINVAL if it is malformed (other than six numbers, a number above
 * 255, port 0, wrong delimiters); -EAFNOSUPPORT for a protocol number other
 * than 1 and 2 in EPRT.  Does not set ret->at and ret->len.  Drops a scope id,
 * because it is valid only on the client's host.
 */
int hostport_parse_command(enum verb verb, const uint8_t *arg, size_t len,
    struct hostport *ret);

/*
 * Reads a line of a 227 or 229 reply (code); it may be an inner line, without
 * the code. 227: the first sequence of exactly six numbers 0 to 255, separated
 * by commas; blanks around the numbers are permitted, and sequences of another
 * length are skipped. 229: the port in "(|||port|)".  The delimiter may be any
 * byte from 33 to 126 but no digit; the brackets and the last delimiter may be
 * missing; protocol and address may be present and are ignored. Returns 0, or
 * -EINVAL, also for port 0.  ret->at and ret->len are the position of the bytes
 * to replace: from the first to the last digit of the numbers, or for 229 the
 * digits of the port.
 */
int hostport_parse_reply(unsigned code, const uint8_t *line, size_t len,
    struct hostport *ret);

/*
 * May some client find a host-port in this text of a reply with that code? Some
 * take six numbers out of seven (curl), or any delimiter after a bracket.
 */
bool hostport_is_likely(unsigned code, const uint8_t *text, size_t len);

/* Longest text of the functions below, with its NUL (EPRT with IPv6). */
#define HOSTPORT_TEXT_MAX 64

/*
 * Writes the argument of PORT ("127,0,0,1,p1,p2") or EPRT ("|2|::1|port|"),
 * without a scope id.  Returns 0; -EAFNOSUPPORT for PORT with an IPv6 address;
 * -EINVAL for another verb.
 */
int hostport_format_command(enum verb verb, const struct addr *addr,
    char text[HOSTPORT_TEXT_MAX]);

/*
 * Writes what replaces the digits in a reply: for 227 "a,b,c,d,p1,p2" (0,0,0,0
 * for an IPv6 address, as in vsftpd), for 229 the port.
 */
void hostport_format_reply(unsigned code, const struct addr *addr,
    char text[HOSTPORT_TEXT_MAX]);

#endif
