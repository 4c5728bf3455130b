/*
 * Finds lines in a byte stream, however it is split or joined.  A line ends
 * with LF, with or without CR before it; a lone CR and a NUL are ordinary
 * bytes (RFC 959 section 5.3.1 asks for CR LF; vsftpd, pure-ftpd and inetutils
 * take a bare LF).  Nothing is added or removed.
 */
#ifndef FTP_LINE_H
#define FTP_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum line_result {
	LINE_MORE,     /* no whole line yet */
	LINE_READY,    /* *ret_len bytes, the LF included */
	LINE_TOO_LONG, /* the first max bytes hold no LF: *ret_len is max */
};

struct line_reader {
	struct buf input;
	size_t max;	/* longest line, LF included */
	size_t scanned; /* bytes of input known to hold no LF */
};

/* max: longest line in bytes; at most limit bytes wait in the reader. */
void line_reader_init(struct line_reader *reader, size_t max, size_t limit);
void line_reader_free(struct line_reader *reader);

/* Takes in all len bytes, or none: 0, -ENOBUFS (above limit), -ENOMEM. */
int line_reader_feed(struct line_reader *reader, const void *bytes, size_t len)
    __attribute__((warn_unused_result));

/*
 * Looks at the first line without taking it.  *ret points to it until the next
 * feed or consume; on LINE_MORE it points to *ret_len bytes of an unfinished
 * line (0 when there is nothing).
 */
enum line_result line_reader_peek(struct line_reader *reader,
    const uint8_t **ret, size_t *ret_len);

/* Takes the first len bytes away; at most what peek showed. */
void line_reader_consume(struct line_reader *reader, size_t len);

/* Bytes that wait in the reader. */
size_t line_reader_len(const struct line_reader *reader);

/* All bytes that wait behind the first len; *ret_len of them. */
const uint8_t *line_reader_behind(const struct line_reader *reader, size_t len,
    size_t *ret_len);

/*
 * How many bytes at the start are Telnet commands (RFC 854): IAC with
 * WILL/WONT/DO/DONT and an option, or IAC with one other byte.  IAC IAC is a
 * data byte 255 and ends the run.  An IAC cut off by the end of the bytes
 * is counted as well.
 */
size_t line_telnet_prefix(const uint8_t *line, size_t len);

/*
 * Copies the line to text, which has room for len bytes, without the Telnet
 * commands that are anywhere in it, as the servers do that look for them; IAC
 * IAC becomes one byte 255.  Returns the length; *ret_ends is false if the LF
 * at its end belongs to such a command, so that a server reads on.
 */
size_t line_telnet_strip(const uint8_t *line, size_t len, uint8_t *text,
    bool *ret_ends);

/* len without the CR LF, or bare LF, at the end. */
size_t line_text_len(const uint8_t *line, size_t len);

#endif
