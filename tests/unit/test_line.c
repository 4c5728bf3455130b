/*
 * Lines in a stream, Telnet prefixes, line ends; and the transcripts of
 * tests/vectors split everywhere.
 */
#include <errno.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ftp/line.h"
#include "limits.h"
#include "split.h"
#include "vectors.h"

static void
expect(struct line_reader *reader, enum line_result result, const char *text)
{
	const uint8_t *line;
	size_t len;

	/* The second peek returns the same. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(line_reader_peek(reader, &line, &len), result);
		assert_int_equal(len, strlen(text));
		if (len > 0)
			assert_memory_equal(line, text, len);
	}
}

static void
take(struct line_reader *reader, enum line_result result, const char *text)
{
	expect(reader, result, text);
	line_reader_consume(reader, strlen(text));
}

static void
feed(struct line_reader *reader, const char *text)
{
	assert_int_equal(line_reader_feed(reader, text, strlen(text)), 0);
}

static void
lines(void **state)
{
	struct line_reader reader;

	(void)state;
	line_reader_init(&reader, 16, 64);
	expect(&reader, LINE_MORE, "");
	feed(&reader, "USER");
	expect(&reader, LINE_MORE, "USER");
	feed(&reader, " a\r");
	expect(&reader, LINE_MORE, "USER a\r");
	feed(&reader, "\nbare\n\r\n\nb\rc\r\nrest");
	take(&reader, LINE_READY, "USER a\r\n");
	take(&reader, LINE_READY, "bare\n");
	take(&reader, LINE_READY, "\r\n");
	take(&reader, LINE_READY, "\n");
	take(&reader, LINE_READY, "b\rc\r\n");
	expect(&reader, LINE_MORE, "rest");
	assert_int_equal(line_reader_len(&reader), 4);
	line_reader_consume(&reader, 2);
	expect(&reader, LINE_MORE, "st");
	feed(&reader, "\n");
	take(&reader, LINE_READY, "st\n");
	assert_int_equal(line_reader_len(&reader), 0);
	line_reader_free(&reader);
}

static void
too_long(void **state)
{
	struct line_reader reader;

	(void)state;
	line_reader_init(&reader, 8, 64);
	feed(&reader, "1234567\n1234567");
	take(&reader, LINE_READY, "1234567\n");
	expect(&reader, LINE_MORE, "1234567");
	feed(&reader, "8");
	expect(&reader, LINE_TOO_LONG, "12345678");
	feed(&reader, "\n");
	take(&reader, LINE_TOO_LONG, "12345678");
	take(&reader, LINE_READY, "\n");
	feed(&reader, "1234567890123456789\n");
	take(&reader, LINE_TOO_LONG, "12345678");
	take(&reader, LINE_TOO_LONG, "90123456");
	take(&reader, LINE_READY, "789\n");
	line_reader_free(&reader);
}

static void
limit(void **state)
{
	struct line_reader reader;

	(void)state;
	line_reader_init(&reader, 8, 8);
	feed(&reader, "1\n345678");
	assert_int_equal(line_reader_feed(&reader, "9", 1), -ENOBUFS);
	take(&reader, LINE_READY, "1\n");
	assert_int_equal(line_reader_feed(&reader, "901", 3), -ENOBUFS);
	feed(&reader, "9\n");
	take(&reader, LINE_READY, "3456789\n");
	line_reader_free(&reader);
}

static void
nul(void **state)
{
	static const uint8_t bytes[] = "a\0b\r\0\n";
	struct line_reader reader;
	const uint8_t *line;
	size_t len;

	(void)state;
	line_reader_init(&reader, 16, 16);
	assert_int_equal(line_reader_feed(&reader, bytes, 6), 0);
	assert_int_equal(line_reader_peek(&reader, &line, &len), LINE_READY);
	assert_int_equal(len, 6);
	assert_memory_equal(line, bytes, 6);
	line_reader_free(&reader);
}

static void
telnet(void **state)
{
	static const struct {
		const char *line;
		size_t prefix;
	} cases[] = {
		{ "", 0 },
		{ "ABOR", 0 },
		{ "\xff", 1 },
		{ "\xff\xf4", 2 },
		{ "\xff\xf4\xff", 3 },
		{ "\xff\xf4\xff\xf2"
		  "ABOR",
		    4 },
		{ "\xff\xfb\x01"
		  "220",
		    3 },
		{ "\xff\xfc\x01"
		  "220",
		    3 },
		{ "\xff\xfd\x01"
		  "220",
		    3 },
		{ "\xff\xfe\x01"
		  "220",
		    3 },
		{ "\xff\xfa\x01"
		  "220",
		    2 },
		{ "\xff\xfb", 2 },
		{ "\xff\xff"
		  "220",
		    0 },
		{ "\xff\xf1\xff\xff\xff\xf1", 2 },
		{ "\xff\xfb\xff\xff\xf1x", 5 },
		{ "a\xff\xf4", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(line_telnet_prefix((const uint8_t *)cases[i]
							.line,
				     strlen(cases[i].line)),
		    cases[i].prefix);
}

static void
text_len(void **state)
{
	static const struct {
		const char *line;
		size_t len;
	} cases[] = {
		{ "", 0 },
		{ "\n", 0 },
		{ "\r\n", 0 },
		{ "\r", 1 },
		{ "a\r", 2 },
		{ "a\r\n", 1 },
		{ "a\n", 1 },
		{ "a\r\r\n", 2 },
		{ "a\n\n", 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(line_text_len((const uint8_t *)cases[i].line,
				     strlen(cases[i].line)),
		    cases[i].len);
}

static void
split(void **state)
{
	static const uint8_t input[] =
	    "a\r\n\n123456789\r\r\n\0\xff\n\r\n12345";

	(void)state;
	split_check(input, sizeof(input) - 1, 64);
	split_check(input, sizeof(input) - 1, 4);
	split_check(input, sizeof(input) - 1, 1);
}

static void
transcripts(void **state)
{
	char pattern[VECTOR_MAX];
	glob_t found;
	uint8_t *bytes;
	size_t len;

	(void)state;
	snprintf(pattern, sizeof(pattern), "%s/transcript-*.txt",
	    getenv("VECTORS"));
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		for (const char *side = "CS"; *side != '\0'; side++) {
			bytes = vectors_side(found.gl_pathv[i], *side, &len);
			split_check(bytes, len, LIMIT_REPLY_LINE);
			split_check(bytes, len, 24);
			free(bytes);
		}
	}
	globfree(&found);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),
		cmocka_unit_test(too_long),
		cmocka_unit_test(limit),
		cmocka_unit_test(nul),
		cmocka_unit_test(telnet),
		cmocka_unit_test(text_len),
		cmocka_unit_test(split),
		cmocka_unit_test(transcripts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
