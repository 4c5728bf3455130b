/*
 * Finds lines in a stream of bytes, regardless of how it is split.  A line ends
 * with LF, with or without CR before it; a single CR and a NUL are ordinary
 * bytes.  (RFC 959 section 5.3.1 requires CR LF, but vsftpd, pure-ftpd and
 * inetutils accept LF.)  No byte is added or removed.
 */
#ifndef FTP_LINE_H
#define FTP_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum line_result {
	LINE_MORE,     /* no complete line yet */
	LINE_READY,    /* *ret_len bytes, including the LF */
	LINE_TOO_LONG, /* no LF in the first max bytes: *ret_len is max */
};

struct line_reader {
	struct buf input;
	size_t max;	/* longest line, including the LF */
	size_t scanned; /* bytes of input that have no LF */
};

/* max: the longest line, including the LF. limit: the most bytes that the
 * reader holds. */
void line_reader_init(struct line_reader *reader, size_t max, size_t limit);
void line_reader_free(struct line_reader *reader);

/* Adds all len bytes, or none.  Returns 0, -ENOBUFS (the reader would hold more
 * than limit) or -ENOMEM. */
int line_reader_feed(struct line_reader *reader, const void *bytes, size_t len)
    __attribute__((warn_unused_result));

/*
 * Finds the first line, and does not remove it.  *ret points to it until the
 * next feed or consume, and *ret_len is its length; with LINE_MORE they are
 * those of the incomplete line.
 */
enum line_result line_reader_peek(struct line_reader *reader,
    const uint8_t **ret, size_t *ret_len);

/* Removes the first len bytes, at most the length that line_reader_peek() has
 * returned, and overwrites them: they may be a password. */
void line_reader_consume(struct line_reader *reader, size_t len);

/* The number of bytes in the reader. */
size_t line_reader_len(const struct line_reader *reader);

/* Returns the bytes after the first len ones; *ret_len becomes their number. */
const uint8_t *line_reader_behind(const struct line_reader *reader, size_t len,
    size_t *ret_len);

/*
 * Returns the length of the Telnet commands (RFC 854) at the beginning of the
 * line.  A command is IAC, then WILL, WONT, DO or DONT with an option, or one
 * other byte.  IAC IAC is the data byte 255 and not a command.  An incomplete
 * command at the end counts.
 */
size_t line_telnet_prefix(const uint8_t *line, size_t len);

/*
 * Copies the line to text, which has room for len bytes, and leaves out all
 * Telnet commands in it, as some servers do; IAC IAC becomes one byte 255.
 * Returns the length.  *ret_ends becomes false if a command includes the LF at
 * the end, so that such a server reads the next line as a part of this one.
 */
size_t line_telnet_strip(const uint8_t *line, size_t len, uint8_t *text,
    bool *ret_ends);

/* The length without the CR LF or LF at the end. */
size_t line_text_len(const uint8_t *line, size_t len);

#endif
