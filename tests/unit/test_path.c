/*
 * Tests of ftp/path.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ftp/path.h"

static void
test_plain(void **state)
{
	static const char *const plain[] = { "a", "/", "/a/b", "a b", "../x",
		"../../x", "./a", "..", "it's", "a~", "log-12:30", "ab:c", "-x",
		"a.", "...", "..a/b", "\xc3\xa4", "/a/./b", "//a", "a/" };
	static const char *const odd[] = { "", " a", "a ", "~", "~root/x",
		"/a/~x", "a/..", "/a/../b", "a/./../b", "a\\b", "\\a", "a\tb",
		"a\rb", "a\x7f", "a\xff", "\"a\"", "'A.B'", "C:", "c:/x",
		"/C:/x", "/a /b", "a / b" };
	const char *why = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (!path_is_plain((const uint8_t *)plain[i], strlen(plain[i]),
			&why))
			fail_msg("%s: %s", plain[i], why);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		why = NULL;
		if (path_is_plain((const uint8_t *)odd[i], strlen(odd[i]),
			&why))
			fail_msg("taken: %s", odd[i]);
		assert_non_null(why);
	}
	assert_false(path_is_plain((const uint8_t *)"a\0b", 3, &why));
}

static void
test_goes_up(void **state)
{
	static const char *const ups[] = { "..", "../", "../x", "./..",
		".//../x", "././../.." };
	static const char *const others[] = { "", "x", "/..", "/../x", "...",
		"..x", ".x/", "./.x", "x..", "./" };

	(void)state;
	for (size_t i = 0; i < sizeof(ups) / sizeof(ups[0]); i++)
		if (!path_goes_up((const uint8_t *)ups[i], strlen(ups[i])))
			fail_msg("not seen: %s", ups[i]);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (path_goes_up((const uint8_t *)others[i], strlen(others[i])))
			fail_msg("seen: %s", others[i]);
}

static void
test_resolve(void **state)
{
	static const struct {
		const char *cwd, *text, *path;
	} cases[] = {
		{ "/", "a", "/a" },
		{ "/pub", "a", "/pub/a" },
		{ "/pub", "/a", "/a" },
		{ "/pub", "", "/pub" },
		{ "/pub", ".", "/pub" },
		{ "/pub/x", "..", "/pub" },
		{ "/pub/x", "../../../..", "/" },
		{ "/pub/x", "../y/./z//", "/pub/y/z" },
		{ "/", "..", "/" },
		{ NULL, "/", "/" },
		{ NULL, "///a//b/", "/a/b" },
		{ NULL, "/..", "/" },
		{ NULL, "/.../..a", "/.../..a" },
	};
	char path[PATH_TEXT_MAX];
	uint8_t longest[PATH_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(path_resolve(cases[i].cwd,
				     (const uint8_t *)cases[i].text,
				     strlen(cases[i].text), path),
		    0);
		assert_string_equal(path, cases[i].path);
	}
	memset(longest, 'a', sizeof(longest));
	longest[0] = '/';
	assert_int_equal(path_resolve(NULL, longest, PATH_TEXT_MAX - 1, path),
	    0);
	assert_int_equal(strlen(path), PATH_TEXT_MAX - 1);
	assert_int_equal(path_resolve(NULL, longest, PATH_TEXT_MAX, path),
	    -ENAMETOOLONG);
	assert_int_equal(path_resolve("/b", longest + 1, PATH_TEXT_MAX - 3,
			     path),
	    -ENAMETOOLONG);
}

static void
test_257(void **state)
{
	static const struct {
		const char *line, *path;
	} cases[] = {
		{ "257 \"/\" is the current directory\r\n", "/" },
		{ "257 \"/a/b\"\r\n", "/a/b" },
		{ "257 \"/a/b\"\n", "/a/b" },
		{ "257 \"/a \"\"b\"\" c\" is it\r\n", "/a \"b\" c" },
		{ "257 \"/a\"\"\" is it\r\n", "/a\"" },
		{ "257 \"/a//b/\" x\r\n", "/a/b" },
		{ "257 \"/a\"\"\r\n", NULL },
		{ "257 \"/a\"b\" is it\r\n", NULL },
		{ "257 \"/a\" b\" is it\r\n", NULL },
		{ "257 \"/a\r\n", NULL },
		{ "257 \"\"\r\n", NULL },
		{ "257 \"\r\n", NULL },
		{ "257 /a is it\r\n", NULL },
		{ "257  \"/a\"\r\n", NULL },
		{ "257-\"/a\"\r\n", NULL },
		{ "250 \"/a\"\r\n", NULL },
		{ "257 \"C:\\a\"\r\n", NULL },
		{ "257 \"'HLQ.'\" is it\r\n", NULL },
		{ "257 \"/a\\b\"\r\n", NULL },
		{ "257 \"/a\tb\"\r\n", NULL },
		{ "257", NULL },
	};
	char path[PATH_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int err = path_parse_257((const uint8_t *)cases[i].line,
		    strlen(cases[i].line), path);

		if ((err == 0) != (cases[i].path != NULL))
			fail_msg("%s: %d", cases[i].line, err);
		if (err == 0)
			assert_string_equal(path, cases[i].path);
	}
}

static void
test_matches(void **state)
{
	static const struct {
		const char *glob, *path;
		bool exact, any_case;
	} cases[] = {
		{ "/a", "/a", true, true },
		{ "/a", "/A", false, true },
		{ "/a", "/ab", false, false },
		{ "*", "/a/b", true, true },
		{ "", "/", false, false },
		{ "/pub/*", "/pub/a/b", true, true },
		{ "/pub/*", "/pub", false, false },
		{ "/pub/*", "/pub/", true, true },
		{ "*.exe", "/a/b.exe", true, true },
		{ "*.exe", "/a/b.EXE", false, true },
		{ "*.exe", "/a.exe/b", false, false },
		{ "/a?c", "/abc", true, true },
		{ "/a?c", "/a/c", true, true },
		{ "/a?c", "/ac", false, false },
		{ "/[a-c]x", "/bx", true, true },
		{ "/[a-c]x", "/Bx", false, true },
		{ "/[!a-c]x", "/dx", true, true },
		{ "/[^a-c]x", "/bx", false, false },
		{ "/[]a]", "/]", true, true },
		{ "/[a-]", "/-", true, true },
		{ "/[\\]]", "/]", true, true },
		{ "/[a", "/[a", true, true },
		{ "/\\*", "/*", true, true },
		{ "/\\*", "/a", false, false },
		{ "/a\\", "/a\\", true, true },
		{ "*a*b*c", "/xaxxbxxc", true, true },
		{ "*a*b*c", "/xaxxbxxd", false, false },
		{ "**", "/", true, true },
		{ "/\xc3\xa4*", "/\xc3\xa4x", true, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (path_matches(cases[i].glob, cases[i].path, false) !=
		    cases[i].exact)
			fail_msg("%s: %s", cases[i].glob, cases[i].path);
		if (path_matches(cases[i].glob, cases[i].path, true) !=
		    cases[i].any_case)
			fail_msg("%s: %s, any case", cases[i].glob,
			    cases[i].path);
	}
}

static void
test_directories(void **state)
{
	static const struct {
		const char *glob, *path;
		bool directory, within;
	} cases[] = {
		{ "/pub/*", "/pub", true, false },
		{ "/pub/*", "/pub/a", true, true },
		{ "/pub/*", "/public", false, false },
		{ "/", "/", true, true },
		{ "/", "/a", false, true },
		{ "/secret", "/secret", true, true },
		{ "/secret", "/Secret/a/b", false, true },
		{ "/secret", "/secrets", false, false },
		{ "/secret/", "/secret", true, false },
		{ "/secret/", "/secret/a", false, true },
		{ "*/secret", "/a/secret/b", false, true },
		{ "*/secret", "/a/secrets/b", false, false },
		{ "*secret", "/my-secret/b", false, true },
		{ "*s*t", "/sat/x", false, true },
		{ "*s*t", "/st/ast", true, true },
		{ "/a/?", "/a/b/c", false, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (path_matches_directory(cases[i].glob, cases[i].path,
			false) != cases[i].directory)
			fail_msg("%s: %s as a directory", cases[i].glob,
			    cases[i].path);
		if (path_is_within(cases[i].glob, cases[i].path) !=
		    cases[i].within)
			fail_msg("%s: %s within", cases[i].glob, cases[i].path);
	}
}

static void
test_below(void **state)
{
	static const struct {
		const char *glob, *path;
		bool may, all;
	} cases[] = {
		{ "/pub/*", "/pub", true, true },
		{ "/pub/*", "/pub/a", true, true },
		{ "/pub/*", "/", true, false },
		{ "/pub/*", "/etc", false, false },
		{ "/pub/*", "/public", false, false },
		{ "/pub*", "/public", true, true },
		{ "*", "/a", true, true },
		{ "/*", "/", true, true },
		{ "/pub/*.txt", "/pub", true, false },
		{ "/pub/secret", "/pub", true, false },
		{ "/PUB/secret", "/pub", true, false },
		{ "/pub/secret", "/pub/a", false, false },
		{ "/pub/secret", "/pub/sec", false, false },
		{ "*.exe", "/a", true, false },
		{ "/a\\*", "/a*", true, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (path_may_match_below(cases[i].glob, cases[i].path) !=
		    cases[i].may)
			fail_msg("%s: %s may", cases[i].glob, cases[i].path);
		if (path_matches_below(cases[i].glob, cases[i].path) !=
		    cases[i].all)
			fail_msg("%s: %s all", cases[i].glob, cases[i].path);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_goes_up),
		cmocka_unit_test(test_resolve),
		cmocka_unit_test(test_257),
		cmocka_unit_test(test_matches),
		cmocka_unit_test(test_directories),
		cmocka_unit_test(test_below),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
