/*
 * gateway/list: globs, compared with fnmatch(3).
 */
#include <fnmatch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "gateway/list.h"

static bool
matches(const char *glob, const char *text)
{
	struct sftp_string name = { (const uint8_t *)text, strlen(text) };

	return list_matches(glob, strlen(glob), &name);
}

static void
test_matches(void **state)
{
	static const struct {
		const char *glob, *name;
		bool matches;
	} cases[] = {
		{ "", "", true },
		{ "", "a", false },
		{ "a", "", false },
		{ "abc", "abc", true },
		{ "abc", "abcd", false },
		{ "abcd", "abc", false },
		{ "*", "", true },
		{ "*", "anything", true },
		{ "*", ".hidden", false },
		{ ".*", ".hidden", true },
		{ "\\.*", ".hidden", true },
		{ "?hidden", ".hidden", false },
		{ "[.]hidden", ".hidden", false },
		{ "[!a]hidden", ".hidden", false },
		{ "*.", "a.", true },
		{ "a?b", "a.b", true },
		{ "*.txt", "a.b.txt", true },
		{ "*.txt", "a.txt.b", false },
		{ "*a*b*c", "xaybzc", true },
		{ "*a*b*c", "xbyazc", false },
		{ "a**b", "ab", true },
		{ "?", "", false },
		{ "?\?", "ab", true },
		{ "[a-c]", "b", true },
		{ "[a-c]", "d", false },
		{ "[!a-c]", "b", false },
		{ "[^a-c]", "d", true },
		{ "[c-a]", "b", false },
		{ "[]]", "]", true },
		{ "[!]]", "]", false },
		{ "[]a]", "a", true },
		{ "[a-]", "-", true },
		{ "[-a]", "-", true },
		{ "[a\\]b]", "]", true },
		{ "[\\a-\\c]", "b", true },
		{ "[\x80-\xff]", "\xe4", true },
		{ "[\x80-\xff]", "a", false },
		{ "[", "[", true },
		{ "[a", "[a", true },
		{ "[a\\]", "[a]", true },
		{ "*[", "a[", true },
		{ "[!", "[!", true },
		{ "[]", "[]", true },
		{ "[a-", "[a-", true },
		{ "[*", "[anything", true },
		{ "\\*", "*", true },
		{ "\\*", "a", false },
		{ "\\a", "a", true },
		{ "\\\\", "\\", true },
		{ "a\\", "a\\", false },
		{ "a\\", "a", false },
		{ "a*b", "a/x/b", true },
		{ "\xff*", "\xff\xfe", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (matches(cases[i].glob, cases[i].name) != cases[i].matches)
			fail_msg("%s %s", cases[i].glob, cases[i].name);
}

static void
test_nul(void **state)
{
	struct sftp_string name = { (const uint8_t *)"a\0b", 3 };

	(void)state;
	assert_true(list_matches("a?b", 3, &name));
	assert_true(list_matches("a\0b", 3, &name));
	assert_false(list_matches("a", 1, &name));
}

static void
random_text(char *text, unsigned *seed, const char *alphabet)
{
	size_t len = (unsigned)rand_r(seed) % 9;

	for (size_t i = 0; i < len; i++)
		text[i] = alphabet[(unsigned)rand_r(seed) % strlen(alphabet)];
	text[len] = '\0';
}

/* Random globs.  Left out are classes; and a - at the end, because in glibc an
 * unclosed set with it matches nothing, not even itself. */
static void
test_fnmatch(void **state)
{
	unsigned seed = 1, found[2] = { 0, 0 };
	char glob[16], name[16];

	(void)state;
	for (int i = 0; i < 3000000; i++) {
		bool expected;

		random_text(glob, &seed, "ab.*?[]!^-\\");
		random_text(name, &seed, "abc.[]-");
		expected = fnmatch(glob, name, FNM_PERIOD) == 0;
		if (strstr(glob, "[.") != NULL ||
		    (glob[0] != '\0' && glob[strlen(glob) - 1] == '-'))
			continue;
		found[expected]++;
		if (matches(glob, name) != expected)
			fail_msg("%s %s: %d", glob, name, expected);
	}
	assert_true(found[true] > 10000 && found[false] > 10000);
}

/* What takes other matchers exponential or cubic time. */
static void
test_time(void **state)
{
	static const char *const parts[] = { "*a", "*", "[", "*[", "*[a-b]",
		"*[]", "*\\a", "?*" };
	static char glob[3000], text[6000];
	struct sftp_string name = { (const uint8_t *)text, sizeof(text) };
	clock_t start = clock();

	(void)state;
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		for (int fill = 0; fill < 2; fill++) {
			size_t len = strlen(parts[i]);

			memset(text, fill == 0 ? 'a' : '[', sizeof(text));
			for (size_t at = 0; at < sizeof(glob); at++)
				glob[at] = parts[i][at % len];
			glob[sizeof(glob) - 1] = 'x';
			assert_false(list_matches(glob, sizeof(glob), &name));
			glob[0] = '*';
			assert_false(list_matches(glob, sizeof(glob), &name));
		}
	assert_true(clock() - start < 5 * CLOCKS_PER_SEC);
}

static void
test_is_glob(void **state)
{
	static const char *const globs[] = { "*", "a?", "a[b]c", "[]", "\\*" };
	static const char *const others[] = { "", "abc", "a]b[c", "[", "\\a",
		"a\\" };

	(void)state;
	for (size_t i = 0; i < sizeof(globs) / sizeof(*globs); i++)
		assert_true(list_is_glob(globs[i], strlen(globs[i])));
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		assert_false(list_is_glob(others[i], strlen(others[i])));
	assert_false(list_is_glob("ab*", 2));
	assert_false(list_is_glob("[b]", 2));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matches),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_fnmatch),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_is_glob),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
