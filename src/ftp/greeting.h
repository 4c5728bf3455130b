/*
 * The first words of a server that may be no FTP server.  Pure; for sessions
 * and for culvert check, so that both judge alike.
 */
#ifndef FTP_GREETING_H
#define FTP_GREETING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A line, or as much of one as there is, that stands before the greeting and is
 * no reply (RFC 959 section 5.4).  True when no FTP server says it: it begins
 * as other protocols do (SSH, HTTP, POP3, IMAP, VNC, rsync, TLS), or is no
 * text. False for what some FTP servers say first: blank lines, Telnet
 * commands, a banner.
 */
bool greeting_is_foreign(const uint8_t *line, size_t len);

/* Longest text of greeting_quote(), with its NUL. */
#define GREETING_QUOTE_MAX 64

/* The beginning of the line as a message may quote it, without its end and with
 * "?" for each byte that cannot be printed; returns text. */
const char *greeting_quote(const uint8_t *line, size_t len,
    char text[GREETING_QUOTE_MAX]);

#endif
