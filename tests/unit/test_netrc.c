/*
 * check/netrc: entries, their order, and what is none.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "check/netrc.h"

static const char text[] = "# a comment, machine a login x password y\n"
			   "machine a\n"
			   "\tlogin alice password \"se cret\" account z\n"
			   "machine a login bob password p\\#q\n"
			   "macdef init\n"
			   "machine a login macro password macro\n"
			   "\n"
			   "machine b login carl\n"
			   "machine c password only\n"
			   "machine e, login #e, password #a,b\n"
			   "default login anonymous password me@here\n";

static void
check(const char *machine, const char *user, const char *login,
    const char *password)
{
	struct netrc_login found = { .user = "untouched" };
	int err = netrc_find(text, strlen(text), machine, user, &found);

	if (login == NULL) {
		assert_int_equal(err, -ENOENT);
		assert_string_equal(found.user, "untouched");
		return;
	}
	assert_int_equal(err, 0);
	assert_string_equal(found.user, login);
	assert_string_equal(found.password, password);
}

static void
test_entries(void **state)
{
	(void)state;
	check("a", NULL, "alice", "se cret");
	check("a", "alice", "alice", "se cret");
	check("a", "bob", "bob", "p#q");
	check("a", "macro", NULL, NULL);
	check("a", "nobody", NULL, NULL);
	check("b", NULL, NULL, NULL);
	check("b", "carl", NULL, NULL);
	check("c", NULL, NULL, NULL);
	check("c", "dora", "dora", "only");
	check("e", NULL, "#e", "#a,b");
	check("d", NULL, NULL, NULL);
	check("d", "anonymous", "anonymous", "me@here");
	check("d", "nobody", NULL, NULL);
}

static void
test_bad(void **state)
{
	static const char *const wrong[] = { "machine", "machine a login",
		"login x", "machine a colour blue", "words" };
	struct netrc_login found;
	char big[NETRC_WORD_MAX + 32] = "machine ";

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(netrc_find(wrong[i], strlen(wrong[i]), "a",
				     NULL, &found),
		    -EINVAL);
	memset(big + 8, 'x', NETRC_WORD_MAX);
	assert_int_equal(netrc_find(big, strlen(big), "a", NULL, &found),
	    -EINVAL);
	assert_int_equal(netrc_find("", 0, "a", NULL, &found), -ENOENT);
	assert_int_equal(netrc_find("a\0b", 3, "a", NULL, &found), -EINVAL);
}

/* Cut off anywhere it neither crashes nor gives half a password. */
static void
test_cut(void **state)
{
	struct netrc_login found;

	(void)state;
	for (size_t len = 0; len <= strlen(text); len++) {
		char copy[sizeof(text)];

		memcpy(copy, text, len);
		if (netrc_find(copy, len, "a", "alice", &found) == 0)
			assert_string_equal(found.user, "alice");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
