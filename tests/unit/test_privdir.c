/*
 * base/privdir.c: where the directory is made, and which places are skipped.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/privdir.h"
#include "helpers.h"

struct env {
	char base[64];
	char parent[80]; /* the one to test */
	char other[80];	 /* a good one */
	char made[PRIVDIR_MAX];
	char why[512];
};

static int
set_up(void **state)
{
	struct env *env = calloc(1, sizeof(*env));

	strcpy(env->base, "/tmp/culvert-test-XXXXXX");
	assert_non_null(mkdtemp(env->base));
	snprintf(env->parent, sizeof(env->parent), "%s/p", env->base);
	snprintf(env->other, sizeof(env->other), "%s/o", env->base);
	assert_int_equal(mkdir(env->parent, 0700), 0);
	assert_int_equal(mkdir(env->other, 0700), 0);
	setenv("XDG_RUNTIME_DIR", env->parent, 1);
	setenv("TMPDIR", env->other, 1);
	*state = env;
	return 0;
}

static int
tear_down(void **state)
{
	struct env *env = *state;

	remove_directory(env->base);
	free(env);
	return 0;
}

/* It is made there, and can be removed with everything in it. */
static void
check_made_in(struct env *env, const char *parent)
{
	size_t len = strlen(parent);
	char path[200];
	struct stat st;
	FILE *file;

	assert_int_equal(privdir_make(env->made, env->why, sizeof(env->why)),
	    0);
	assert_memory_equal(env->made, parent, len);
	assert_memory_equal(env->made + len, "/culvert.", 9);
	assert_int_equal(lstat(env->made, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0700);
	assert_int_equal(st.st_uid, geteuid());
	assert_int_equal(privdir_check(env->made, env->why, sizeof(env->why)),
	    0);
	snprintf(path, sizeof(path), "%s/2", env->made);
	assert_int_equal(mkdir(path, 0700), 0);
	strcat(path, "/.file");
	file = fopen(path, "w");
	assert_non_null(file);
	fclose(file);
	snprintf(path, sizeof(path), "%s/link", env->made);
	assert_int_equal(symlink(env->other, path), 0);
	privdir_remove(env->made);
	assert_int_equal(access(env->made, F_OK), -1);
	assert_int_equal(access(env->other, F_OK), 0);
}

static void
test_made(void **state)
{
	struct env *env = *state;

	check_made_in(env, env->parent);
	assert_string_equal(env->why, "");
	/* With the sticky bit others cannot replace it. */
	assert_int_equal(chmod(env->parent, 01777), 0);
	check_made_in(env, env->parent);
	assert_string_equal(env->why, "");
}

static void
test_not_there(void **state)
{
	static const char *const values[] = { "", "relative", "/no/such/dir",
		"/etc/passwd" };
	struct env *env = *state;
	char name[160];

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		setenv("XDG_RUNTIME_DIR", values[i], 1);
		check_made_in(env, env->other);
		assert_string_equal(env->why, "");
	}
	snprintf(name, sizeof(name), "%s/%064d", env->base, 0);
	assert_int_equal(mkdir(name, 0700), 0);
	setenv("XDG_RUNTIME_DIR", name, 1);
	check_made_in(env, env->other);
	unsetenv("XDG_RUNTIME_DIR");
	unsetenv("TMPDIR");
	check_made_in(env, "/tmp");
	privdir_remove("");
}

/* Places where others could replace it. */
static void
test_passed_over(void **state)
{
	static const mode_t modes[] = { 0777, 0770, 0722 };
	struct env *env = *state;
	char below[100];

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		assert_int_equal(chmod(env->parent, modes[i]), 0);
		check_made_in(env, env->other);
		assert_non_null(strstr(env->why, "/p, which has no sticky"));
	}
	/* The same for the directory above it. */
	snprintf(below, sizeof(below), "%s/b", env->parent);
	assert_int_equal(mkdir(below, 0700), 0);
	setenv("XDG_RUNTIME_DIR", below, 1);
	check_made_in(env, env->other);
	assert_non_null(strstr(env->why, "/p, which has no sticky"));
	assert_int_equal(chmod(env->parent, 0755), 0);
	check_made_in(env, below);
	if (geteuid() != 0)
		return;
	assert_int_equal(chown(env->parent, 65534, 65534), 0);
	check_made_in(env, env->other);
	assert_non_null(strstr(env->why, "/p belongs to another user"));
}

static void
check_bad(struct env *env, const char *path, int err, const char *words)
{
	assert_int_equal(privdir_check(path, env->why, sizeof(env->why)), err);
	if (strstr(env->why, words) == NULL)
		fail_msg("'%s' has no '%s'", env->why, words);
}

static void
test_check(void **state)
{
	struct env *env = *state;
	char path[100];
	FILE *file;

	assert_int_equal(privdir_check(env->parent, env->why, sizeof(env->why)),
	    0);
	snprintf(path, sizeof(path), "%s/link", env->base);
	check_bad(env, path, -ENOENT, "cannot be used");
	assert_int_equal(symlink(env->parent, path), 0);
	check_bad(env, path, -ENOTDIR, "cannot be used");
	snprintf(path, sizeof(path), "%s/file", env->base);
	file = fopen(path, "w");
	assert_non_null(file);
	fclose(file);
	check_bad(env, path, -ENOTDIR, "cannot be used");
	assert_int_equal(chmod(env->parent, 0750), 0);
	check_bad(env, env->parent, -EPERM, "mode 0750 instead of 0700");
	assert_int_equal(chmod(env->parent, 0700), 0);
	if (geteuid() != 0)
		return;
	assert_int_equal(chown(env->parent, 65534, 65534), 0);
	check_bad(env, env->parent, -EPERM, "belongs to another user");
}

/* A link in place of the private directory: only the link is removed. */
static void
test_remove_link(void **state)
{
	struct env *env = *state;
	char path[100], file_path[120];
	FILE *file;

	snprintf(file_path, sizeof(file_path), "%s/file", env->other);
	file = fopen(file_path, "w");
	assert_non_null(file);
	fclose(file);
	snprintf(path, sizeof(path), "%s/link", env->base);
	assert_int_equal(symlink(env->other, path), 0);
	privdir_remove(path);
	assert_int_equal(access(file_path, F_OK), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_made),
		TEST(test_not_there),
		TEST(test_passed_over),
		TEST(test_check),
		TEST(test_remove_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
