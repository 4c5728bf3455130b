/*
 * Replies, line by line (RFC 959 section 4.2).  Three digits and a blank begin
 * a reply of one line, or the last line of a reply; three digits and a hyphen
 * begin a reply of several lines.  The lines in between can have any content.
 */
#ifndef FTP_REPLY_H
#define FTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum reply_place {
	REPLY_ONLY,  /* a reply of one line */
	REPLY_FIRST, /* the first of several lines */
	REPLY_INNER,
	REPLY_LAST,
	REPLY_STRAY, /* between replies, and not a reply */
};

/* The state between two lines: the code of the unfinished reply, or 0. */
struct reply_reader {
	unsigned code;
};

/*
 * Returns the place of the next line.  *ret_code becomes the code of its reply,
 * 0 for REPLY_STRAY.  Telnet commands before the code are skipped.  A code at
 * the line end counts as a code with a blank after it.  Between replies, a code
 * with any byte after it except a hyphen or a digit does so as well, because
 * many clients accept that.  A code begins with 1 to 6 (6yz: RFC 2228).
 */
enum reply_place reply_next(struct reply_reader *reader, const uint8_t *line,
    size_t len, unsigned *ret_code);

/* Returns the code of the line, read as the first one after a finished reply; 0
 * if it is not a reply or the first line of one. */
unsigned reply_own_code(const uint8_t *line, size_t len);

/* Is the line only a code?  If the connection ended there, it may be the
 * beginning of any line. */
bool reply_is_bare_code(const uint8_t *line, size_t len);

/*
 * Is this a line of a reply to FEAT that shows that the server offers TLS (RFC
 * 2228, RFC 4217)?  vsftpd 3.0.5 lists PBSZ and PROT, but not AUTH TLS.
 */
bool reply_is_tls_feature(const uint8_t *line, size_t len);

#endif
