/*
 * Line ends: the same in one piece and in many; and what was downloaded and
 * uploaded is the same file.  The first byte says which.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "gateway/newline.h"

struct result {
	uint8_t *bytes;
	size_t len;
};

static struct result
convert(enum newline newline, enum newline_to to, const uint8_t *bytes,
    size_t len, size_t part)
{
	struct result result = { malloc(newline_room(len)), 0 };
	struct newline_state state;
	size_t n, written;

	assert(result.bytes != NULL);
	newline_init(&state, newline, to);
	for (size_t at = 0; at < len; at += n) {
		n = len - at < part ? len - at : part;
		written = newline_convert(&state, bytes + at, n,
		    result.bytes + result.len);
		assert(written <= newline_room(n));
		result.len += written;
	}
	result.len += newline_end(&state, result.bytes + result.len);
	return result;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	enum newline newline;
	enum newline_to to;
	struct result whole, parts, again;

	if (len == 0)
		return 0;
	newline = bytes[0] % 3;
	to = bytes[0] / 3 % 2;
	whole = convert(newline, to, bytes + 1, len - 1, len);
	parts = convert(newline, to, bytes + 1, len - 1, 1 + bytes[0] / 6);
	assert(whole.len == parts.len &&
	    memcmp(whole.bytes, parts.bytes, whole.len) == 0);
	if (to == NEWLINE_TO_NETWORK && newline != NEWLINE_CRLF) {
		again = convert(newline, NEWLINE_TO_FILE, whole.bytes,
		    whole.len, len);
		assert(again.len == len - 1 &&
		    memcmp(again.bytes, bytes + 1, len - 1) == 0);
		free(again.bytes);
	}
	free(whole.bytes);
	free(parts.bytes);
	return 0;
}
