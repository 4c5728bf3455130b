/*
 * Tests of base/log.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/log_limit.h"
#include "limits.h"

static void
test_escape(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *text;
	} cases[] = {
		{ "", 0, "" },
		{ "USER joe\r\n", 10, "USER joe" },
		{ "\r\n\n", 3, "" },
		{ "a\rb\n", 4, "a\\x0db" },
		{ "a\\b", 3, "a\\x5cb" },
		{ "\x1b[31m", 5, "\\x1b[31m" },
		{ "\x7f\0 ~", 4, "\\x7f\\x00 ~" },
		{ "caf\xc3\xa9", 5, "caf\xc3\xa9" },
		{ "caf\xe9", 4, "caf\\xe9" },
		{ "\xe6\x97\xa5", 3, "\xe6\x97\xa5" },
		{ "\xf0\x9f\x98\x80", 4, "\xf0\x9f\x98\x80" },
		/* Cut short, overlong, a surrogate, beyond the last one. */
		{ "\xe6\x97", 2, "\\xe6\\x97" },
		{ "\xc0\xaf", 2, "\\xc0\\xaf" },
		{ "\xe0\x80\xaf", 3, "\\xe0\\x80\\xaf" },
		{ "\xf0\x80\x80\xaf", 4, "\\xf0\\x80\\x80\\xaf" },
		{ "\xed\xa0\x80", 3, "\\xed\\xa0\\x80" },
		{ "\xf4\x90\x80\x80", 4, "\\xf4\\x90\\x80\\x80" },
		/* C1 CSI, right-to-left override, line separator. */
		{ "\xc2\x9b", 2, "\\xc2\\x9b" },
		{ "\xe2\x80\xae", 3, "\\xe2\\x80\\xae" },
		{ "\xe2\x80\xa8", 3, "\\xe2\\x80\\xa8" },
		/* Telnet IP and Synch before ABOR. */
		{ "\xff\xf4\xff\xf2"
		  "ABOR",
		    8, "\\xff\\xf4\\xff\\xf2ABOR" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[64];

		assert_ptr_equal(log_escape(text, sizeof(text), cases[i].bytes,
				     cases[i].len),
		    text);
		assert_string_equal(text, cases[i].text);
	}
}

static void
test_escape_cut(void **state)
{
	static const struct {
		size_t size;
		const char *bytes;
		const char *text;
	} cases[] = {
		{ 1, "abc", "" },
		{ 2, "abc", "." },
		{ 3, "abc", ".." },
		{ 4, "abc", "abc" },
		{ 4, "abcd", "..." },
		{ 5, "abcde", "a..." },
		{ 8, "abcdefgh", "abcd..." },
		{ 8, "abcdefg", "abcdefg" },
		/* Nothing is cut within a letter or an escape. */
		{ 8, "abc\x01g", "abc..." },
		{ 8, "ab\xe6\x97\xa5gh", "ab\xe6\x97\xa5gh" },
		{ 8, "ab\xe6\x97\xa5ghi", "ab..." },
	};
	char bytes[1000], text[2000];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(text, 'X', sizeof(text));
		log_escape(text, cases[i].size, cases[i].bytes,
		    strlen(cases[i].bytes));
		assert_string_equal(text, cases[i].text);
		assert_int_equal(text[cases[i].size], 'X');
	}
	memset(bytes, 'a', sizeof(bytes));
	log_escape(text, sizeof(text), bytes, LOG_ESCAPED_MAX);
	assert_int_equal(strlen(text), LOG_ESCAPED_MAX);
	assert_int_equal(text[LOG_ESCAPED_MAX - 1], 'a');
	log_escape(text, sizeof(text), bytes, LOG_ESCAPED_MAX + 1);
	assert_int_equal(strlen(text), LOG_ESCAPED_MAX);
	assert_string_equal(text + LOG_ESCAPED_MAX - 4, "a...");
}

/* Runs between the two: what goes to standard error is found in text. */
struct capture {
	int saved;
	FILE *file;
	char text[8192];
};

static void
capture_start(struct capture *capture)
{
	capture->saved = dup(STDERR_FILENO);
	capture->file = tmpfile();
	assert_non_null(capture->file);
	dup2(fileno(capture->file), STDERR_FILENO);
}

static void
capture_end(struct capture *capture)
{
	size_t n;

	dup2(capture->saved, STDERR_FILENO);
	close(capture->saved);
	rewind(capture->file);
	n = fread(capture->text, 1, sizeof(capture->text) - 1, capture->file);
	capture->text[n] = '\0';
	fclose(capture->file);
}

static void
test_lines(void **state)
{
	static struct capture capture;

	(void)state;
	capture_start(&capture);
	log_set_level(LOG_LEVEL_INFO);
	errno = ENOTTY;
	log_err("one %d", 1);
	log_line(LOG_LEVEL_INFO, &(struct log_origin) { .session = 12 },
	    "two %s", "x\ny");
	log_line(LOG_LEVEL_INFO, &(struct log_origin) { "plant", 3, "::1" },
	    "of it");
	log_line(LOG_LEVEL_INFO, &(struct log_origin) { .tunnel = "plant" },
	    "all");
	assert_int_equal(errno, ENOTTY);
	log_verbose("not this");
	log_set_level(LOG_LEVEL_ERR);
	log_warn("nor this");
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("three");
	capture_end(&capture);
	assert_string_equal(capture.text,
	    "culvert: one 1\nculvert: [12] two x y\n"
	    "culvert: plant: [3] of it\nculvert: plant: all\n"
	    "culvert: three\n");
	assert_int_equal(log_get_level(), LOG_LEVEL_DEBUG);
}

static void
test_long_line(void **state)
{
	static struct capture capture;
	static char words[5000];
	size_t len;

	(void)state;
	memset(words, 'a', sizeof(words) - 1);
	capture_start(&capture);
	log_err("%s", words);
	capture_end(&capture);
	len = strlen(capture.text);
	assert_true(len < 4096);
	assert_string_equal(capture.text + len - 5, "a...\n");
	assert_ptr_equal(strchr(capture.text, '\n'), capture.text + len - 1);
}

static const struct log_origin seven = { .session = 7 };

static unsigned
count_allowed(struct log_limit *limit, uint64_t now, unsigned wanted)
{
	unsigned n = 0;

	for (unsigned i = 0; i < wanted; i++)
		n += log_limit_allows(limit, now, &seven);
	return n;
}

static void
test_limit(void **state)
{
	static struct capture capture;
	struct log_limit limit = { 0 };
	uint64_t now = 123456789;

	(void)state;
	log_set_level(LOG_LEVEL_INFO);
	capture_start(&capture);
	assert_int_equal(count_allowed(&limit, now, 1000), LIMIT_LOG_WARNINGS);
	now += LIMIT_LOG_WARNING_MS - 1;
	assert_int_equal(count_allowed(&limit, now, 10), 0);
	now += 1;
	assert_int_equal(count_allowed(&limit, now, 2), 1);
	/* Half a pause counts later. */
	now += LIMIT_LOG_WARNING_MS * 3 / 2;
	assert_int_equal(count_allowed(&limit, now, 10), 1);
	now += LIMIT_LOG_WARNING_MS / 2;
	assert_int_equal(count_allowed(&limit, now, 1), 1);
	/* After a long pause all are permitted again, but no more. */
	now += (uint64_t)LIMIT_LOG_WARNINGS * LIMIT_LOG_WARNING_MS * 5;
	assert_int_equal(count_allowed(&limit, now, 1000), LIMIT_LOG_WARNINGS);
	log_limit_end(&limit, &seven);
	log_limit_end(&limit, &seven);
	capture_end(&capture);
	assert_string_equal(capture.text,
	    "culvert: [7] 990 more warnings of this kind were not logged\n"
	    "culvert: [7] 1 more warning of this kind was not logged\n"
	    "culvert: [7] 9 more warnings of this kind were not logged\n"
	    "culvert: [7] 980 more warnings of this kind were not logged\n");
}

static void
test_limit_not_reached(void **state)
{
	static struct capture capture;
	struct log_limit limit = { 0 };

	(void)state;
	capture_start(&capture);
	assert_true(log_limit_allows(&limit, 0, &seven));
	log_limit_end(&limit, &seven);
	capture_end(&capture);
	assert_string_equal(capture.text, "");
}

static void
test_plain(void **state)
{
	(void)state;
	assert_true(log_is_plain("", false));
	assert_true(log_is_plain("a\\b ~ \xc3\xbc \xf0\x9f\x98\x80", false));
	assert_false(log_is_plain("a\tb", false));
	assert_true(log_is_plain("a\tb\033\\", true));
	for (int controls = 0; controls < 2; controls++) {
		assert_false(log_is_plain("\x7f", controls));
		assert_false(log_is_plain("\xc2\x9b", controls)); /* CSI */
		assert_false(log_is_plain("\xe2\x80\xae", controls));
		assert_false(log_is_plain("caf\xe9", controls));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_escape_cut),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_limit_not_reached),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
