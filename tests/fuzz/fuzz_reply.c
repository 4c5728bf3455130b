/*
 * Replies: the places of the lines of one input make sense in a row.
 */
#include <assert.h>
#include <string.h>

#include "ftp/reply.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct reply_reader reader = { 0 };
	enum reply_place place;
	const uint8_t *lf;
	size_t line_len;
	unsigned code, before;

	for (; len > 0; bytes += line_len, len -= line_len) {
		lf = memchr(bytes, '\n', len);
		line_len = lf == NULL ? len : (size_t)(lf - bytes) + 1;
		before = reader.code;
		place = reply_next(&reader, bytes, line_len, &code);
		assert((place == REPLY_STRAY) == (code == 0));
		assert(code == 0 || (code >= 100 && code <= 699));
		assert((place == REPLY_INNER || place == REPLY_LAST) ==
		    (before != 0));
		assert(before == 0 || code == before);
		assert(reader.code ==
		    (place == REPLY_FIRST || place == REPLY_INNER ? code : 0));
	}
	return 0;
}
