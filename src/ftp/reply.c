/*
 * Replies, line by line.
 */
#include "ftp/reply.h"

#include <string.h>
#include <strings.h>

#include "ftp/line.h"

/* Returns the code at the beginning of text, or 0. */
static unsigned
code_parse(const uint8_t *text, size_t len)
{
	unsigned code = 0;

	if (len < 3 || text[0] < '1' || text[0] > '6')
		return 0;
	for (size_t i = 0; i < 3; i++) {
		if (text[i] < '0' || text[i] > '9')
			return 0;
		code = code * 10 + (text[i] - '0');
	}
	return code;
}

enum reply_place
reply_next(struct reply_reader *reader, const uint8_t *line, size_t len,
    unsigned *ret_code)
{
	size_t text_len = line_text_len(line, len);
	size_t at = line_telnet_prefix(line, text_len);
	unsigned code = code_parse(line + at, text_len - at);
	bool ends, begins;

	at += 3;
	ends = code != 0 && (at == text_len || line[at] == ' ');
	begins = code != 0 && at < text_len && line[at] == '-';
	/* Between replies, clients accept "226\tok" and "226ok". */
	if (reader->code == 0 && code != 0 && !begins)
		ends = at == text_len || line[at] < '0' || line[at] > '9';
	if (reader->code != 0) {
		*ret_code = reader->code;
		if (!ends || code != reader->code)
			return REPLY_INNER;
		reader->code = 0;
		return REPLY_LAST;
	}
	*ret_code = ends || begins ? code : 0;
	if (ends)
		return REPLY_ONLY;
	if (!begins)
		return REPLY_STRAY;
	reader->code = code;
	return REPLY_FIRST;
}

unsigned
reply_own_code(const uint8_t *line, size_t len)
{
	struct reply_reader reader = { .code = 0 };
	unsigned code;

	reply_next(&reader, line, len, &code);
	return code;
}

bool
reply_is_bare_code(const uint8_t *line, size_t len)
{
	size_t text_len = line_text_len(line, len);
	size_t at = line_telnet_prefix(line, text_len);

	return text_len - at == 3 && code_parse(line + at, 3) != 0;
}

bool
reply_is_tls_feature(const uint8_t *line, size_t len)
{
	static const char *const words[] = { "AUTH", "PBSZ", "PROT", "CCC" };
	size_t at = 0, n;

	/* Some old servers begin each line with the code. */
	if (len > 4 && memcmp(line, "211-", 4) == 0)
		at = 4;
	while (at < len && (line[at] == ' ' || line[at] == '\t'))
		at++;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		n = strlen(words[i]);
		if (len - at >= n && (len - at == n || line[at + n] <= ' ') &&
		    strncasecmp((const char *)line + at, words[i], n) == 0)
			return true;
	}
	return false;
}
