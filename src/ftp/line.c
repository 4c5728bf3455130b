/*
 * Lines in a stream of bytes, and Telnet commands in them.
 */
#include "ftp/line.h"

#include <assert.h>
#include <string.h>

enum telnet {
	TELNET_WILL = 251,
	TELNET_DONT = 254,
	TELNET_IAC = 255,
};

void
line_reader_init(struct line_reader *reader, size_t max, size_t limit)
{
	buf_init(&reader->input, limit);
	reader->max = max;
	reader->scanned = 0;
}

void
line_reader_free(struct line_reader *reader)
{
	buf_free(&reader->input);
	reader->scanned = 0;
}

int
line_reader_feed(struct line_reader *reader, const void *bytes, size_t len)
{
	return buf_append(&reader->input, bytes, len);
}

enum line_result
line_reader_peek(struct line_reader *reader, const uint8_t **ret,
    size_t *ret_len)
{
	const uint8_t *bytes = buf_bytes(&reader->input);
	size_t len = buf_len(&reader->input);
	const uint8_t *lf = NULL;

	if (len > reader->max)
		len = reader->max;
	*ret = bytes;
	if (reader->scanned < len)
		lf = memchr(bytes + reader->scanned, '\n',
		    len - reader->scanned);
	if (lf != NULL) {
		reader->scanned = (size_t)(lf - bytes);
		*ret_len = reader->scanned + 1;
		return LINE_READY;
	}
	reader->scanned = len;
	*ret_len = len;
	return len == reader->max ? LINE_TOO_LONG : LINE_MORE;
}

void
line_reader_consume(struct line_reader *reader, size_t len)
{
	assert(len <= buf_len(&reader->input));
	/* It may have been a password. */
	if (len > 0)
		explicit_bzero((void *)(uintptr_t)buf_bytes(&reader->input),
		    len);
	buf_consume(&reader->input, len);
	reader->scanned = reader->scanned > len ? reader->scanned - len : 0;
}

size_t
line_reader_len(const struct line_reader *reader)
{
	return buf_len(&reader->input);
}

const uint8_t *
line_reader_behind(const struct line_reader *reader, size_t len,
    size_t *ret_len)
{
	*ret_len = buf_len(&reader->input) - len;
	return buf_bytes(&reader->input) + len;
}

size_t
line_telnet_prefix(const uint8_t *line, size_t len)
{
	size_t at = 0, next;

	while (at < len && line[at] == TELNET_IAC) {
		next = at + 2;
		if (at + 1 < len) {
			if (line[at + 1] == TELNET_IAC)
				break;
			if (line[at + 1] >= TELNET_WILL &&
			    line[at + 1] <= TELNET_DONT)
				next++;
		}
		at = next < len ? next : len;
	}
	return at;
}

size_t
line_telnet_strip(const uint8_t *line, size_t len, uint8_t *text,
    bool *ret_ends)
{
	size_t at = 0, n = 0;

	*ret_ends = false;
	while (at < len) {
		if (line[at] != TELNET_IAC) {
			*ret_ends = line[at] == '\n';
			text[n++] = line[at++];
			continue;
		}
		*ret_ends = false;
		if (at + 1 < len && line[at + 1] == TELNET_IAC)
			text[n++] = TELNET_IAC;
		at += 2;
		if (at - 1 < len && line[at - 1] >= TELNET_WILL &&
		    line[at - 1] <= TELNET_DONT)
			at++;
	}
	return n;
}

size_t
line_text_len(const uint8_t *line, size_t len)
{
	if (len == 0 || line[len - 1] != '\n')
		return len;
	len--;
	if (len > 0 && line[len - 1] == '\r')
		len--;
	return len;
}
