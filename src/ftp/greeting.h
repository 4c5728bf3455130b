/*
 * Recognizes servers of other protocols by their first line.  No I/O.  Sessions
 * and culvert check use it.
 */
#ifndef FTP_GREETING_H
#define FTP_GREETING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Does another protocol's server send this line, or beginning of a line?  line
 * comes before the greeting and is not a reply (RFC 959 section 5.4).  True if
 * it begins like another protocol (SSH, HTTP, POP3, IMAP, VNC, rsync, TLS), or
 * is not text.  False for what some FTP servers send first: blank lines, Telnet
 * commands, a banner.
 */
bool greeting_is_foreign(const uint8_t *line, size_t len);

/* Longest text of greeting_quote(), with its NUL. */
#define GREETING_QUOTE_MAX 64

/* Copies the beginning of the line for a message, without Telnet commands at
 * its start and without the line end.  Each byte that is a double quote or not
 * printable ASCII becomes "?".  Returns text. */
const char *greeting_quote(const uint8_t *line, size_t len,
    char text[GREETING_QUOTE_MAX]);

#endif
