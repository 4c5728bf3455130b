/*
 * gateway/front.c: a login with two accounts, and what passes after it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/front.h"

/* What a front has said, and to whom. */
struct frontenv {
	struct front *front;
	char client[4096];
	char server[4096];
	char login[512];
	unsigned logins, dials, ends;
};

static void
frontenv_append(char *to, size_t size, const void *bytes, size_t len)
{
	size_t at = strlen(to);

	assert_true(at + len < size);
	memcpy(to + at, bytes, len);
	to[at + len] = '\0';
}

static void
on_client(void *ctx, const void *bytes, size_t len)
{
	struct frontenv *env = ctx;

	frontenv_append(env->client, sizeof(env->client), bytes, len);
}

static void
on_server(void *ctx, const void *bytes, size_t len)
{
	struct frontenv *env = ctx;

	frontenv_append(env->server, sizeof(env->server), bytes, len);
}

static bool
on_login(void *ctx, const struct front_login *login)
{
	struct frontenv *env = ctx;

	env->logins++;
	if (login->valid)
		snprintf(env->login, sizeof(env->login), "%s %s %u %s",
		    login->account.user, login->account.host,
		    login->account.port, login->password);
	else
		snprintf(env->login, sizeof(env->login), "invalid");
	return true;
}

static void
on_dial(void *ctx)
{
	((struct frontenv *)ctx)->dials++;
}

static void
on_end(void *ctx)
{
	((struct frontenv *)ctx)->ends++;
}

static void
begin(struct frontenv *env, bool with_host)
{
	static const struct front_handler handler = {
		.to_client = on_client,
		.to_server = on_server,
		.login = on_login,
		.dial = on_dial,
		.end = on_end,
	};

	*env = (struct frontenv) { .ends = 0 };
	env->front = front_new(with_host, &handler, env);
	assert_non_null(env->front);
	assert_int_equal(strncmp(env->client, "220 ", 4), 0);
	env->client[0] = '\0';
}

/* Pieces of n bytes. */
static void
feed(struct front *front, void (*side)(struct front *, const void *, size_t),
    const char *text, size_t n)
{
	for (size_t len = strlen(text), at = 0; at < len; at += n)
		side(front, text + at, len - at < n ? len - at : n);
}

static void
test_split_anywhere(void **state)
{
	struct frontenv env;

	for (size_t n = 1; n < 80; n++) {
		begin(&env, true);
		feed(env.front, front_client,
		    "NOOP\r\nUSER joe@alice@gate:22\r\nPASS a@b@c d\r\nPWD\r\n",
		    n);
		assert_string_equal(env.login, "alice gate 22 c d");
		assert_string_equal(env.client,
		    "200 Nothing done.\r\n331 Send the password.\r\n");
		assert_int_equal(env.dials, 0);
		front_login_done(env.front, NULL);
		assert_int_equal(env.dials, 1);
		feed(env.front, front_server,
		    "banner\r\n120 wait\r\n220-a\r\n331 b\r\n220 c\r\n"
		    "331-x\r\n331 y\r\n230 in\r\n257 \"/\"\r\n",
		    n);
		assert_string_equal(env.server,
		    "USER joe\r\nPASS a@b\r\nPWD\r\n");
		assert_string_equal(env.client,
		    "200 Nothing done.\r\n331 Send the password.\r\n"
		    "230 in\r\n257 \"/\"\r\n");
		assert_true(front_is_through(env.front));
		feed(env.front, front_client, "user x@y\r\nPWD\r\n", n);
		assert_string_equal(env.server,
		    "USER joe\r\nPASS a@b\r\nPWD\r\n");
		assert_int_equal(env.ends, 1);
		front_free(env.front);
	}
}

static void
check_login(bool with_host, const char *user, const char *password,
    const char *login, const char *ftp)
{
	struct frontenv env;
	char text[1024];

	begin(&env, with_host);
	snprintf(text, sizeof(text), "USER %s\r\nPASS %s\r\n", user, password);
	feed(env.front, front_client, text, sizeof(text));
	assert_string_equal(env.login, login);
	if (ftp != NULL) {
		front_login_done(env.front, NULL);
		feed(env.front, front_server, "220 x\r\n331 y\r\n", 100);
		assert_string_equal(env.server, ftp);
	}
	front_free(env.front);
}

static void
test_accounts(void **state)
{
	check_login(false, "a", "x", "a  0 x", "USER a\r\nPASS x\r\n");
	check_login(false, "f@a", "x@y", "a  0 y", "USER f\r\nPASS x\r\n");
	check_login(false, "f@g@a", "x@y@", "a  0 ",
	    "USER f@g\r\nPASS x@y\r\n");
	check_login(false, "f@a", "@y", "a  0 y", "USER f\r\nPASS \r\n");
	check_login(true, "f@a", "x@y", "a  0 y", "USER f\r\nPASS x\r\n");
	check_login(true, "f@a@h", "x", "a h 0 x", "USER f\r\nPASS x\r\n");
	check_login(true, "f@g@a@[::1]:22", "x", "a ::1 22 x",
	    "USER f@g\r\nPASS x\r\n");
	check_login(true, "f@a@h", "  x @ y ", "a h 0  y ",
	    "USER f\r\nPASS   x \r\n");
	check_login(false, "f@", "x", "invalid", NULL);
	check_login(false, "@a", "x", "invalid", NULL);
	check_login(true, "@a@h", "x", "invalid", NULL);
	check_login(true, "f@@h", "x", "invalid", NULL);
	check_login(true, "f@a@", "x", "invalid", NULL);
	check_login(true, "f@-a@h", "x", "invalid", NULL);
	check_login(false, "f o", "x", "invalid", NULL);
}

/* A reply that is not expected is the one to PASS. */
static void
test_other_replies(void **state)
{
	static const struct {
		const char *server, *client;
		bool through;
	} cases[] = {
		{ "421 a\r\n", "421 a\r\n", false },
		{ "500-a\r\n500 b\r\n", "500-a\r\n500 b\r\n", false },
		{ "220 a\r\n530 b\r\n", "530 b\r\n", false },
		{ "220 a\r\n230 b\r\n", "230 b\r\n", true },
		{ "220 a\r\n332 b\r\n", "332 b\r\n", true },
		{ "220 a\r\n331 b\r\n530 c\r\n", "530 c\r\n", true },
	};
	struct frontenv env;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin(&env, false);
		feed(env.front, front_client, "USER f@a\r\nPASS x\r\n", 100);
		env.client[0] = '\0';
		front_login_done(env.front, NULL);
		feed(env.front, front_server, cases[i].server, 1);
		assert_string_equal(env.client, cases[i].client);
		assert_int_equal(front_is_through(env.front), cases[i].through);
		assert_int_equal(env.ends, !cases[i].through);
		front_free(env.front);
	}
}

static void
test_refused(void **state)
{
	struct frontenv env;

	begin(&env, false);
	feed(env.front, front_client,
	    "PASS x\r\nFEAT\r\nUSER f@a\r\nPASS x\r\nUSER g@b\r\nPASS y\r\n",
	    100);
	assert_string_equal(env.login, "a  0 x");
	front_login_done(env.front, "530 No.");
	assert_string_equal(env.login, "b  0 y");
	assert_string_equal(env.client,
	    "503 Send USER first.\r\n530 Log in with USER and PASS.\r\n"
	    "331 Send the password.\r\n530 No.\r\n331 Send the password.\r\n");
	front_login_done(env.front, "421 Bye.");
	assert_int_equal(env.ends, 1);
	front_client(env.front, "NOOP\r\n", 6);
	assert_int_equal(env.logins, 2);
	assert_int_equal(env.dials, 0);
	front_free(env.front);
}

static void
test_nul(void **state)
{
	struct frontenv env;

	begin(&env, false);
	front_client(env.front, "USER f@a\r\nPASS x\0y\r\n", 20);
	assert_int_equal(env.logins, 0);
	assert_non_null(strstr(env.client, "\r\n530 "));
	front_free(env.front);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split_anywhere),
		cmocka_unit_test(test_accounts),
		cmocka_unit_test(test_other_replies),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_nul),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
