/*
 * The gateway's commands but transfers and listings.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "gatewayenv.h"

struct say {
	const char *line, *reply;
};

#define SAY(env, ...)                                      \
	say_all(env, (const struct say[]) { __VA_ARGS__ }, \
	    sizeof((const struct say[]) { __VA_ARGS__ }) / sizeof(struct say))

static void
say_all(struct gatewayenv *env, const struct say *all, size_t n)
{
	for (size_t i = 0; i < n; i++)
		gatewayenv_command(env, all[i].line, all[i].reply);
}

/* 11 */
static void
test_what_old_clients_send(void **state)
{
	gatewayenv_start(*state);
	SAY(*state, { "TYPE A N", "200 The type is A.\r\n" },
	    { "TYPE L 8", "200 The type is I.\r\n" }, { "TYPE AN", "200 " },
	    { "TYPE L8", "200 " }, { "type i", "200 " }, { "TYPE E", "504 " },
	    { "TYPE L 7", "504 " }, { "TYPE", "501 " }, { "MODE S", "200 " },
	    { "MODE B", "504 " }, { "STRU F", "200 " },
	    { "STRU R", "504 Only the structure F" }, { "ALLO 1000", "202 " },
	    { "XMKD d", "257 " }, { "XCWD d", "250 " }, { "XPWD", "257 " },
	    { "XCUP", "250 " }, { "XRMD d", "250 " }, { "REST 0", "350 " },
	    { "REST -1", "501 " }, { "REST 9223372036854775808", "501 " },
	    { "PORT 127,0,0,1,4,4", "502 " }, { "EPRT |1|1.1.1.1|9|", "502 " },
	    { "EPSV ALL", "200 " },
	    { "PASV", "227 Entering Passive Mode (127,0,0,1,156,64).\r\n" },
	    { "EPSV", "229 Entering Extended Passive Mode (|||40000|)" },
	    { "SMNT x", "502 " });
}

/* 13: a failed CWD changes nothing; quotes are doubled. */
static void
test_working_directory(void **state)
{
	struct gatewayenv *env = *state;
	char root[100], quoted[100], deep[100];

	gatewayenv_start(env);
	gatewayenv_put(env, "file", "", 0);
	snprintf(root, sizeof(root), "257 \"%s\" is", env->directory);
	snprintf(quoted, sizeof(quoted), "257 \"%s/a\"\"b\" ", env->directory);
	snprintf(deep, sizeof(deep), "257 \"%s/a\"\"b/c/d\" ", env->directory);
	SAY(env, { "PWD", root }, { "CWD none", "550 No such file" },
	    { "CWD file", "550 It is not a directory.\r\n" }, { "PWD", root },
	    { "MKD a\"b", quoted }, { "CWD a\"b", "250 " }, { "PWD", quoted },
	    { "MKD c", "257 " }, { "MKD c/d", deep }, { "CWD c/./d", "250 " },
	    { "PWD", deep }, { "CDUP", "250 " }, { "CWD ../..", "250 " },
	    { "PWD", root }, { "CWD ~/a\"b/c", "250 " }, { "CWD ~", "250 " },
	    { "PWD", root }, { "CWD", "501 " }, { "CWD /", "250 " },
	    { "CDUP", "250 " }, { "PWD", "257 \"/\" " });
}

/* 13: only the directory itself must be there, whatever is above it. */
static void
test_path_through_directories_that_may_not_be_read(void **state)
{
	struct gatewayenv *env = *state;

	env->denied = "opendir,readdir,lstat,readlink";
	gatewayenv_start(env);
	mkdir(gatewayenv_path(env, "a"), 0700);
	mkdir(gatewayenv_path(env, "a/b"), 0700);
	SAY(env, { "CWD a/b", "250 " }, { "MKD c", "257 " },
	    { "CWD c", "250 " });
}

/* 22: a directory can be entered where nothing may be looked up. */
static void
test_working_directory_without_stat(void **state)
{
	struct gatewayenv *env = *state;

	env->denied = "stat,lstat,fstat";
	gatewayenv_start(env);
	gatewayenv_put(env, "file", "", 0);
	SAY(env, { "MKD a", "257 " }, { "CWD file", "550 " },
	    { "CWD none", "550 " }, { "CWD a", "250 " }, { "MKD b", "257 " });
	assert_int_equal(access(gatewayenv_path(env, "a/b"), F_OK), 0);
}

static void
test_making_and_removing(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	gatewayenv_put(env, "file", "abc", 3);
	SAY(env, { "MKD d", "257 " }, { "MKD d", "550 " },
	    { "MKD none/d", "550 No such file or directory.\r\n" },
	    { "DELE d", "550 " }, { "RMD file", "550 " }, { "RMD d", "250 " },
	    { "RMD d", "550 " }, { "DELE file", "250 " },
	    { "DELE file", "550 No such file or directory.\r\n" },
	    { "MKD", "501 " }, { "RMD", "501 " }, { "DELE", "501 " });
	assert_int_equal(gatewayenv_count(env), 0);
}

/* One blank separates a command and a name; others belong to the name. */
static void
test_blanks_in_front(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	SAY(env, { "MKD   two", "257 " }, { "CWD two", "550 " },
	    { "SITE  CHMOD  700   two", "200 " },
	    { "MFMT 20261130093700   two", "213 " }, { "MLST   two", "250-" },
	    { "RNFR   two", "350 " }, { "RNTO  one", "250 " },
	    { "CWD  one", "250 " }, { "CDUP ", "250 " }, { "TYPE  I", "200 " },
	    { "REST  0", "350 " });
	assert_int_equal(access(gatewayenv_path(env, " one"), F_OK), 0);
}

/* A byte 255 comes twice from clients that know Telnet, and once from others.
 */
static void
test_telnet_byte(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	SAY(env, { "MKD a\xff\xff", "257 " }, { "RMD a\xff", "250 " },
	    { "MKD \xff", "257 " }, { "CWD \xff\xff", "250 " },
	    { "MKD \xff\xff\xff\xff\xff", "257 " });
	assert_int_equal(access(gatewayenv_path(env, "\xff/\xff\xff\xff"),
			     F_OK),
	    0);
}

/* 8, 9: RNTO replaces a file; across directories, and with paths. */
static void
test_rename(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	gatewayenv_put(env, "new", "new", 3);
	gatewayenv_put(env, "old", "old", 3);
	SAY(env, { "MKD a", "257 " }, { "MKD a/b", "257 " },
	    { "RNTO x", "503 " }, { "RNFR none", "550 " }, { "RNTO x", "503 " },
	    { "RNFR new", "350 " }, { "RNTO old", "250 Renamed.\r\n" });
	gatewayenv_check(env, "old", "new", 3);
	gatewayenv_check(env, "new", NULL, 0);
	SAY(env, { "RNFR old", "350 " }, { "RNTO a/b/one", "250 " },
	    { "CWD a", "250 " }, { "RNFR b/one", "350 " },
	    { "RNTO ../two", "250 " }, { "RNTO x", "503 " },
	    { "RNFR ~/two", "350 " }, { "RNTO ~/none/x", "553 " },
	    { "RNFR b", "350 " }, { "RNTO ../c", "250 " },
	    { "RNFR ../two", "350 " }, { "RNTO ../c", "553 " });
	gatewayenv_check(env, "two", "new", 3);
	assert_int_equal(gatewayenv_count(env), 3);
}

/* RNTO must follow RNFR; the last RNFR counts, also if it has failed. */
static void
test_rename_needs_its_rnfr(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	gatewayenv_put(env, "f", "abc", 3);
	SAY(env, { "RNFR f", "350 " }, { "RNFR none", "550 " },
	    { "RNTO x", "503 " }, { "RNFR f", "350 " }, { "PWD", "257 " },
	    { "RNTO x", "503 " }, { "RNFR f", "350 " }, { "NOOP", "200 " },
	    { "RNTO x", "250 " });
	gatewayenv_check(env, "x", "abc", 3);
}

/* 8: servers without posix-rename@openssh.com: the old file is moved away, and
 * comes back if that was in vain. */
static void
test_rename_without_the_extension(void **state)
{
	struct gatewayenv *env = *state;

	env->denied = "posix-rename";
	gatewayenv_start(env);
	gatewayenv_put(env, "new", "new", 3);
	gatewayenv_put(env, "old", "old", 3);
	SAY(env, { "RNFR new", "350 " }, { "RNTO old", "250 " },
	    { "MKD dir", "257 " }, { "RNFR old", "350 " },
	    { "RNTO dir/none/x", "553 " });
	gatewayenv_check(env, "old", "new", 3);
	SAY(env, { "RNFR dir", "350 " }, { "RNTO dir/in/itself", "553 " },
	    { "MKD other", "257 " }, { "RNFR dir", "350 " },
	    { "RNTO other/dir", "250 " });
	GATEWAYENV_UNTIL(env, gateway_is_settled(env->gateway));
	assert_int_equal(gatewayenv_count(env), 2);
}

/* 8: the extension is announced, but what replaces a file is denied. */
static void
test_rename_is_denied(void **state)
{
	struct gatewayenv *env = *state;

	env->denied = "posix-rename,rename";
	gatewayenv_start(env);
	gatewayenv_put(env, "new", "new", 3);
	gatewayenv_put(env, "old", "old", 3);
	SAY(env, { "RNFR new", "350 " },
	    { "RNTO old", "553 Permission denied.\r\n" });
	gatewayenv_check(env, "new", "new", 3);
	gatewayenv_check(env, "old", "old", 3);
}

/* 12, 17 */
static void
test_size_and_time(void **state)
{
	struct gatewayenv *env = *state;
	char reply[200];

	gatewayenv_start(env);
	gatewayenv_put(env, "f", "a\nb\n", 4);
	snprintf(reply, sizeof(reply),
	    "213 Modify=20260102030405; \"%s/f\"\r\n", env->directory);
	SAY(env, { "SIZE f", "213 4\r\n" }, { "TYPE A", "200 " },
	    { "SIZE f", "213 4\r\n" }, { "SIZE .", "550 It is a directory" },
	    { "SIZE none", "550 " }, { "MFMT 20260102030405 f", reply },
	    { "MDTM f", "213 20260102030405\r\n" },
	    { "MDTM 20250102030405 f", "213 Modify=20250102030405;" },
	    { "MDTM f", "213 20250102030405\r\n" },
	    { "MDTM none", "550 No such file" },
	    { "MFMT 20260102030405 none", "550 " }, { "MFMT f", "501 " },
	    { "MFMT 20260102030405", "501 " }, { "MFMT 20260202 f", "501 " },
	    { "MFMT 19690102030405 f", "501 SFTP has only times" },
	    { "MFMT 21070102030405 f", "501 " },
	    { "MFMT 21060102030405 f", "213 " });
}

/* 17: where SETSTAT is not permitted, or not to be sent. */
static void
test_times_and_modes_that_cannot_be_set(void **state)
{
	struct gatewayenv *env = *state;

	env->config.no_setstat = true;
	gatewayenv_start(env);
	gatewayenv_put(env, "f", "", 0);
	assert_int_equal(chmod(gatewayenv_path(env, "f"), 0640), 0);
	SAY(env, { "MFMT 20010102030405 f", "213 Modify=20010102030405;" },
	    { "SITE CHMOD 600 f", "550 " });
	assert_int_equal(gatewayenv_mode(env, "f"), S_IFREG | 0640);
}

static void
test_setstat_is_denied(void **state)
{
	struct gatewayenv *env = *state;

	env->denied = "setstat,fsetstat";
	gatewayenv_start(env);
	gatewayenv_put(env, "f", "", 0);
	SAY(env, { "MFMT 20010102030405 f", "550 Permission denied." },
	    { "SITE CHMOD 600 f", "550 Permission denied." });
}

static void
test_site(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	gatewayenv_put(env, "f", "", 0);
	SAY(env, { "SITE CHMOD 640 f", "200 " },
	    { "site chmod 0641 f", "200 " }, { "SITE CHMOD 640", "501 " },
	    { "SITE CHMOD 640 ", "501 " }, { "SITE CHMOD 9 f", "501 " },
	    { "SITE CHMOD 10000 f", "501 " }, { "SITE CHMOD -1 f", "501 " },
	    { "SITE CHMOD 600 none", "550 " }, { "SITE CHMOD", "501 " },
	    { "SITE UMASK", "200 The umask is the SFTP server's.\r\n" },
	    { "SITE UMASK 027", "200 The umask is 027.\r\n" },
	    { "SITE UMASK", "200 The umask is 027.\r\n" },
	    { "SITE UMASK 8", "501 " }, { "SITE UMASK 1000", "501 " },
	    { "SITE UMASK 00000000000000027", "200 " }, { "MKD d", "257 " },
	    { "SITE HELP", "214-" }, { "SITE EXEC id", "502 " },
	    { "SITE", "501 " });
	assert_int_equal(gatewayenv_mode(env, "f"), S_IFREG | 0641);
	assert_int_equal(gatewayenv_mode(env, "d") & 027, 0);
}

/* 18: names pass byte for byte. */
static void
test_names(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	SAY(env, { "OPTS UTF8 ON", "200 " }, { "opts utf8 off", "200 " },
	    { "OPTS UTF-8", "200 " }, { "OPTS", "501 " },
	    { "OPTS XYZ", "501 " }, { "MKD \xe9\xfe \x01 x", "257 " },
	    { "MKD \xc3\xa9", "257 " }, { "MKD ~x", "257 " },
	    { "CWD \xe9\xfe \x01 x", "250 " });
	assert_int_equal(gatewayenv_mode(env, "\xe9\xfe \x01 x") & 0700, 0700);
	assert_int_equal(gatewayenv_mode(env, "\xc3\xa9") & 0700, 0700);
	assert_int_equal(gatewayenv_mode(env, "~x") & 0700, 0700);
	gateway_control(env->gateway, "MKD a\0b\r\n", 9);
	gatewayenv_expect(env, "501 ");
}

/* 18: of another character set they are converted. */
static void
test_names_of_a_character_set(void **state)
{
	struct gatewayenv *env = *state;
	char reply[100];

	env->config.charset = charset_new("CP850");
	gatewayenv_start(env);
	SAY(env, { "MKD \x82t\x82", "257 " }, { "CWD \x82t\x82", "250 " });
	snprintf(reply, sizeof(reply), "257 \"%s/\x82t\x82\" ", env->directory);
	gatewayenv_command(env, "PWD", reply);
	assert_int_equal(gatewayenv_mode(env, "\xc3\xa9t\xc3\xa9") & 0700,
	    0700);
	/* A client that speaks UTF-8 says so. */
	SAY(env, { "OPTS UTF8 ON", "200 " }, { "MKD \xc3\xa8", "257 " },
	    { "OPTS UTF8 OFF", "200 " }, { "RMD \x8a", "250 " },
	    { "OPTS UTF8", "200 " }, { "CWD \xc3\xa8", "550 " },
	    { "HOST h", "503 " }, { "REIN", "220 " }, { "HOST h", "220 " },
	    { "HOST", "501 " }, { "USER u", "331 " }, { "PASS p", "230 " },
	    { "CWD \x82t\x82", "250 " });
	charset_free(env->config.charset);
	env->config.charset = NULL;
}

/* 19 */
static void
test_features(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	SAY(env,
	    { "FEAT",
		"211-Features:\r\n AVBL\r\n EPSV\r\n HOST\r\n HASH SHA-256*\r\n MDTM\r\n"
		" MFMT\r\n MLST type*;size*;modify*;" },
	    { "OPTS HASH", "200 SHA-256\r\n" },
	    { "OPTS HASH SHA-256", "200 SHA-256\r\n" },
	    { "OPTS HASH MD5", "501 " },
	    { "OPTS MLST size;none;", "200 MLST OPTS size;\r\n" },
	    { "OPTS MLST", "200 MLST OPTS \r\n" }, { "OPTS MLSTX", "501 " },
	    { "HELP", "214-Commands:\r\n USER   PASS " },
	    { "AVBL none/of/these", "550 " });
	gatewayenv_say(env, "AVBL");
	assert_true(strtoull(gatewayenv_reply(env) + 4, NULL, 10) > 0);
}

static void
test_features_of_a_server_without_extensions(void **state)
{
	struct gatewayenv *env = *state;

	env->denied = "statvfs";
	gatewayenv_start(env);
	SAY(env, { "FEAT", "211-Features:\r\n EPSV\r\n" },
	    { "AVBL",
		"550 The SFTP server does not support statvfs@openssh.com." });
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		GATEWAY_TEST(test_what_old_clients_send),
		GATEWAY_TEST(test_working_directory),
		GATEWAY_TEST(
		    test_path_through_directories_that_may_not_be_read),
		GATEWAY_TEST(test_working_directory_without_stat),
		GATEWAY_TEST(test_making_and_removing),
		GATEWAY_TEST(test_blanks_in_front),
		GATEWAY_TEST(test_telnet_byte),
		GATEWAY_TEST(test_rename),
		GATEWAY_TEST(test_rename_needs_its_rnfr),
		GATEWAY_TEST(test_rename_without_the_extension),
		GATEWAY_TEST(test_rename_is_denied),
		GATEWAY_TEST(test_size_and_time),
		GATEWAY_TEST(test_times_and_modes_that_cannot_be_set),
		GATEWAY_TEST(test_setstat_is_denied),
		GATEWAY_TEST(test_site),
		GATEWAY_TEST(test_names),
		GATEWAY_TEST(test_names_of_a_character_set),
		GATEWAY_TEST(test_features),
		GATEWAY_TEST(test_features_of_a_server_without_extensions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
