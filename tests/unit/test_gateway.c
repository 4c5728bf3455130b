/*
 * The life of a session of the gateway's core.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "gatewayenv.h"
#include "limits.h"

static void
tick(struct gatewayenv *env, unsigned seconds)
{
	for (unsigned i = 0; i < seconds; i++)
		gateway_tick(env->gateway);
}

static void
test_quit(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	gatewayenv_command(env, "EPSV", "229 ");
	gatewayenv_command(env, "QUIT", "221 ");
	assert_int_equal(env->data, ENV_DATA_RESET);
	assert_int_equal(env->ended, 1);
	assert_string_equal(env->failed, "");
	gatewayenv_say(env, "NOOP");
	assert_int_equal(buf_len(&env->replies), 0);
	gateway_control_end(env->gateway);
}

/* Only some commands are obeyed before the login; any password is good. */
static void
test_login(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_connect(env);
	gatewayenv_expect(env, "220 ");
	gatewayenv_command(env, "PWD", "530 ");
	gatewayenv_command(env, "EPSV", "530 ");
	gatewayenv_command(env, "STOR f", "530 ");
	gatewayenv_command(env, "PASS x", "503 ");
	gatewayenv_command(env, "SYST", "215 UNIX Type: L8\r\n");
	gatewayenv_command(env, "USER", "501 ");
	gatewayenv_command(env, "user a", "331 ");
	gatewayenv_command(env, "ACCT x", "202 ");
	gatewayenv_command(env, "PWD", "530 ");
	gatewayenv_command(env, "PASS ", "230 ");
	gatewayenv_command(env, "PWD", "257 ");
	gatewayenv_command(env, "SITE UMASK 0", "200 The umask is 000.");
	gatewayenv_command(env, "OPTS MLST size;", "200 MLST OPTS size;\r\n");
	gatewayenv_command(env, "REIN", "220 ");
	gatewayenv_command(env, "PWD", "530 ");
	gatewayenv_command(env, "USER b", "331 ");
	gatewayenv_command(env, "PASS x", "230 ");
	gatewayenv_command(env, "SITE UMASK",
	    "200 The umask is the SFTP server's.");
	gatewayenv_command(env, "MLST", "250-Listing:\r\n type=dir;");
	gatewayenv_command(env, "REIN", "220 ");
	gatewayenv_command(env, "XYZZY", "502 ");
	gatewayenv_command(env, "", "502 ");
}

static void
test_no_such_directory(void **state)
{
	struct gatewayenv *env = *state;

	env->config.directory = "/none/of/these";
	gatewayenv_connect(env);
	assert_string_equal(env->failed,
	    "the SFTP server has no directory /none/of/these: No such file or "
	    "directory");
	assert_int_equal(buf_len(&env->replies), 0);
}

/* OpenSSH's REALPATH accepts what does not exist in a directory that does. */
static void
test_no_such_last_directory(void **state)
{
	static const char *const names[] = { "none", "file" };

	for (size_t i = 0; i < 2; i++) {
		char directory[200], why[300];
		struct gatewayenv *env;

		assert_int_equal(gatewayenv_setup((void **)&env), 0);
		gatewayenv_put(env, "file", "", 0);
		snprintf(directory, sizeof(directory), "%s/%s", env->directory,
		    names[i]);
		snprintf(why, sizeof(why),
		    "the SFTP server has no directory %s: %s", directory,
		    i == 0 ? "No such file or directory" :
			     "It is not a directory");
		env->config.directory = directory;
		gatewayenv_connect(env);
		assert_string_equal(env->failed, why);
		assert_int_equal(buf_len(&env->replies), 0);
		assert_int_equal(gatewayenv_teardown((void **)&env), 0);
	}
	(void)state;
}

/* Without a directory, sessions begin where the server's do. */
static void
test_home_of_the_server(void **state)
{
	struct gatewayenv *env = *state;
	char reply[200];

	env->config.directory = "";
	gatewayenv_start(env);
	snprintf(reply, sizeof(reply), "257 \"%s\" ", env->directory);
	gatewayenv_command(env, "PWD", reply);
	gatewayenv_command(env, "CWD /", "250 ");
	gatewayenv_command(env, "CWD ~", "250 ");
	gatewayenv_command(env, "PWD", reply);
}

/* The client goes before there is a greeting: then there is none. */
static void
test_end_before_the_greeting(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_begin(env);
	GATEWAYENV_UNTIL(env, !gateway_is_settled(env->gateway));
	gateway_control_end(env->gateway);
	assert_int_equal(env->ended, 1);
	GATEWAYENV_UNTIL(env, gateway_is_settled(env->gateway));
	assert_int_equal(buf_len(&env->replies), 0);
}

/* Commands are obeyed in order, however they come. */
static void
test_pipelined_commands(void **state)
{
	struct gatewayenv *env = *state;
	static const char lines[] = "MKD a\r\nCWD a\r\nMKD b\nRMD b\r\nPWD\r\n";

	gatewayenv_start(env);
	for (size_t i = 0; i < sizeof(lines) - 1; i++)
		gateway_control(env->gateway, lines + i, 1);
	gatewayenv_expect(env, "257 ");
	gatewayenv_expect(env, "250 ");
	gatewayenv_expect(env, "257 ");
	gatewayenv_expect(env, "250 ");
	gatewayenv_expect(env, "257 ");
}

static void
test_long_line(void **state)
{
	struct gatewayenv *env = *state;
	char line[LIMIT_GATEWAY_LINE + 1];

	gatewayenv_start(env);
	memset(line, 'x', sizeof(line));
	gateway_control(env->gateway, line, sizeof(line));
	assert_string_equal(env->failed, "a command is too long");
}

static void
test_too_many_commands(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	gatewayenv_say(env, "MKD a");
	for (size_t i = 0; env->ended == 0 && i <= LIMIT_GATEWAY_INPUT / 6; i++)
		gatewayenv_say(env, "NOOP");
	assert_string_equal(env->failed, "too many commands at a time");
	GATEWAYENV_UNTIL(env, gateway_is_settled(env->gateway));
	assert_int_equal(buf_len(&env->replies), 0);
}

/* The client closes the connection behind QUIT: it is served to the end. */
static void
test_end_behind_quit(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	gatewayenv_data(env);
	env->to_send = (const uint8_t *)"abc";
	env->to_send_len = 3;
	env->eof_after = true;
	gatewayenv_say(env, "STOR f");
	gatewayenv_say(env, "quit");
	gateway_control_end(env->gateway);
	gatewayenv_expect(env, "150 ");
	gatewayenv_expect(env, "226 ");
	gatewayenv_expect(env, "221 ");
	assert_int_equal(env->ended, 1);
	gatewayenv_check(env, "f", "abc", 3);
}

/* The same behind something that only looks so. */
static void
test_end_behind_the_name_quit(void **state)
{
	static const char *const lines[] = { "MKD QUIT", "XQUIT", "NOOP" };

	for (size_t i = 0; i < 3; i++) {
		struct gatewayenv *env;

		assert_int_equal(gatewayenv_setup((void **)&env), 0);
		gatewayenv_start(env);
		gatewayenv_say(env, "MKD a");
		gatewayenv_say(env, lines[i]);
		gateway_control_end(env->gateway);
		assert_int_equal(env->ended, 1);
		assert_int_equal(gatewayenv_teardown((void **)&env), 0);
	}
	(void)state;
}

static void
test_lost_channel(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	gatewayenv_say(env, "MKD a");
	gatewayenv_kill(env, 0);
	gatewayenv_expect(env, "426 The SSH connection was lost.");
	assert_string_equal(env->failed, "lost");
	assert_true(env->was_up);
	assert_true(gateway_is_settled(env->gateway));
}

/* 20: the server would end a connection without requests. */
static void
test_quiet_session_sends_requests(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	for (unsigned i = 0; i < 3; i++) {
		tick(env, LIMIT_SFTP_QUIET_S - 1);
		assert_true(gateway_is_settled(env->gateway));
		tick(env, 1);
		assert_false(gateway_is_settled(env->gateway));
		GATEWAYENV_UNTIL(env, gateway_is_settled(env->gateway));
		gatewayenv_command(env, "NOOP", "200 ");
	}
	tick(env, LIMIT_SFTP_QUIET_S - 1);
	gatewayenv_command(env, "SIZE none", "550 ");
	tick(env, LIMIT_SFTP_QUIET_S - 1);
	assert_true(gateway_is_settled(env->gateway));
}

/* A server that answers nothing: each command ends, later ones work. */
static void
test_server_that_does_not_answer(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	assert_int_equal(kill(env->channels[0].pid, SIGSTOP), 0);
	gatewayenv_say(env, "MKD a");
	tick(env, LIMIT_SFTP_REPLY_S - 1);
	assert_int_equal(buf_len(&env->replies), 0);
	tick(env, 1);
	gatewayenv_expect(env, "451 The SFTP server does not answer.");
	assert_int_equal(kill(env->channels[0].pid, SIGCONT), 0);
	gatewayenv_command(env, "MKD b", "257 ");
	gatewayenv_command(env, "RMD a", "250 ");
}

/* 4: ABOR is obeyed without a transfer, and while nothing has come. */
static void
test_abor(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	gatewayenv_command(env, "ABOR", "226 No transfer is running.");
	gatewayenv_command(env, "EPSV", "229 ");
	gatewayenv_command(env,
	    "\xff\xf4\xff\xf2"
	    "ABOR",
	    "226 No transfer is running.");
	assert_int_equal(env->data, ENV_DATA_RESET);
	gatewayenv_data(env);
	gatewayenv_say(env, "STOR f");
	gatewayenv_expect(env, "150 ");
	gatewayenv_say(env, "ABOR");
	gatewayenv_expect(env, "426 The transfer was aborted.");
	gatewayenv_expect(env, "226 No transfer is running.");
	assert_int_equal(env->data, ENV_DATA_RESET);
	GATEWAYENV_UNTIL(env, gateway_is_settled(env->gateway));
	assert_int_equal(gatewayenv_count(env), 0);
}

/* It is obeyed at once, and answered in its turn, also when it has come before
 * the transfer has begun. */
static void
test_abor_behind_other_commands(void **state)
{
	static const char lines[] = "STOR f\r\nNOOP\r\nPWD\r\nABOR\r\nNOOP\r\n";
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	gatewayenv_put(env, "f", "old", 3);
	for (size_t split = 0; split < sizeof(lines) - 1; split++) {
		gatewayenv_data(env);
		gateway_control(env->gateway, "MKD a\r\n", 7);
		gateway_control(env->gateway, lines, split);
		gateway_control(env->gateway, lines + split,
		    sizeof(lines) - 1 - split);
		gatewayenv_expect(env, "257 ");
		gatewayenv_expect(env, "426 The transfer was aborted.");
		gatewayenv_expect(env, "200 ");
		gatewayenv_expect(env, "257 ");
		gatewayenv_expect(env, "226 No transfer is running.");
		gatewayenv_expect(env, "200 ");
		gatewayenv_command(env, "RMD a", "250 ");
	}
	/* Later transfers are not concerned. */
	gatewayenv_upload(env, "STOR g", "new", 3, "226 ");
	gatewayenv_check(env, "f", "old", 3);
	assert_int_equal(gatewayenv_count(env), 2);
}

static void
test_abor_behind_quit(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	gatewayenv_put(env, "f", "old", 3);
	gatewayenv_data(env);
	gatewayenv_say(env, "STOR f");
	gatewayenv_expect(env, "150 ");
	gatewayenv_say(env, "QUIT");
	gatewayenv_say(env, "ABOR");
	gatewayenv_expect(env, "426 The transfer was aborted.");
	gatewayenv_expect(env, "221 ");
	assert_int_equal(env->ended, 1);
	GATEWAYENV_UNTIL(env, gateway_is_settled(env->gateway));
	gatewayenv_check(env, "f", "old", 3);
	assert_int_equal(gatewayenv_count(env), 1);
}

/* A client may send PASV and the transfer at once: it waits for its data
 * connection, with the REST before it; ABOR and QUIT end that. */
static void
test_early_transfers(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	gatewayenv_put(env, "file", "0123456789", 10);
	gatewayenv_command(env, "TYPE I", "200 ");
	gatewayenv_command(env, "EPSV", "229 ");
	gatewayenv_command(env, "REST 4", "350 ");
	gatewayenv_say(env, "RETR file");
	gatewayenv_say(env, "PWD");
	for (int s = 0; s < LIMIT_GATEWAY_DATA_S; s++)
		gateway_tick(env->gateway);
	assert_int_equal(buf_len(&env->replies), 0);
	env->data = ENV_DATA_OPEN;
	gateway_data_up(env->gateway);
	gatewayenv_expect(env, "150 ");
	gatewayenv_expect(env, "226 ");
	gatewayenv_expect(env, "257 ");
	gatewayenv_received(env, "456789", 6);
	gatewayenv_command(env, "EPSV", "229 ");
	gatewayenv_say(env, "STOR file");
	gatewayenv_say(env, "ABOR");
	gatewayenv_expect(env, "425 The transfer was aborted");
	gatewayenv_expect(env, "226 ");
	assert_int_equal(env->data, ENV_DATA_RESET);
	gatewayenv_command(env, "EPSV", "229 ");
	gatewayenv_say(env, "STOR file");
	gateway_data_lost(env->gateway);
	gatewayenv_expect(env, "425 The data connection was not made");
	gatewayenv_command(env, "EPSV", "229 ");
	gatewayenv_say(env, "STOR file");
	gateway_control_end(env->gateway);
	assert_int_equal(env->ended, 1);
	gatewayenv_check(env, "file", "0123456789", 10);
	assert_int_equal(gatewayenv_count(env), 1);
}

/* The SSH connection may be lost in the meantime. */
static void
test_early_transfer_lost(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	gatewayenv_command(env, "EPSV", "229 ");
	gatewayenv_say(env, "RETR file");
	gatewayenv_kill(env, 0);
	gatewayenv_expect(env, "425 The SSH connection was lost.");
	assert_string_equal(env->failed, "lost");
}

/* A transfer that fails before it begins ends its data connection, too. */
static void
test_refused_transfers(void **state)
{
	static const char *const transfers[] = { "STOR", "RETR", "APPE", "STOU",
		"LIST", "NLST", "MLSD" };
	struct gatewayenv *env = *state;
	char line[5000];

	gatewayenv_start(env);
	for (size_t i = 0; i < 7; i++) {
		gatewayenv_command(env, transfers[i],
		    i < 3 ? "501 " : "425 There is no data connection");
		/* Nobody has connected yet. */
		gatewayenv_command(env, "EPSV", "229 ");
		snprintf(line, sizeof(line), "%s x", transfers[i]);
		gatewayenv_say(env, line);
		for (int s = 0; s <= LIMIT_GATEWAY_DATA_S; s++)
			gateway_tick(env->gateway);
		gatewayenv_expect(env, "425 The data connection was not made");
		assert_int_equal(env->data, ENV_DATA_RESET);
		gatewayenv_data(env);
		memset(line + 4, 'x', sizeof(line) - 5);
		line[4] = ' ';
		line[sizeof(line) - 1] = '\0';
		gatewayenv_command(env, line, "553 ");
		assert_int_equal(env->data, ENV_DATA_RESET);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		GATEWAY_TEST(test_quit),
		GATEWAY_TEST(test_login),
		GATEWAY_TEST(test_no_such_directory),
		cmocka_unit_test(test_no_such_last_directory),
		GATEWAY_TEST(test_home_of_the_server),
		GATEWAY_TEST(test_end_before_the_greeting),
		GATEWAY_TEST(test_pipelined_commands),
		GATEWAY_TEST(test_long_line),
		GATEWAY_TEST(test_too_many_commands),
		GATEWAY_TEST(test_end_behind_quit),
		cmocka_unit_test(test_end_behind_the_name_quit),
		GATEWAY_TEST(test_lost_channel),
		GATEWAY_TEST(test_quiet_session_sends_requests),
		GATEWAY_TEST(test_server_that_does_not_answer),
		GATEWAY_TEST(test_abor),
		GATEWAY_TEST(test_abor_behind_other_commands),
		GATEWAY_TEST(test_abor_behind_quit),
		GATEWAY_TEST(test_early_transfers),
		GATEWAY_TEST(test_early_transfer_lost),
		GATEWAY_TEST(test_refused_transfers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
