/*
 * The gateway's listings: LIST, NLST, MLSD, MLST and STAT.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utime.h>

#include <cmocka.h>

#include "gatewayenv.h"
#include "limits.h"

/* 2026-11-30 10:26:40, seven months before it, and one day behind it. */
#define NOW 1796034400
#define OLD (NOW - 213 * 86400)
#define FUTURE (NOW + 86400)

static void
put(struct gatewayenv *env, const char *name, time_t time)
{
	gatewayenv_put(env, name, "abc", 3);
	assert_int_equal(chmod(gatewayenv_path(env, name), 0640), 0);
	assert_int_equal(utime(gatewayenv_path(env, name),
			     &(struct utimbuf) { time, time }),
	    0);
}

/* The listing is that, whatever the order of its lines. */
static void
check_listing(struct gatewayenv *env, const char *command,
    const char *const lines[])
{
	const char *got;
	size_t len = 0;

	gatewayenv_download(env, command, "226 ");
	got = gatewayenv_listing(env);
	for (size_t i = 0; lines[i] != NULL; i++) {
		if (strstr(got, lines[i]) == NULL)
			fail_msg("%s: no \"%s\" in \"%s\"", command, lines[i],
			    got);
		len += strlen(lines[i]);
	}
	if (strlen(got) != len)
		fail_msg("%s: \"%s\"", command, got);
}

#define LISTING(env, command, ...) \
	check_listing(env, command, (const char *const[]) { __VA_ARGS__, NULL })

/* 15 */
static void
test_dates(void **state)
{
	struct gatewayenv *env = *state;

	env->now = (int64_t)NOW * 1000;
	gatewayenv_start(env);
	put(env, "new", NOW - 60);
	put(env, "old", OLD);
	put(env, "future", FUTURE);
	LISTING(env, "LIST",
	    "-rw-r-----    1 0        0               3 Nov 30 10:25 new\r\n",
	    "-rw-r-----    1 0        0               3 May  1  2026 old\r\n",
	    "-rw-r-----    1 0        0               3 Dec  1  2026 "
	    "future\r\n");
}

/* 14 */
static void
test_options_single_files_and_globs(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	mkdir(gatewayenv_path(env, "dir"), 0700);
	put(env, "dir/one.txt", OLD);
	put(env, "dir/two.txt", OLD);
	put(env, "dir/.hidden", OLD);
	LISTING(env, "NLST -al dir", "dir/.\r\n", "dir/..\r\n",
	    "dir/.hidden\r\n", "dir/one.txt\r\n", "dir/two.txt\r\n");
	LISTING(env, "NLST dir", "dir/one.txt\r\n", "dir/two.txt\r\n");
	LISTING(env, "NLST dir/", "dir/one.txt\r\n", "dir/two.txt\r\n");
	LISTING(env, "NLST dir/t*", "dir/two.txt\r\n");
	LISTING(env, "NLST dir/one.txt", "dir/one.txt\r\n");
	LISTING(env, "NLST", "dir\r\n");
	LISTING(env, "LIST dir/one.txt",
	    "-rw-r-----    1 0        0               3 May  1  2026 "
	    "one.txt\r\n");
	LISTING(env, "LIST -al dir/o*",
	    "-rw-r-----    1 0        0               3 May  1  2026 "
	    "dir/one.txt\r\n");
	gatewayenv_command(env, "CWD dir", "250 ");
	LISTING(env, "NLST *.txt", "one.txt\r\n", "two.txt\r\n");
	LISTING(env, "NLST one.txt", "one.txt\r\n");
	gatewayenv_download(env, "NLST *.none", "226 ");
	gatewayenv_received(env, "", 0);
	gatewayenv_download(env, "LIST -d /", "226 ");
	assert_non_null(strstr(gatewayenv_listing(env), " /\r\n"));
}

/* A name that looks like a glob is a name if there is such a file; MLSD has no
 * globs. */
static void
test_names_like_globs(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	mkdir(gatewayenv_path(env, "[d]"), 0700);
	put(env, "[d]/a", OLD);
	put(env, "[d]/[f]*", OLD);
	put(env, "d", OLD);
	LISTING(env, "NLST [d]", "[d]/[f]*\r\n", "[d]/a\r\n");
	LISTING(env, "NLST [d]/", "[d]/[f]*\r\n", "[d]/a\r\n");
	LISTING(env, "NLST [d]/[f]*", "[d]/[f]*\r\n");
	LISTING(env, "NLST [d]/[a]", "[d]/a\r\n");
	LISTING(env, "NLST [e]*", "");
	LISTING(env, "LIST [d]/[f]*",
	    "-rw-r-----    1 0        0               3 May  1  2026 "
	    "[f]*\r\n");
	gatewayenv_download(env, "LIST -d [d]", "226 ");
	assert_non_null(strstr(gatewayenv_listing(env), " [d]\r\n"));
	gatewayenv_command(env, "OPTS MLST type;", "200 ");
	LISTING(env, "MLSD [d]", "type=cdir; .\r\n", "type=pdir; ..\r\n",
	    "type=file; [f]*\r\n", "type=file; a\r\n");
	gatewayenv_download(env, "MLSD *", "550 ");
	gatewayenv_command(env, "STAT [d]/[f]*", "213-");
}

/* 16: a broken link is listed; one to a directory can be entered. */
static void
test_links(void **state)
{
	struct gatewayenv *env = *state;
	const char *got;

	gatewayenv_start(env);
	mkdir(gatewayenv_path(env, "dir"), 0700);
	put(env, "file", OLD);
	assert_int_equal(symlink("dir", gatewayenv_path(env, "to-dir")), 0);
	assert_int_equal(symlink("file", gatewayenv_path(env, "to-file")), 0);
	assert_int_equal(symlink("none", gatewayenv_path(env, "broken")), 0);
	gatewayenv_download(env, "LIST", "226 ");
	got = gatewayenv_listing(env);
	assert_non_null(strstr(got, " to-dir -> dir\r\n"));
	assert_non_null(strstr(got, " to-file -> file\r\n"));
	assert_non_null(strstr(got, " broken -> none\r\n"));
	gatewayenv_command(env, "OPTS MLST type;size;", "200 ");
	LISTING(env, "MLSD", "type=cdir; .\r\n", "type=pdir; ..\r\n",
	    "type=dir; dir\r\n", "type=file;size=3; file\r\n",
	    "type=dir; to-dir\r\n", "type=file;size=3; to-file\r\n",
	    "type=OS.unix=symlink; broken\r\n");
	gatewayenv_command(env, "SIZE to-file", "213 3\r\n");
	gatewayenv_command(env, "MDTM to-file", "213 20260501");
	gatewayenv_command(env, "SIZE broken", "550 ");
	gatewayenv_command(env, "CWD to-dir", "250 ");
}

static void
test_facts_of_one_file(void **state)
{
	struct gatewayenv *env = *state;
	char reply[200];

	gatewayenv_start(env);
	put(env, "file", OLD);
	gatewayenv_command(env, "OPTS MLST type;size;", "200 ");
	snprintf(reply, sizeof(reply),
	    "250-Listing:\r\n type=file;size=3; %s/file\r\n250 End\r\n",
	    env->directory);
	gatewayenv_command(env, "MLST file", reply);
	gatewayenv_command(env, "MLST none", "550 No such file or directory.");
	gatewayenv_download(env, "MLSD file", "501 ");
	gatewayenv_download(env, "MLSD none", "550 ");
}

/* STAT sends a listing on the control connection. */
static void
test_stat(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	put(env, "file", OLD);
	gatewayenv_command(env, "STAT",
	    "211-Status:\r\n"
	    " The files are those of here, by SFTP.\r\n"
	    " Logged in: anybody. Type: A; structure: F; mode: S.\r\n"
	    "211 End\r\n");
	gatewayenv_command(env, "STAT .",
	    "213-Listing:\r\n"
	    " -rw-r-----    1 0        0               3 May  1  2026 "
	    "file\r\n"
	    "213 End\r\n");
	gatewayenv_command(env, "STAT none", "550 ");
}

/* Nothing stops the server while the client does not read replies. */
static void
test_long_stat(void **state)
{
	static const char end[] = "\r\n213 The listing is not complete: It "
				  "is too long; send LIST.\r\n";
	struct gatewayenv *env = *state;
	char name[201];

	gatewayenv_start(env);
	memset(name, 'x', sizeof(name));
	for (unsigned i = 0; i < 4500; i++) {
		snprintf(name + 190, 11, "%010u", i);
		gatewayenv_put(env, name, "", 0);
	}
	gatewayenv_say(env, "STAT .");
	GATEWAYENV_UNTIL(env, gatewayenv_reply_len(env) > 0);
	assert_in_range(buf_len(&env->replies), LIMIT_GATEWAY_STAT - 300,
	    LIMIT_GATEWAY_STAT + 10000);
	assert_memory_equal(buf_bytes(&env->replies) + buf_len(&env->replies) -
		(sizeof(end) - 1),
	    end, sizeof(end) - 1);
}

/* The argument of NLST is in front of each name: a long one does not fit. */
static void
test_long_argument(void **state)
{
	struct gatewayenv *env = *state;
	char line[8100];

	gatewayenv_start(env);
	put(env, "name", OLD);
	for (size_t len = 4080; len <= 4100; len++) {
		strcpy(line, "NLST ");
		for (size_t i = 0; i < len; i++)
			line[5 + i] = (len - i) % 2 == 1 ? '.' : '/';
		line[5 + len] = '\0';
		gatewayenv_data(env);
		gatewayenv_say(env, line);
		if (strncmp(gatewayenv_reply(env), "150", 3) == 0)
			gatewayenv_expect(env, "226 ");
		else
			assert_true(len > 4080);
	}
}

/* What becomes of the data connection does not matter to STAT. */
static void
test_data_connection_lost_beside_stat(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	put(env, "file", OLD);
	gatewayenv_data(env);
	gatewayenv_say(env, "STAT .");
	env->data = ENV_DATA_NONE;
	gateway_data_lost(env->gateway);
	gatewayenv_expect(env, "213-Listing:\r\n -rw");
	gatewayenv_data(env);
	gatewayenv_say(env, "HASH file");
	env->data = ENV_DATA_NONE;
	gateway_data_lost(env->gateway);
	gatewayenv_expect(env, "213 SHA-256 0-3 ba7816bf");
}

/* 22: a directory that may not be read. */
static void
test_directory_that_may_not_be_read(void **state)
{
	struct gatewayenv *env = *state;

	env->denied = "opendir";
	gatewayenv_start(env);
	gatewayenv_download(env, "LIST", "550 Permission denied.");
	gatewayenv_command(env, "STAT .", "550 Permission denied.");
}

/* A client that takes nothing stops the listing; it goes on where it was. */
static void
test_slow_client(void **state)
{
	struct gatewayenv *env = *state;
	unsigned lines = 0;
	static const char full[600000];
	char name[100];

	gatewayenv_start(env);
	for (unsigned i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "name-%03u", i);
		put(env, name, OLD);
	}
	env->room = 0;
	gatewayenv_data(env);
	assert_int_equal(buf_append(&env->received, full, sizeof(full)), 0);
	gatewayenv_say(env, "NLST");
	gatewayenv_expect(env, "150 ");
	GATEWAYENV_UNTIL(env, gateway_is_settled(env->gateway));
	assert_int_equal(buf_len(&env->received), sizeof(full));
	buf_consume(&env->received, sizeof(full));
	env->room = SIZE_MAX;
	gateway_data_drained(env->gateway);
	gatewayenv_expect(env, "226 ");
	for (const char *at = gatewayenv_listing(env);
	     (at = strchr(at, '\n')) != NULL; at++)
		lines++;
	assert_int_equal(lines, 300);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		GATEWAY_TEST(test_dates),
		GATEWAY_TEST(test_options_single_files_and_globs),
		GATEWAY_TEST(test_names_like_globs),
		GATEWAY_TEST(test_links),
		GATEWAY_TEST(test_facts_of_one_file),
		GATEWAY_TEST(test_stat),
		GATEWAY_TEST(test_long_stat),
		GATEWAY_TEST(test_long_argument),
		GATEWAY_TEST(test_data_connection_lost_beside_stat),
		GATEWAY_TEST(test_directory_that_may_not_be_read),
		GATEWAY_TEST(test_slow_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
