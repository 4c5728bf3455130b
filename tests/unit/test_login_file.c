/*
 * gateway/login_file: users, hashes of every method, and what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/login_file.h"
#include "hashes.h"
#include "limits.h"

static void
check_user(const struct login_file *file, const char *name, const char *hash,
    const char *directory, bool read_only, unsigned line)
{
	const struct login_user *user = login_file_find(file, name);

	assert_non_null(user);
	assert_string_equal(user->name, name);
	assert_string_equal(user->hash, hash);
	assert_string_equal(user->directory, directory);
	assert_int_equal(user->read_only, read_only);
	assert_int_equal(user->line, line);
	assert_int_equal(user->disabled, hash[0] != '$');
}

static void
test_users(void **state)
{
	const char *y = make_hash("1", YESCRYPT), *s = make_hash("2", SHA512);
	const char *b = make_hash("3", BCRYPT), *a = make_hash("4", "$2a$", 4);
	struct login_file *file = make_login_file("# who\tmay: log in\n"
						  "zoe:%s\n"
						  "\n"
						  "bob:%s::\n"
						  "Bob Jr.:%s:a b/\xc3\xa4:\n"
						  "al:%s:/scans:read-only\n"
						  "old:!%s::read-only\n"
						  "none:*",
	    y, s, b, a, y);
	char locked[500];

	snprintf(locked, sizeof(locked), "!%s", y);
	check_user(file, "zoe", y, "", false, 2);
	check_user(file, "bob", s, "", false, 4);
	check_user(file, "Bob Jr.", b, "a b/\xc3\xa4", false, 5);
	check_user(file, "al", a, "/scans", true, 6);
	check_user(file, "old", locked, "", true, 7);
	check_user(file, "none", "*", "", false, 8);
	assert_null(login_file_find(file, ""));
	assert_null(login_file_find(file, "BOB"));
	assert_null(login_file_find(file, "bo"));
	assert_null(login_file_find(file, "# who\tmay"));
	login_file_free(file);
}

static void
test_places(void **state)
{
	static const char text[] = "b:*\n#\na:!:d\nc:*::read-only";
	struct login_file *file = make_login_file("%s", text);
	static const char *const lines[] = { "a:!:d", "b:*", "c:*::read-only" };

	for (size_t i = 0; i < 3; i++) {
		char name[2] = { lines[i][0], '\0' };
		const struct login_user *user = login_file_find(file, name);

		assert_int_equal(user->len, strlen(lines[i]));
		assert_memory_equal(text + user->at, lines[i], user->len);
	}
	login_file_free(file);
}

static void
test_nobody(void **state)
{
	static const char *const texts[] = { "", "\n", "\n\n# x", "#" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct login_file *file = make_login_file("%s", texts[i]);

		assert_null(login_file_find(file, "a"));
		assert_string_not_equal(login_file_stand_in(file, "a"), "");
		login_file_free(file);
	}
}

static void
test_references(void **state)
{
	struct login_file *file = make_login_file("a:*\n");

	assert_ptr_equal(login_file_keep(file), file);
	login_file_free(file);
	assert_non_null(login_file_find(file, "a"));
	login_file_free(file);
	login_file_free(NULL);
}

/* ---- what is refused ---- */

static void
check_refused(const char *text, size_t len, const char *expected)
{
	char why[LOGIN_FILE_WHY_MAX] = "";

	assert_null(login_file_parse(text, len, why, sizeof(why)));
	assert_string_equal(why, expected);
}

static void
test_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "a", "line 1: no hash; a line is user:hash:directory:rules" },
		{ "#\n\na\n",
		    "line 3: no hash; a line is user:hash:directory:rules" },
		{ "a:*:d:read-only:\n",
		    "line 1: too many colons; a line is "
		    "user:hash:directory:rules" },
		{ "a:*\n:*\n",
		    "line 2: the user is empty, or begins or ends with a "
		    "blank" },
		{ " a:*\n",
		    "line 1: the user is empty, or begins or ends with a "
		    "blank" },
		{ "a :*\n",
		    "line 1: the user is empty, or begins or ends with a "
		    "blank" },
		{ " \n",
		    "line 1: no hash; a line is user:hash:directory:rules" },
		{ "a:*\nb:*:d:read-write\n",
		    "line 2: unknown rule; the only one is \"read-only\"" },
		{ "a:*::read-only \n",
		    "line 1: unknown rule; the only one is \"read-only\"" },
		{ "b:*\n#\na:*\nc:*\na:!\n",
		    "line 5: this user is in an earlier line already" },
		{ "a:*\r\n",
		    "line 1: a CR, a NUL or another control character" },
		{ "a:*\n# x\r\n",
		    "line 2: a CR, a NUL or another control character" },
		{ "a\tb:*\n",
		    "line 1: a CR, a NUL or another control character" },
		{ "a:*:\x7f\n",
		    "line 1: a CR, a NUL or another control character" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_refused(cases[i].text, strlen(cases[i].text),
		    cases[i].why);
	check_refused("a:*\nb\0:*", 8,
	    "line 2: a CR, a NUL or another control character");
	check_refused("#\0", 2,
	    "line 1: a CR, a NUL or another control character");
}

static void
test_long(void **state)
{
	const size_t size = LIMIT_LOGIN_FILE + 1;
	char why[LOGIN_FILE_WHY_MAX], *text = malloc(size);
	struct login_file *file;

	memset(text, '\n', size);
	memset(text + 2, 'd', LIMIT_LOGIN_LINE);
	memcpy(text + 2, "a:*:", 4);
	file = login_file_parse(text, size - 1, why, sizeof(why));
	assert_non_null(file);
	assert_int_equal(strlen(login_file_find(file, "a")->directory),
	    LIMIT_LOGIN_LINE - 4);
	login_file_free(file);
	text[2 + LIMIT_LOGIN_LINE] = 'd';
	check_refused(text, size - 1, "line 3: the line is too long");
	text[2] = '#';
	check_refused(text, size - 1, "line 3: the line is too long");
	text[2 + LIMIT_LOGIN_LINE] = '\n';
	check_refused(text, size, "the file is too large");
	free(text);
}

/* Of each method: only the whole hash, and no others. */
static void
test_hashes(void **state)
{
	const char *const hashes[] = { make_hash("p", YESCRYPT),
		make_hash("p", SHA512), make_hash("p", BCRYPT),
		make_hash("p", "$6$", 5000), make_hash("p", "$2y$", 5) };
	const char *const others[] = { "", "x", "secret", "$", "$y$", "$6$",
		"$2b$", "$6$salt", "$y$j9T$salt", "$9$a$b", "x*",
		make_hash("p", "$1$", 0), make_hash("p", "$5$", 1000) };
	static const char wrong[] =
	    "line 1: not a complete hash of yescrypt, sha512crypt or bcrypt";
	char text[500];

	for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++) {
		size_t len = 2 + strlen(hashes[i]);

		snprintf(text, sizeof(text), "a:%s", hashes[i]);
		login_file_free(make_login_file("%s", text));
		for (size_t cut = 2; cut < len; cut++)
			check_refused(text, cut, wrong);
		snprintf(text, sizeof(text), "a:%s.", hashes[i]);
		check_refused(text, len + 1, wrong);
		text[len - 1] = ';';
		check_refused(text, len, wrong);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		snprintf(text, sizeof(text), "a:%s", others[i]);
		check_refused(text, strlen(text), wrong);
	}
}

/* ---- names that are not in the file ---- */

static void
test_stand_in(void **state)
{
	const char *y = make_hash("1", YESCRYPT), *b = make_hash("3", BCRYPT);
	struct login_file *file =
	    make_login_file("a:*\nb:!%s\nc:%s\nd:%s\ne:*\n", b, y, b);
	bool seen_y = false, seen_b = false;

	for (char name[2] = "A"; name[0] <= 'Z'; name[0]++) {
		const char *hash = login_file_stand_in(file, name);

		seen_y |= strcmp(hash, y) == 0;
		seen_b |= strcmp(hash, b) == 0;
		assert_ptr_equal(hash, login_file_stand_in(file, name));
		assert_true(hash[0] == '$');
	}
	assert_true(seen_y && seen_b);
	login_file_free(file);
}

static void
test_fields(void **state)
{
	assert_true(login_file_is_field(""));
	assert_true(login_file_is_field("/a b"));
	assert_true(login_file_is_field("a#"));
	assert_true(login_file_is_field("#a"));
	assert_false(login_file_is_field("a:b"));
	assert_false(login_file_is_field("a\nb"));
	assert_false(login_file_is_field("a\tb"));
	assert_true(login_file_is_user("a b#"));
	assert_false(login_file_is_user(""));
	assert_false(login_file_is_user("#a"));
	assert_false(login_file_is_user(" a"));
	assert_false(login_file_is_user("a "));
	assert_false(login_file_is_user("a:b"));
}

/* Many users, in no order. */
static void
test_many(void **state)
{
	const unsigned n = 20000;
	char *text = NULL, name[16], why[LOGIN_FILE_WHY_MAX];
	struct login_file *file;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	for (unsigned i = 0; i < n; i++)
		fprintf(out, "u%u:*\n", i * 7919 % n);
	fclose(out);
	file = login_file_parse(text, len, why, sizeof(why));
	assert_non_null(file);
	for (unsigned i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "u%u", i * 7919 % n);
		assert_int_equal(login_file_find(file, name)->line, i + 1);
	}
	login_file_free(file);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_users),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_hashes),
		cmocka_unit_test(test_stand_in),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
