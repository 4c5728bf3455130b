/*
 * Replies, line by line (RFC 959 section 4.2): three digits and a blank are a
 * whole reply or its last line, three digits and a hyphen begin one of several
 * lines.  Inner lines may look like anything.
 */
#ifndef FTP_REPLY_H
#define FTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum reply_place {
	REPLY_ONLY,  /* a reply of one line */
	REPLY_FIRST, /* of several */
	REPLY_INNER,
	REPLY_LAST,
	REPLY_STRAY, /* not a reply, and outside of one */
};

/* The state between lines: the code whose last line is awaited, 0 for none. */
struct reply_reader {
	unsigned code;
};

/*
 * Places the next line.  *ret_code is the code of the reply that it belongs
 * to, 0 for REPLY_STRAY.  Telnet commands in front of the code are looked
 * through.  A code directly followed by the line end counts as one with a
 * blank: REPLY_ONLY or REPLY_LAST; outside of a reply so does one followed by
 * anything but a hyphen or a digit, since many clients take it for one.  First
 * digits other than 1 to 6 are no code (6yz: RFC 2228).
 */
enum reply_place reply_next(struct reply_reader *reader, const uint8_t *line,
    size_t len, unsigned *ret_code);

/* The code of a line that could be a reply, or begin one, wherever it stands:
 * one that is not followed by a digit; else 0. */
unsigned reply_own_code(const uint8_t *line, size_t len);

/* Is that line a code with nothing behind it?  Cut off there, it may have been
 * anything. */
bool reply_is_bare_code(const uint8_t *line, size_t len);

/*
 * Is that line, with or without its line end, one that a reply to FEAT has only
 * if the server offers TLS (RFC 2228, RFC 4217)?  vsftpd 3.0.5 lists PBSZ and
 * PROT, but not AUTH TLS.
 */
bool reply_is_tls_feature(const uint8_t *line, size_t len);

#endif
