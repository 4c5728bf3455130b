/*
 * The gateway's core with a login file: who may log in, and what a user may
 * then do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "gatewayenv.h"
#include "limits.h"

static const struct gateway_login refused = { .allowed = false };
static const struct gateway_login allowed = { .allowed = true,
	.directory = "" };

static void
connect_to_check(struct gatewayenv *env)
{
	env->config.check_logins = true;
	gatewayenv_connect(env);
	gatewayenv_expect(env, "220 ");
}

/* Sends USER and PASS, and answers for the login file. */
static void
log_in(struct gatewayenv *env, const struct gateway_login *login,
    const char *reply)
{
	gatewayenv_command(env, "USER joe", "331 ");
	gatewayenv_say(env, "PASS secret");
	assert_int_equal(buf_len(&env->replies), 0);
	gateway_login_done(env->gateway, login);
	gatewayenv_expect(env, reply);
}

/* Makes a directory of the user, and logs in. */
static void
log_in_to(struct gatewayenv *env, const char *directory)
{
	const struct gateway_login login = { true, false, directory, false,
		NULL };

	connect_to_check(env);
	assert_int_equal(mkdir(gatewayenv_path(env, "joe"), 0700), 0);
	gatewayenv_put(env, "outside", "abc", 3);
	gatewayenv_put(env, "joe/inside", "de", 2);
	log_in(env, &login, "230 ");
}

static void
test_answers(void **state)
{
	struct gatewayenv *env = *state;

	connect_to_check(env);
	gatewayenv_command(env, "PASS x", "503 ");
	assert_string_equal(env->login, "");
	log_in(env, &refused, "530 Login incorrect.\r\n");
	assert_string_equal(env->login, "joe secret");
	gatewayenv_command(env, "PWD", "530 ");
	log_in(env, &allowed, "230 ");
	gatewayenv_command(env, "MKD a", "257 ");
	gatewayenv_command(env, "CWD a", "250 ");
	/* Nobody keeps what an earlier login has permitted. */
	gatewayenv_say(env, "PASS other");
	assert_string_equal(env->login, "joe other");
	gateway_login_done(env->gateway, &refused);
	gatewayenv_expect(env, "530 ");
	gatewayenv_command(env, "PWD", "530 ");
	log_in(env, &allowed, "230 ");
	gatewayenv_command(env, "RMD a", "250 ");
}

/* Nobody uses the server before a login has been right; afterwards, each login
 * uses the same channel. */
static void
test_channel_comes_with_the_login(void **state)
{
	struct gatewayenv *env = *state;

	connect_to_check(env);
	gatewayenv_command(env, "FEAT", "211-");
	gatewayenv_command(env, "REIN", "220 ");
	gatewayenv_command(env, "ABOR", "226 ");
	gatewayenv_command(env, "PWD", "530 ");
	log_in(env, &refused, "530 ");
	for (unsigned i = 0; i <= LIMIT_SFTP_QUIET_S; i++)
		gateway_tick(env->gateway);
	assert_true(gateway_is_settled(env->gateway));
	assert_int_equal(env->n_opened, 0);
	log_in(env, &allowed, "230 ");
	log_in(env, &refused, "530 ");
	gatewayenv_command(env, "REIN", "220 ");
	log_in(env, &allowed, "230 ");
	gatewayenv_command(env, "PWD", "257 ");
	assert_int_equal(env->n_opened, 1);
}

static void
test_quit_without_a_channel(void **state)
{
	struct gatewayenv *env = *state;

	connect_to_check(env);
	gatewayenv_command(env, "QUIT", "221 ");
	assert_int_equal(env->ended, 1);
	assert_true(gateway_is_settled(env->gateway));
	assert_int_equal(env->n_opened, 0);
}

static void
test_refused_channel(void **state)
{
	struct gatewayenv *env = *state;

	env->refuse_first = true;
	connect_to_check(env);
	gatewayenv_command(env, "USER joe", "331 ");
	gatewayenv_say(env, "PASS secret");
	gateway_login_done(env->gateway, &allowed);
	GATEWAYENV_UNTIL(env, env->ended > 0);
	assert_string_equal(env->failed, "refused");
	assert_false(env->was_up);
	assert_int_equal(buf_len(&env->replies), 0);
}

static void
test_no_such_directory_of_the_tunnel(void **state)
{
	struct gatewayenv *env = *state;

	env->config.directory = "/none/of/these";
	connect_to_check(env);
	gatewayenv_command(env, "USER joe", "331 ");
	gatewayenv_say(env, "PASS secret");
	gateway_login_done(env->gateway, &allowed);
	GATEWAYENV_UNTIL(env, env->ended > 0);
	assert_string_equal(env->failed,
	    "the SFTP server has no directory /none/of/these: No such file or "
	    "directory");
	assert_false(env->was_up);
}

/* The client goes while the channel is being opened. */
static void
test_end_during_the_login(void **state)
{
	struct gatewayenv *env = *state;

	connect_to_check(env);
	gatewayenv_command(env, "USER joe", "331 ");
	gatewayenv_say(env, "PASS secret");
	gateway_login_done(env->gateway, &allowed);
	GATEWAYENV_UNTIL(env, !gateway_is_settled(env->gateway));
	gateway_control_end(env->gateway);
	assert_int_equal(env->ended, 1);
	GATEWAYENV_UNTIL(env, gateway_is_settled(env->gateway));
	assert_int_equal(buf_len(&env->replies), 0);
}

/* Commands behind PASS wait for the answer. */
static void
test_pipelined(void **state)
{
	struct gatewayenv *env = *state;

	connect_to_check(env);
	gatewayenv_say(env, "USER joe");
	gatewayenv_say(env, "PASS secret");
	gatewayenv_say(env, "PWD");
	gatewayenv_say(env, "QUIT");
	gatewayenv_expect(env, "331 ");
	assert_int_equal(buf_len(&env->replies), 0);
	gateway_login_done(env->gateway, &allowed);
	gatewayenv_expect(env, "230 ");
	gatewayenv_expect(env, "257 ");
	gatewayenv_expect(env, "221 ");
	assert_int_equal(env->ended, 1);
	gateway_login_done(env->gateway, &allowed);
}

static void
test_no_memory(void **state)
{
	struct gatewayenv *env = *state;

	env->no_login = true;
	connect_to_check(env);
	gatewayenv_command(env, "USER joe", "331 ");
	gatewayenv_command(env, "PASS secret", "451 ");
	gatewayenv_command(env, "PWD", "530 ");
}

static void
test_too_many_failures(void **state)
{
	static const struct gateway_login end = { .end = true };
	struct gatewayenv *env = *state;

	connect_to_check(env);
	log_in(env, &end, "421 ");
	assert_int_equal(env->ended, 1);
	assert_string_equal(env->failed, "");
	gatewayenv_say(env, "NOOP");
	assert_int_equal(buf_len(&env->replies), 0);
}

static void
test_read_only(void **state)
{
	static const struct gateway_login login = { true, false, "", true,
		NULL };
	static const char *const changes[] = { "APPE f", "DELE f", "MKD a",
		"MFMT 20261130093700 f", "MDTM 20261130093700 f", "RMD a",
		"RNFR f", "RNTO g", "SITE CHMOD 600 f", "STOR f", "STOU",
		"XMKD a", "XRMD a" };
	struct gatewayenv *env = *state;

	connect_to_check(env);
	gatewayenv_put(env, "f", "abc", 3);
	assert_int_equal(mkdir(gatewayenv_path(env, "a"), 0700), 0);
	log_in(env, &login, "230 ");
	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++)
		gatewayenv_command(env, changes[i],
		    "550 This user may not change anything.");
	gatewayenv_command(env, "MDTM f", "213 ");
	gatewayenv_command(env, "SITE UMASK 022", "200 ");
	gatewayenv_command(env, "HASH f", "213 ");
	gatewayenv_download(env, "RETR f", "226 ");
	gatewayenv_received(env, "abc", 3);
	assert_int_equal(gatewayenv_count(env), 2);
	/* The next user may. */
	log_in(env, &allowed, "230 ");
	gatewayenv_command(env, "DELE f", "250 ");
}

/* A home: where the session begins, what "~" is, and what is not left. */
static void
test_directory(void **state)
{
	struct gatewayenv *env = *state;
	char reply[80], whole[80];

	log_in_to(env, "joe");
	snprintf(reply, sizeof(reply), "257 \"%s/joe\" ", env->directory);
	gatewayenv_command(env, "PWD", reply);
	gatewayenv_command(env, "SIZE inside", "213 2");
	gatewayenv_command(env, "MKD a", "257 ");
	gatewayenv_command(env, "CWD a", "250 ");
	gatewayenv_command(env, "SIZE ../inside", "213 2");
	gatewayenv_command(env, "SIZE ~/inside", "213 2");
	snprintf(whole, sizeof(whole), "SIZE %s/joe/inside", env->directory);
	gatewayenv_command(env, whole, "213 2");
	gatewayenv_command(env, "CDUP", "250 ");
	gatewayenv_command(env, "PWD", reply);
	gatewayenv_command(env, "CDUP", "550 Not permitted.\r\n");
	gatewayenv_command(env, "CWD a", "250 ");
	gatewayenv_command(env, "CWD ~", "250 ");
	gatewayenv_command(env, "PWD", reply);
	gatewayenv_command(env, "MLST .", "250-");
	gatewayenv_data(env);
	gatewayenv_say(env, "NLST ~");
	gatewayenv_expect(env, "150 ");
	gatewayenv_expect(env, "226 ");
	assert_non_null(strstr(gatewayenv_listing(env), "inside"));
	/* Another user has another one, or none. */
	gatewayenv_command(env, "REIN", "220 ");
	log_in(env, &allowed, "230 ");
	gatewayenv_command(env, "SIZE outside", "213 3");
}

static void
test_directory_is_not_left(void **state)
{
	static const char *const lines[] = { "SIZE ../outside",
		"SIZE a/../../outside", "SIZE /etc/passwd", "CWD ..", "CWD /",
		"CWD ../joe2", "RETR ../outside", "NLST ..", "NLST ../*",
		"LIST -a /", "MLSD /", "STAT ..", "MLST ..", "STOR ../new",
		"APPE ../outside", "STOU ../new", "DELE ../outside", "MKD ../a",
		"RMD ../joe2", "RNFR ../outside", "SITE CHMOD 600 ../outside",
		"MFMT 20261130093700 ../outside",
		"MDTM 20261130093700 ../outside", "MDTM ../outside",
		"HASH ../outside", "AVBL ..",
		/* The directory itself belongs to the one above. */
		"RNFR .", "DELE .", "RMD ~", "STOR .", "SITE CHMOD 600 .",
		"MFMT 20261130093700 .", "MDTM 20261130093700 .",
		/* What Windows takes for "..". */
		"SIZE a\\..\\..\\..\\outside", "SIZE a/.. /.. /x",
		"SIZE .../x" };
	struct gatewayenv *env = *state;

	log_in_to(env, "joe");
	assert_int_equal(mkdir(gatewayenv_path(env, "joe2"), 0700), 0);
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		gatewayenv_data(env);
		gatewayenv_command(env, lines[i], "550 Not permitted.\r\n");
	}
	gatewayenv_command(env, "RNFR inside", "350 ");
	gatewayenv_command(env, "RNTO ../inside", "550 Not permitted.\r\n");
	gatewayenv_check(env, "outside", "abc", 3);
	assert_int_equal(gatewayenv_count(env), 3);
}

static void
test_absolute_directory(void **state)
{
	struct gatewayenv *env = *state;
	char path[80];

	snprintf(path, sizeof(path), "%s/joe/", env->directory);
	log_in_to(env, path);
	gatewayenv_command(env, "SIZE inside", "213 2");
	gatewayenv_command(env, "SIZE ../outside", "550 Not permitted.");
}

static void
test_root_as_directory(void **state)
{
	struct gatewayenv *env = *state;
	char line[80];

	log_in_to(env, "/");
	gatewayenv_command(env, "PWD", "257 \"/\" ");
	snprintf(line, sizeof(line), "SIZE %s/outside", env->directory);
	gatewayenv_command(env, line, "213 3");
}

static void
test_directory_that_cannot_be_used(void **state)
{
	static const struct gateway_login none = { true, false, "none", false,
		NULL };
	static const struct gateway_login file = { true, false, "file", false,
		NULL };
	struct gatewayenv *env = *state;
	char name[5000] = "";

	connect_to_check(env);
	gatewayenv_put(env, "file", "abc", 3);
	log_in(env, &none,
	    "530 Your directory on the SFTP server cannot be used: No such "
	    "file or directory.\r\n");
	gatewayenv_command(env, "PWD", "530 ");
	log_in(env, &file,
	    "530 Your directory on the SFTP server cannot be used: It is not a "
	    "directory.\r\n");
	gatewayenv_command(env, "SIZE file", "530 ");
	memset(name, 'x', sizeof(name) - 1);
	log_in(env, &(struct gateway_login) { true, false, name, false, NULL },
	    "530 Your directory on the SFTP server cannot be used: Its name is "
	    "too long.\r\n");
	log_in(env, &allowed, "230 ");
	gatewayenv_command(env, "SIZE file", "213 3");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		GATEWAY_TEST(test_answers),
		GATEWAY_TEST(test_channel_comes_with_the_login),
		GATEWAY_TEST(test_quit_without_a_channel),
		GATEWAY_TEST(test_refused_channel),
		GATEWAY_TEST(test_no_such_directory_of_the_tunnel),
		GATEWAY_TEST(test_end_during_the_login),
		GATEWAY_TEST(test_pipelined),
		GATEWAY_TEST(test_no_memory),
		GATEWAY_TEST(test_too_many_failures),
		GATEWAY_TEST(test_read_only),
		GATEWAY_TEST(test_directory),
		GATEWAY_TEST(test_directory_is_not_left),
		GATEWAY_TEST(test_absolute_directory),
		GATEWAY_TEST(test_root_as_directory),
		GATEWAY_TEST(test_directory_that_cannot_be_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
