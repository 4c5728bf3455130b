/*
 * The log: lines on standard error, or entries of the journal.
 */
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/journal.h"
#include "base/log_output.h"
#include "limits.h"

#define LOG_NAME "culvert: "

static enum log_level log_level = LOG_LEVEL_INFO;
static int log_journal = -1;
static struct log_output log_output = {
	.kind = LOG_OUTPUT_WAIT,
	.fd = STDERR_FILENO,
};

void
log_set_level(enum log_level level)
{
	log_level = level;
}

enum log_level
log_get_level(void)
{
	return log_level;
}

void
log_open(void)
{
	log_journal = journal_open();
	log_output_open(&log_output, STDERR_FILENO);
}

void
log_open_again(void)
{
	log_journal = -1;
	if (log_output.kind != LOG_OUTPUT_WAIT)
		log_output_open(&log_output, STDERR_FILENO);
}

void
log_pass(const char *line, size_t len)
{
	log_output_write(&log_output, LOG_NAME, line, len);
}

void
log_flush(void)
{
	log_output_flush(&log_output, LOG_NAME);
}

/* Writes the beginning of a line; returns its length. */
static size_t
log_begin(char *line, size_t size, const struct log_origin *origin)
{
	int len = snprintf(line, size, "%s", LOG_NAME);

	if (origin->tunnel != NULL)
		len += snprintf(line + len, size - (size_t)len,
		    "%.*s: ", LIMIT_TUNNEL_NAME, origin->tunnel);
	if (origin->session != 0)
		len += snprintf(line + len, size - (size_t)len, "[%lu] ",
		    origin->session);
	return (size_t)len;
}

void
log_line(enum log_level level, const struct log_origin *origin,
    const char *format, ...)
{
	static const struct log_origin nobody = { .session = 0 };
	static const char cut[] = "...";
	char line[LOG_OUTPUT_MAX]; /* what is longer is cut */
	size_t len;
	int saved = errno;
	int n;
	va_list args;

	if (level > log_level)
		return;
	if (origin == NULL)
		origin = &nobody;
	len = log_begin(line, sizeof(line), origin);
	va_start(args, format);
	n = vsnprintf(line + len, sizeof(line) - len, format, args);
	va_end(args);
	if (n < 0)
		return;
	len += (size_t)n;
	if (len >= sizeof(line)) {
		len = sizeof(line) - 1;
		memcpy(line + len - strlen(cut), cut, strlen(cut));
	}
	/* One call makes one line, even if an argument contains newlines. */
	for (size_t i = 0; i < len; i++) {
		if (line[i] == '\n')
			line[i] = ' ';
	}
	/* An entry of the journal does not begin with "culvert: ". */
	if (log_journal < 0 ||
	    !journal_send(log_journal, level, origin, line + strlen(LOG_NAME),
		len - strlen(LOG_NAME))) {
		line[len++] = '\n';
		log_output_write(&log_output, LOG_NAME, line, len);
	}
	errno = saved;
}

/* Returns false for code points that move, hide or end text, or look different
 * on each system. */
static bool
log_is_letter(uint32_t point)
{
	static const struct {
		uint32_t first;
		uint32_t last;
	} excluded[] = {
		{ 0x0000, 0x009f },   /* ASCII, tested elsewhere; C1 controls */
		{ 0x00ad, 0x00ad },   /* soft hyphen */
		{ 0x061c, 0x061c },   /* Arabic letter mark */
		{ 0x180e, 0x180e },   /* Mongolian vowel separator */
		{ 0x200b, 0x200f },   /* zero width, direction marks */
		{ 0x2028, 0x202e },   /* line ends, embeddings, overrides */
		{ 0x2060, 0x206f },   /* joiners, isolates */
		{ 0xd800, 0xf8ff },   /* surrogates, private use */
		{ 0xfeff, 0xfeff },   /* byte order mark */
		{ 0xfff0, 0xffff },   /* specials */
		{ 0x1d173, 0x1d17a }, /* musical format controls */
		{ 0xe0000, UINT32_MAX }, /* tags, private use, beyond */
	};

	for (size_t i = 0; i < sizeof(excluded) / sizeof(excluded[0]); i++) {
		if (point >= excluded[i].first && point <= excluded[i].last)
			return false;
	}
	return true;
}

/* The length of the UTF-8 letter (RFC 3629) at bytes; 0 if there is none. */
static size_t
log_utf8_letter(const uint8_t *bytes, size_t len)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n;
	uint32_t point;

	if (bytes[0] >= 0xc2 && bytes[0] <= 0xdf)
		n = 2;
	else if (bytes[0] >= 0xe0 && bytes[0] <= 0xef)
		n = 3;
	else if (bytes[0] >= 0xf0 && bytes[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (n > len)
		return 0;
	point = bytes[0] & (0x7fU >> n);
	for (size_t i = 1; i < n; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (bytes[i] & 0x3fU);
	}
	return point >= least[n] && log_is_letter(point) ? n : 0;
}

bool
log_is_plain(const char *text, bool controls)
{
	const uint8_t *bytes = (const uint8_t *)text;
	size_t len = strlen(text);

	while (len > 0) {
		bool ascii = *bytes < 0x7f && (*bytes >= ' ' || controls);
		size_t n = ascii ? 1 : log_utf8_letter(bytes, len);

		if (n == 0)
			return false;
		bytes += n;
		len -= n;
	}
	return true;
}

const char *
log_show(char *to, size_t size, const char *text)
{
	size_t len = strlen(text);

	if (len >= size || !log_is_plain(text, false))
		return log_escape(to, size, text, len);
	return memcpy(to, text, len + 1);
}

/* Escapes the first letter or byte into piece; returns its length. */
static size_t
log_escape_one(char piece[5], const uint8_t *bytes, size_t len)
{
	size_t n = log_utf8_letter(bytes, len);

	if (bytes[0] >= ' ' && bytes[0] <= '~' && bytes[0] != '\\')
		n = 1;
	if (n == 0) {
		snprintf(piece, 5, "\\x%02x", (unsigned int)bytes[0]);
		return 1;
	}
	memcpy(piece, bytes, n);
	piece[n] = '\0';
	return n;
}

const char *
log_escape(char *text, size_t size, const void *bytes, size_t len)
{
	static const char dots[] = "...";
	const uint8_t *from = bytes;
	size_t max, used = 0, cut = 0;

	assert(size > 0);
	max = size - 1 < LOG_ESCAPED_MAX ? size - 1 : LOG_ESCAPED_MAX;
	while (len > 0 && (from[len - 1] == '\r' || from[len - 1] == '\n'))
		len--;
	while (len > 0) {
		char piece[5];
		size_t taken = log_escape_one(piece, from, len);
		size_t n = strlen(piece);

		if (n > max - used) {
			size_t marks = strlen(dots) < max ? strlen(dots) : max;

			memcpy(text + cut, dots, marks);
			used = cut + marks;
			break;
		}
		memcpy(text + used, piece, n);
		used += n;
		/* The last position where the dots still fit. */
		if (used + strlen(dots) <= max)
			cut = used;
		from += taken;
		len -= taken;
	}
	text[used] = '\0';
	return text;
}
