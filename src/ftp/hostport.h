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
	struct addr addr; /* for 229 only the port: AF_UNSPEC */
	size_t at, len;	  /* position of the digits, in bytes */
};

/*
 * Reads the argument of PORT or EPRT (verb), len bytes without the line end.
 * Strict: only trailing blanks are permitted.  Drops a scope id, because it is
 * valid only on the client's host.  Returns 0; -EINVAL if the argument is
 * malformed (not six numbers, a number above 255, port 0, wrong delimiters);
 * -EAFNOSUPPORT if the protocol number in EPRT is not 1 or 2.  Does not set
 * ret->at and ret->len.
 */
int hostport_parse_command(enum verb verb, const uint8_t *arg, size_t len,
    struct hostport *ret);

/*
 * Reads a line of a 227 or 229 reply (code); an inner line has no code.
 *
 * 227: the first sequence of exactly six numbers 0 to 255 that are separated by
 * commas.  Blanks around the numbers are permitted; sequences of another length
 * are skipped.
 *
 * 229: the port in "(|||port|)".  The delimiter may be any byte from 33 to 126
 * except a digit.  The brackets and the last delimiter may be missing; protocol
 * and address may be present, and are ignored.
 *
 * Returns 0; or -EINVAL if there is none, or its port is 0.  ret->at and
 * ret->len are the position of the bytes to replace: for 227 from the first to
 * the last digit of the numbers, for 229 the digits of the port.
 */
int hostport_parse_reply(unsigned code, const uint8_t *line, size_t len,
    struct hostport *ret);

/*
 * May some client find a host-port in this text of a reply with that code?
 * This accepts more than hostport_parse_reply(): some clients take six numbers
 * out of seven (curl), or any delimiter after a bracket.
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
 * Writes the text that replaces the digits in a reply: for 227 "a,b,c,d,p1,p2"
 * (0,0,0,0 for an IPv6 address, as in vsftpd), for 229 the port.
 */
void hostport_format_reply(unsigned code, const struct addr *addr,
    char text[HOSTPORT_TEXT_MAX]);

#endif
