/*
 * What a client says before its server is known.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ftp/prelude.h"
#include "limits.h"

/* Feeds the text in pieces.  The codes of the replies, in ret; "U" stands for
 * PRELUDE_USER, "E" for PRELUDE_END. */
static void
play(struct prelude *prelude, const char *text, size_t len, size_t piece,
    char ret[256])
{
	enum prelude_result result = PRELUDE_MORE;
	const char *reply;
	size_t n;

	prelude_init(prelude);
	ret[0] = '\0';
	for (size_t at = 0; at < len; at += n) {
		n = len - at < piece ? len - at : piece;
		assert_int_equal(prelude_feed(prelude, text + at, n), 0);
		while (result != PRELUDE_END &&
		    (result = prelude_next(prelude, &reply)) != PRELUDE_MORE &&
		    result != PRELUDE_USER) {
			assert_string_equal(reply + strlen(reply) - 2, "\r\n");
			snprintf(ret + strlen(ret), 256 - strlen(ret), "%.3s ",
			    reply);
		}
	}
	strcat(ret,
	    result == PRELUDE_USER    ? "U" :
		result == PRELUDE_END ? "E" :
					"");
}

static void
expect_len(const char *text, size_t len, const char *want, const char *user,
    const char *rest)
{
	struct prelude prelude;
	const uint8_t *left;
	char got[256];
	size_t left_len;

	for (size_t piece = 1; piece <= len; piece++) {
		play(&prelude, text, len, piece, got);
		assert_string_equal(got, want);
		assert_string_equal(prelude.user, user);
		left = prelude_rest(&prelude, &left_len);
		if (*user != '\0') {
			assert_int_equal(left_len, strlen(rest));
			assert_memory_equal(left, rest, left_len);
		}
		prelude_free(&prelude);
	}
}

static void
expect(const char *text, const char *want, const char *user, const char *rest)
{
	expect_len(text, strlen(text), want, user, rest);
}

static void
users(void **state)
{
	(void)state;
	expect("USER alice\r\n", "U", "alice", "USER alice\r\n");
	expect("user bob\nPASS x\n", "U", "bob", "user bob\nPASS x\n");
	expect("USER a b \t\r\nPA", "U", "a b", "USER a b \t\r\nPA");
	expect("AUTH TLS\r\nAUTH SSL\r\nUSER a\r\n", "534 534 U", "a",
	    "USER a\r\n");
	expect("FEAT\r\nOPTS UTF8 ON\r\nPASV\r\nNOOP\r\nUSER a\r\n",
	    "530 530 530 200 U", "a", "USER a\r\n");
	/* Telnet commands in front are passed on. */
	expect("\xff\xf4\xff\xf2USER a\r\n", "U", "a",
	    "\xff\xf4\xff\xf2USER a\r\n");
	expect("USE", "", "", "");
}

static void
no_users(void **state)
{
	static const char nul[] = "USER a\0b\r\n";
	char name[300], line[320];

	(void)state;
	expect("USER\r\nUSER \r\n", "501 501 ", "", "");
	expect("USER a\tb\r\n", "501 ", "", "");
	expect_len(nul, sizeof(nul) - 1, "501 ", "", "");
	/* Some servers remove Telnet commands within the line. */
	expect("US\xff\xf1"
	       "ER a\r\n",
	    "500 ", "", "");
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	snprintf(line, sizeof(line), "USER %s\r\n", name);
	expect(line, "501 ", "", "");
	line[PRELUDE_USER_MAX + 4] = '\0';
	strcat(line, "\r\n");
	name[PRELUDE_USER_MAX - 1] = '\0';
	expect(line, "U", name, line);
}

static void
ends(void **state)
{
	char text[LIMIT_PRELUDE_LINES * 6 + 7] = "";
	struct prelude prelude;
	char got[256];

	(void)state;
	expect("QUIT\r\n", "221 E", "", "");
	expect("NOOP\r\nquit\nUSER a\r\n", "200 221 E", "", "");
	for (int i = 0; i < LIMIT_PRELUDE_LINES; i++)
		strcat(text, "NOOP\r\n");
	play(&prelude, text, strlen(text), strlen(text), got);
	assert_string_equal(got + strlen(got) - 5, "421 E");
	prelude_free(&prelude);
	/* The last but one may be followed by USER. */
	strcpy(text + (LIMIT_PRELUDE_LINES - 1) * 6, "USER a\r\n");
	play(&prelude, text, strlen(text), strlen(text), got);
	assert_string_equal(got + strlen(got) - 5, "200 U");
	prelude_free(&prelude);
}

static void
long_lines(void **state)
{
	size_t len = 2 * LIMIT_COMMAND_LINE;
	char *text = malloc(len + 20);
	struct prelude prelude;
	char got[256];

	(void)state;
	memset(text, 'x', len);
	strcpy(text + len, "\r\nUSER a\r\n");
	for (size_t piece = 1; piece < 3 * len; piece = piece * 2 + 1) {
		play(&prelude, text, strlen(text), piece, got);
		assert_string_equal(got, "500 U");
		assert_string_equal(prelude.user, "a");
		prelude_free(&prelude);
	}
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(users),
		cmocka_unit_test(no_users),
		cmocka_unit_test(ends),
		cmocka_unit_test(long_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
