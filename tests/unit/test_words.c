/*
 * ssh/words: lines, what is kept of them, what is not.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "ssh/words.h"

static void
feed(struct words *words, const char *text)
{
	words_feed(words, text, strlen(text), 0);
}

static void
test_lines(void **state)
{
	struct words words = { .quiet = true };

	(void)state;
	assert_string_equal(words_text(&words), "");
	feed(&words, "one\r\n\ntw");
	assert_string_equal(words_text(&words), "one");
	feed(&words, "o\nthree");
	assert_string_equal(words_text(&words), "one; two");
	words_end(&words, 0);
	assert_string_equal(words_text(&words), "one; two; three");
	words_end(&words, 0);
	assert_string_equal(words_text(&words), "one; two; three");
	words_forget(&words);
	assert_string_equal(words_text(&words), "");
	feed(&words, "a\x1b[2Jb\n");
	assert_string_equal(words_text(&words), "a\\x1b[2Jb");
}

/* With -v ssh says much that is no word about what failed. */
static void
test_debug(void **state)
{
	struct words words = { .quiet = true };

	(void)state;
	feed(&words, "debug1: Reading configuration\ndebug2: x\ndebug3: y\n");
	assert_string_equal(words_text(&words), "");
	feed(&words, "debug4: z\ndebug1 z\ndebug\n");
	assert_string_equal(words_text(&words), "debug4: z; debug1 z; debug");
	feed(&words, "chan_send_close2: channel 4: no remote_id\n");
	assert_string_equal(words_text(&words), "debug4: z; debug1 z; debug");
}

static void
keep_line(void *ctx, const char *text)
{
	snprintf(ctx, 64, "%s", text);
}

/* Who listens hears all of it. */
static void
test_hearer(void **state)
{
	char heard[64] = "";
	const struct words_hearer hearer = { keep_line, heard };
	struct words words = { .quiet = true, .hearer = &hearer };

	(void)state;
	feed(&words, "debug1: kex: algorithm: x\r\n");
	assert_string_equal(heard, "debug1: kex: algorithm: x");
	feed(&words, "Permission denied");
	assert_string_equal(heard, "debug1: kex: algorithm: x");
	words_end(&words, 0);
	assert_string_equal(heard, "Permission denied");
}

/* Of too many lines the last are kept, whole. */
static void
test_many(void **state)
{
	struct words words = { .quiet = true };
	char line[32], last[64];
	const char *text;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		snprintf(line, sizeof(line), "line %d\n", i);
		feed(&words, line);
		text = words_text(&words);
		assert_true(strlen(text) < LIMIT_SSH_KEPT);
		assert_memory_equal(text, "line ", 5);
		snprintf(last, sizeof(last), "line %d", i);
		assert_string_equal(text + strlen(text) - strlen(last), last);
	}
	/* It is full, but for what one more would have taken. */
	assert_true(strlen(words_text(&words)) >
	    LIMIT_SSH_KEPT - strlen("; line 999") - 1);
	assert_int_equal(words.kept_len, strlen(words_text(&words)));
}

/* One that is too long is cut; and leaves room for no others. */
static void
test_long(void **state)
{
	struct words words = { .quiet = true };
	char text[2 * LIMIT_SSH_WORDS];

	(void)state;
	memset(text, 'x', sizeof(text));
	feed(&words, "before\n");
	for (int i = 0; i < 3; i++) {
		words_feed(&words, text, sizeof(text), 0);
		feed(&words, "\n");
		assert_true(strlen(words_text(&words)) < LIMIT_SSH_KEPT);
	}
	assert_null(strstr(words_text(&words), "before"));
	assert_int_equal(strspn(words_text(&words), "x"),
	    LOG_ESCAPED_MAX - strlen("..."));
}

/* Names that peers choose make every line a new kind: all together are limited
 * as well, and time gives some back. */
static void
test_flood(void **state)
{
	struct words words = { 0 };
	char line[64];
	int saved = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY);

	(void)state;
	assert_true(saved >= 0 && dup2(null, STDERR_FILENO) >= 0);
	for (unsigned int i = 0; i < 5000; i++) {
		snprintf(line, sizeof(line), "to %c%c%c%c.example: failed\n",
		    'a' + i / 1000, 'a' + i / 100 % 10, 'a' + i / 10 % 10,
		    'a' + i % 10);
		feed(&words, line);
	}
	assert_int_equal(words.all.spent, LIMIT_SSH_LINES);
	assert_int_equal(words.all.hidden, 5000 - LIMIT_SSH_LINES);
	words_feed(&words, "later\n", 6, 3 * LIMIT_LOG_WARNING_MS);
	assert_int_equal(words.all.hidden, 0);
	words_end(&words, 0);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	close(saved);
	close(null);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_debug),
		cmocka_unit_test(test_hearer),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_flood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
