/*
 * The line reader: what comes out is what went in, split as the input says.
 */
#include <assert.h>
#include <string.h>

#include "ftp/line.h"
#include "fuzz.h"

#define LINE_MAX_LEN 32

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct line_reader reader;
	enum line_result result;
	const uint8_t *line;
	size_t line_len, piece, out = 0;

	line_reader_init(&reader, LINE_MAX_LEN, len + 1);
	for (size_t in = 0; in < len; in += piece) {
		piece = 1 + bytes[in] % (len - in);
		assert(line_reader_feed(&reader, bytes + in, piece) == 0);
		while ((result = line_reader_peek(&reader, &line, &line_len)) !=
		    LINE_MORE) {
			assert(line_len > 0 && line_len <= LINE_MAX_LEN);
			assert(memcmp(line, bytes + out, line_len) == 0);
			assert(
			    (memchr(line, '\n', line_len) ==
				line + line_len - 1) == (result == LINE_READY));
			assert(line_telnet_prefix(line, line_len) <= line_len);
			assert(line_text_len(line, line_len) + 2 >= line_len);
			line_reader_consume(&reader, line_len);
			out += line_len;
		}
		assert(line_len < LINE_MAX_LEN);
		assert(out + line_reader_len(&reader) == in + piece);
	}
	line_reader_free(&reader);
	return 0;
}
