/*
 * Uploads of the gateway: the mode of the file that is replaced, and links.
 */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "gatewayenv.h"
#include "helpers.h"

/* The new file has the mode of the old one; or SITE UMASK's. */
static void
test_modes(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	gatewayenv_put(env, "f", "old", 3);
	assert_int_equal(chmod(gatewayenv_path(env, "f"), 0604), 0);
	gatewayenv_upload(env, "STOR f", "new", 3, "226 ");
	assert_int_equal(gatewayenv_mode(env, "f"), S_IFREG | 0604);
	gatewayenv_command(env, "SITE UMASK 037", "200 ");
	gatewayenv_upload(env, "STOR f", "new", 3, "226 ");
	assert_int_equal(gatewayenv_mode(env, "f"), S_IFREG | 0604);
	gatewayenv_upload(env, "STOR g", "new", 3, "226 ");
	assert_int_equal(gatewayenv_mode(env, "g"), S_IFREG | 0640);
}

/* The mode of the temporary file that is not empty. */
static mode_t
temporary_mode(struct gatewayenv *env)
{
	struct stat status = { .st_mode = 0 };
	glob_t found;
	size_t n = 0;

	assert_int_equal(glob(gatewayenv_path(env, ".culvert-*"), 0, NULL,
			     &found),
	    0);
	while (n < found.gl_pathc &&
	    (stat(found.gl_pathv[n], &status) != 0 || status.st_size == 0))
		n++;
	globfree(&found);
	return status.st_mode;
}

/* Before the end, nobody may read more of the new file than of the old one. */
static void
test_private_file(void **state)
{
	static const char *const commands[] = { "STOR f", "STOR link" };
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	gatewayenv_put(env, "f", "old", 3);
	assert_int_equal(chmod(gatewayenv_path(env, "f"), 0440), 0);
	assert_int_equal(symlink("f", gatewayenv_path(env, "link")), 0);
	for (size_t i = 0; i < 2; i++) {
		env->eof_after = false;
		gatewayenv_send_part(env, commands[i], "new", 3);
		assert_int_equal(temporary_mode(env), S_IFREG | 0600);
		env->to_send_len = 0;
		env->eof_after = true;
		gatewayenv_expect(env, "226 ");
		assert_int_equal(gatewayenv_mode(env, "f"), S_IFREG | 0440);
		gatewayenv_check(env, "f", "new", 3);
	}
	gatewayenv_command(env, "SITE UMASK 077", "200 ");
	env->eof_after = false;
	gatewayenv_send_part(env, "STOR new", "new", 3);
	assert_int_equal(temporary_mode(env), S_IFREG | 0600);
	gatewayenv_say(env, "ABOR");
	gatewayenv_expect(env, "426 ");
	gatewayenv_expect(env, "226 ");
	GATEWAYENV_UNTIL(env, gateway_is_settled(env->gateway));
	assert_int_equal(gatewayenv_count(env), 2);
}

/* The target of a link may be a directory, or nothing. */
static void
test_link_to_others(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	mkdir(gatewayenv_path(env, "dir"), 0700);
	assert_int_equal(symlink("dir", gatewayenv_path(env, "to-dir")), 0);
	assert_int_equal(symlink("new", gatewayenv_path(env, "to-new")), 0);
	gatewayenv_upload(env, "STOR to-dir", "x", 1, "553 It is a directory.");
	gatewayenv_upload(env, "STOR to-new", "x", 1, "226 ");
	gatewayenv_check(env, "new", "x", 1);
	assert_int_equal(gatewayenv_count(env), 4);
}

/* A symbolic link stays; the file that it names is replaced. */
static void
test_link(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	mkdir(gatewayenv_path(env, "dir"), 0700);
	gatewayenv_put(env, "dir/f", "old", 3);
	assert_int_equal(symlink("dir/f", gatewayenv_path(env, "link")), 0);
	gatewayenv_upload(env, "STOR link", "new", 3, "226 ");
	assert_true(S_ISLNK(gatewayenv_mode(env, "link")));
	gatewayenv_check(env, "dir/f", "new", 3);
	assert_int_equal(gatewayenv_count(env), 2);
}

static unsigned
count_names(const char *directory)
{
	char pattern[80];
	glob_t found;
	unsigned n;

	snprintf(pattern, sizeof(pattern), "%s/{*,.[!.]*}", directory);
	n = glob(pattern, GLOB_BRACE, NULL, &found) == 0 ?
	    (unsigned)found.gl_pathc :
	    0;
	globfree(&found);
	return n;
}

/* Makes that directory, and a link to a file there, which does not exist. */
static void
link_away(struct gatewayenv *env, char *directory)
{
	char path[80];

	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/f", directory);
	assert_int_equal(symlink(path, gatewayenv_path(env, "link")), 0);
}

/* A file cannot be renamed to another file system: so the temporary file is
 * beside the one that the link names. */
static void
test_link_to_another_file_system(void **state)
{
	char directory[] = "/dev/shm/gateway.XXXXXX";
	struct gatewayenv *env = *state;

	link_away(env, directory);
	gatewayenv_start(env);
	gatewayenv_upload(env, "STOR link", "first", 5, "226 ");
	gatewayenv_check(env, "link", "first", 5);
	gatewayenv_data(env);
	gatewayenv_say(env, "STOR link");
	gatewayenv_expect(env, "150 ");
	assert_int_equal(count_names(directory), 2);
	gatewayenv_say(env, "ABOR");
	gatewayenv_expect(env, "426 ");
	gatewayenv_expect(env, "226 ");
	GATEWAYENV_UNTIL(env, gateway_is_settled(env->gateway));
	gatewayenv_check(env, "link", "first", 5);
	assert_int_equal(count_names(directory), 1);
	assert_int_equal(gatewayenv_count(env), 1);
	remove_directory(directory);
}

/* The connection is lost at each point of the time in which the two files are
 * opened. */
static void
test_link_and_lost_connection(void **state)
{
	(void)state;
	for (unsigned turns = 0; turns < 12; turns++) {
		char directory[] = "/dev/shm/gateway.XXXXXX";
		struct gatewayenv *env;

		assert_int_equal(gatewayenv_setup((void **)&env), 0);
		link_away(env, directory);
		gatewayenv_start(env);
		gatewayenv_data(env);
		gatewayenv_say(env, "STOR link");
		for (unsigned i = 0; i < turns; i++)
			if (!gateway_is_settled(env->gateway))
				gatewayenv_turn(env);
		gatewayenv_kill(env, 0);
		assert_in_range(count_names(directory) + gatewayenv_count(env) -
			1,
		    0, env->n_left_over);
		assert_int_equal(gatewayenv_teardown((void **)&env), 0);
		remove_directory(directory);
	}
}

/* A spare file is beside the link; then the next upload succeeds. */
static void
test_spare_file_and_another_file_system(void **state)
{
	char directory[] = "/dev/shm/gateway.XXXXXX";
	struct gatewayenv *env = *state;

	link_away(env, directory);
	gatewayenv_start(env);
	for (int i = 0; i < 3; i++)
		gatewayenv_upload(env, "STOR a", "a", 1, "226 ");
	GATEWAYENV_UNTIL(env, gateway_is_settled(env->gateway));
	gatewayenv_upload(env, "STOR link", "new", 3,
	    "450 The SFTP server has refused it, when the temporary file was "
	    "renamed (the link may lead to another file system; try again).");
	for (int i = 0; i < 2; i++)
		gatewayenv_upload(env, "STOR link", "new", 3, "226 ");
	gatewayenv_check(env, "link", "new", 3);
	GATEWAYENV_UNTIL(env, gateway_is_settled(env->gateway));
	assert_int_equal(count_names(directory), 1);
	assert_int_equal(gatewayenv_count(env), 2);
	remove_directory(directory);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		GATEWAY_TEST(test_modes),
		GATEWAY_TEST(test_private_file),
		GATEWAY_TEST(test_link_to_others),
		GATEWAY_TEST(test_link),
		GATEWAY_TEST(test_link_to_another_file_system),
		GATEWAY_TEST(test_link_and_lost_connection),
		GATEWAY_TEST(test_spare_file_and_another_file_system),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
