/*
 * base/account.c: which accounts and hosts FTP clients may name.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/account.h"

static void
check_parsed(const char *text, bool with_host, const char *user,
    const char *host, unsigned port)
{
	char formatted[ACCOUNT_TEXT_MAX];
	struct account account;

	assert_int_equal(account_parse(text, with_host, &account), 0);
	assert_string_equal(account.user, user);
	assert_string_equal(account.host, host);
	assert_int_equal(account.port, port);
	assert_true(account_is_valid(&account));
	assert_string_equal(account_format(&account, formatted), text);
}

static void
test_parsed(void **state)
{
	char longest[LIMIT_SSH_USER + 1] = { 0 };

	check_parsed("alice", false, "alice", "", 0);
	check_parsed("alice", true, "alice", "", 0);
	check_parsed("a.b_c-d+e9", true, "a.b_c-d+e9", "", 0);
	check_parsed("alice@corp.example", false, "alice@corp.example", "", 0);
	check_parsed("alice@gate", true, "alice", "gate", 0);
	check_parsed("alice@corp.example@gate-2:2222", true,
	    "alice@corp.example", "gate-2", 2222);
	check_parsed("alice@192.0.2.1:22", true, "alice", "192.0.2.1", 22);
	check_parsed("alice@[2001:db8::1]", true, "alice", "2001:db8::1", 0);
	check_parsed("alice@[::ffff:192.0.2.1]:22", true, "alice",
	    "::ffff:192.0.2.1", 22);
	memset(longest, 'a', sizeof(longest) - 1);
	check_parsed(longest, true, longest, "", 0);
}

static void
test_refused(void **state)
{
	static const char *const texts[] = { "", "-a", ".a", "+a", "@a", "a b",
		" a", "a ", "a;b", "a&b", "a|b", "a$b", "a`b", "a\"b", "a'b",
		"a\\b", "a%b", "a(b", "a<b", "a*b", "a?b", "a~b", "a#b", "a!b",
		"a,b", "a:b", "a/b", "a\nb", "a\x7f", "\xc3\xa4" };
	static const char *const with_host[] = { "a@", "a@@", "@h", "a@-h",
		"a@.h", "a@h:", "a@h:0", "a@h:65536", "a@h:-1", "a@h:+1",
		"a@h: 1", "a@h:1x", "a@h:1:2", "a@[h]", "a@[::1", "a@::1",
		"a@[::1]x", "a@[::1]:", "a@[]", "a@[::1%lo]", "a@h%h", "a@h/x",
		"a@h;x", "a@h x", "a@h\\x", "a@\xc3\xa4", "a@[::1]:22:22" };
	char text[LIMIT_SSH_HOST + 10] = "a@";
	struct account account = { .user = "same" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(account_parse(texts[i], false, &account),
		    -EINVAL);
		assert_int_equal(account_parse(texts[i], true, &account),
		    -EINVAL);
	}
	for (size_t i = 0; i < sizeof(with_host) / sizeof(with_host[0]); i++)
		assert_int_equal(account_parse(with_host[i], true, &account),
		    -EINVAL);
	memset(text, 'a', LIMIT_SSH_USER + 1);
	assert_int_equal(account_parse(text, false, &account), -EINVAL);
	memset(text, 'a', sizeof(text) - 1);
	memcpy(text, "a@", 2);
	text[2 + LIMIT_SSH_HOST + 1] = '\0';
	assert_int_equal(account_parse(text, true, &account), -EINVAL);
	text[2 + LIMIT_SSH_HOST] = '\0';
	assert_string_equal(account.user, "same");
	assert_int_equal(account_parse(text, true, &account), 0);
}

static bool
allowed(const char *text, const char *pattern)
{
	struct account account;

	assert_int_equal(account_parse(text, true, &account), 0);
	return account_is_allowed(&account, &pattern, 1);
}

static void
test_allowed(void **state)
{
	assert_true(allowed("a", "b"));
	assert_true(allowed("a@h.example", "*.example"));
	assert_true(allowed("a@H.EXAMPLE", "?.example"));
	assert_true(allowed("a@h.example", "H.Example"));
	assert_false(allowed("a@h.example.org", "*.example"));
	assert_false(allowed("a@example", "*.example"));
	assert_false(allowed("a@h:22", "h"));
	assert_true(allowed("a@h:22", "h:22"));
	assert_false(allowed("a@h:23", "h:22"));
	assert_false(allowed("a@h", "h:22"));
	assert_true(allowed("a@h:23", "h:*"));
	assert_true(allowed("a@h", "h:*"));
	assert_true(allowed("a@[::1]", "[::1]"));
	assert_false(allowed("a@[::1]", "[::2]"));
	assert_true(allowed("a@[2001:db8::1]:22", "[2001:db8:*]:22"));
	assert_false(allowed("a@[::1]", "h"));
	assert_true(allowed("a@h", "*"));
	assert_false(allowed("a@h:22", "*"));
}

static void
test_patterns(void **state)
{
	static const char *const good[] = { "h", "*", "*.a-b_c.example", "h?",
		"h:22", "h:*", "[::1]", "[2001:db8:*]:22", "192.0.2.*" };
	static const char *const bad[] = { "", ":22", "h:", "h:0", "h:65536",
		"h:a", "h:2*", "h x", "a@h", "h/24", "[::1", "[::1]x", "[]",
		"h,i", "!h", "{a,b}", "[a-z]h", "h\\*" };

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(account_is_pattern(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(account_is_pattern(bad[i]));
}

/* What no text could be. */
static void
test_invalid(void **state)
{
	struct account account = { .user = "a", .port = 22 };

	assert_false(account_is_valid(&account));
	account.port = 0;
	assert_true(account_is_valid(&account));
	memset(account.user, 'a', sizeof(account.user));
	assert_false(account_is_valid(&account));
	account = (struct account) { .user = "a" };
	memset(account.host, 'a', sizeof(account.host));
	assert_false(account_is_valid(&account));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parsed),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_allowed),
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_invalid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
