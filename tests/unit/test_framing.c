/*
 * Tests of ftp/framing (ends of files in data) and ftp/greeting (servers of
 * other protocols).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "ftp/framing.h"
#include "ftp/greeting.h"

#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1

struct sample {
	enum framing framing;
	const uint8_t *bytes;
	size_t len;
	size_t ends;
	uint64_t behind;
};

static const struct sample samples[] = {
	{ FRAMING_NONE, BYTES("x\xff\x02\xff\x03"), 0, 5 },
	{ FRAMING_RECORD, BYTES(""), 0, 0 },
	{ FRAMING_RECORD, BYTES("one\xff\x01two\xff\x03"), 1, 0 },
	{ FRAMING_RECORD, BYTES("\xff\x02"), 1, 0 },
	{ FRAMING_RECORD, BYTES("a\xff\xff\x02\xff\xff\xff\x03"), 1, 0 },
	{ FRAMING_RECORD, BYTES("\xff\xff\xff\xff\x03"), 0, 5 },
	{ FRAMING_RECORD,
	    BYTES("a\xff\x02"
		  "b\xff\x03"),
	    2, 0 },
	{ FRAMING_RECORD, BYTES("a\xff\x00\x02\xff"), 0, 5 },
	{ FRAMING_RECORD,
	    BYTES("a\xff\x02"
		  "b\xff"),
	    1, 2 },
	{ FRAMING_BLOCK,
	    BYTES("\x80\x00\x03"
		  "abc\x40\x00\x00"),
	    1, 0 },
	{ FRAMING_BLOCK,
	    BYTES("\xc0\x00\x03"
		  "abc"),
	    1, 0 },
	{ FRAMING_BLOCK,
	    BYTES("\xc0\x00\x03"
		  "ab"),
	    0, 5 },
	{ FRAMING_BLOCK, BYTES("\x00\x00\x03\x40\x00\x00"), 0, 6 },
	{ FRAMING_BLOCK, BYTES("\x40\x00\x00\x00\x00\x01x"), 1, 4 },
	{ FRAMING_BLOCK, BYTES("\x10\x00\x01m\x40\x00\x01x\x40\x00\x01y"), 2,
	    0 },
	{ FRAMING_COMPRESSED,
	    BYTES("\x02"
		  "ab\x83"
		  "c\xc5\x00\x40\x01z"),
	    1, 0 },
	{ FRAMING_COMPRESSED, BYTES("\x02\x00\x40\x81\x00\xc1"), 0, 6 },
	{ FRAMING_COMPRESSED, BYTES("\x00\x40\x02z"), 0, 4 },
	{ FRAMING_COMPRESSED, BYTES("\x00\x40\x81y\xc0"), 1, 1 },
	{ FRAMING_COMPRESSED, BYTES("\x00\x40\xc0\x00\x80\x01x\x00\x40\x81y"),
	    2, 0 },
};

static void
ends_of_files(void **state)
{
	struct framing_reader reader;
	size_t ends;

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		const struct sample *sample = &samples[i];

		/* However it is cut. */
		for (size_t at = 0; at <= sample->len; at++) {
			framing_init(&reader, sample->framing);
			ends = framing_feed(&reader, sample->bytes, at);
			ends += framing_feed(&reader, sample->bytes + at,
			    sample->len - at);
			assert_int_equal(ends, sample->ends);
			assert_int_equal(reader.behind, sample->behind);
		}
		framing_init(&reader, sample->framing);
		ends = 0;
		for (size_t at = 0; at < sample->len; at++)
			ends += framing_feed(&reader, sample->bytes + at, 1);
		assert_int_equal(ends, sample->ends);
	}
}

static void
foreign_words(void **state)
{
	static const struct {
		const uint8_t *bytes;
		size_t len;
		bool foreign;
		const char *quote;
	} lines[] = {
		{ BYTES("SSH-2.0-OpenSSH_9.2\r\n"), true,
		    "SSH-2.0-OpenSSH_9.2" },
		{ BYTES("HTTP/1.0 400 \r\n"), true, "HTTP/1.0 400 " },
		{ BYTES("+OK"), true, "+OK" },
		{ BYTES("\xff\xfd\x18RFB 003.008\n"), true, "RFB 003.008" },
		{ BYTES("\x15\x03\x01"), true, "???" },
		{ BYTES("a\0b\n"), true, "a?b" },
		{ BYTES("OpenSSH is here \"x\"\r\n"), false,
		    "OpenSSH is here ?x?" },
		{ BYTES("\r\n"), false, "" },
		{ BYTES("\xff\xfb\x01\r\n"), false, "" },
		{ BYTES("\x1b[1mWelcome\a \xe4\t\f\r\0x\r\n"), false,
		    "?[1mWelcome? ?????x" },
		{ BYTES(""), false, "" },
	};
	char text[GREETING_QUOTE_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		assert_int_equal(greeting_is_foreign(lines[i].bytes,
				     lines[i].len),
		    lines[i].foreign);
		assert_string_equal(greeting_quote(lines[i].bytes, lines[i].len,
					text),
		    lines[i].quote);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ends_of_files),
		cmocka_unit_test(foreign_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
