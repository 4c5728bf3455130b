/*
 * Downloads of the gateway from OpenSSH's sftp-server: RETR and HASH.
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

#include "gateway/priv.h"
#include "gatewayenv.h"
#include "limits.h"

static void
test_sizes(void **state)
{
	static const size_t sizes[] = { 0, 1, 255, 32767, 32768, 32769, 261120,
		261121, 5000000 };
	uint8_t *bytes = gatewayenv_bytes(5000000);
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	gatewayenv_command(env, "TYPE I", "200 ");
	for (unsigned packet = 0; packet < 3; packet++) {
		env->config.max_packet = packet * 1000;
		env->config.requests = 1 + 20 * packet;
		for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
			gatewayenv_put(env, "f", bytes, sizes[i]);
			gatewayenv_download(env, "RETR f", "226 ");
			gatewayenv_received(env, bytes, sizes[i]);
		}
	}
	free(bytes);
}

/* When the server has used the same handle twice, the next file needs one
 * round trip. */
static void
test_early(void **state)
{
	uint8_t *bytes = gatewayenv_bytes(100000);
	struct gatewayenv *env = *state;
	size_t sent;

	gatewayenv_start(env);
	gatewayenv_command(env, "TYPE I", "200 ");
	for (unsigned i = 0; i < 6; i++) {
		gatewayenv_put(env, "f", bytes + i, 1000 * i);
		assert_int_equal(kill(env->channels[0].pid, SIGSTOP), 0);
		gatewayenv_data(env);
		sent = env->channels[0].sent;
		gatewayenv_say(env, "RETR f");
		/* OPEN; FSTAT, two READs. */
		sent = env->channels[0].sent - sent;
		assert_true(i < 2 ? sent < 60 : sent > 100);
		assert_int_equal(kill(env->channels[0].pid, SIGCONT), 0);
		gatewayenv_expect(env, "150 ");
		gatewayenv_expect(env, "226 ");
		gatewayenv_received(env, bytes + i, 1000 * i);
	}
	free(bytes);
}

/* 10 */
static void
test_restart(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	gatewayenv_put(env, "f", "0123456789", 10);
	gatewayenv_command(env, "REST 3", "350 ");
	gatewayenv_download(env, "RETR f", "504 ");
	gatewayenv_command(env, "TYPE I", "200 ");
	gatewayenv_command(env, "REST 3", "350 ");
	gatewayenv_download(env, "RETR f", "226 ");
	gatewayenv_received(env, "3456789", 7);
	gatewayenv_download(env, "RETR f", "226 ");
	gatewayenv_received(env, "0123456789", 10);
	gatewayenv_command(env, "REST 10", "350 ");
	gatewayenv_download(env, "RETR f", "226 ");
	gatewayenv_received(env, "", 0);
	gatewayenv_command(env, "REST 11", "350 ");
	gatewayenv_download(env, "RETR f", "551 ");
}

/* 12 */
static void
test_line_ends(void **state)
{
	struct gatewayenv *env = *state;

	env->config.max_packet = 1;
	gatewayenv_start(env);
	gatewayenv_put(env, "f", "a\nb\r\nc\r", 7);
	gatewayenv_download(env, "RETR f", "226 ");
	gatewayenv_received(env, "a\r\nb\r\r\nc\r", 9);
	env->config.newline = NEWLINE_CRLF;
	gatewayenv_download(env, "RETR f", "226 ");
	gatewayenv_received(env, "a\r\nb\r\nc\r", 8);
	env->config.newline = NEWLINE_NONE;
	gatewayenv_download(env, "RETR f", "226 ");
	gatewayenv_received(env, "a\nb\r\nc\r", 7);
}

static void
test_refused(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	gatewayenv_download(env, "RETR none", "550 No such file");
	gatewayenv_download(env, "RETR .", "550 It is a directory.");
	gatewayenv_command(env, "HASH none", "550 No such file");
	gatewayenv_command(env, "HASH .", "550 It is a directory.");
}

/* 22: what a server does not permit is not needed. */
static void
test_without_fstat(void **state)
{
	uint8_t *bytes = gatewayenv_bytes(1000000);
	struct gatewayenv *env = *state;

	env->denied = "stat,lstat,fstat";
	gatewayenv_start(env);
	gatewayenv_command(env, "TYPE I", "200 ");
	gatewayenv_put(env, "f", bytes, 1000000);
	gatewayenv_download(env, "RETR f", "226 ");
	gatewayenv_received(env, bytes, 1000000);
	gatewayenv_put(env, "f", "", 0);
	gatewayenv_download(env, "RETR f", "226 ");
	gatewayenv_received(env, "", 0);
	free(bytes);
}

/* 19 */
static void
test_hash(void **state)
{
	struct gatewayenv *env = *state;
	char reply[200];

	gatewayenv_start(env);
	gatewayenv_put(env, "f", "abc", 3);
	snprintf(reply, sizeof(reply),
	    "213 SHA-256 0-3 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb4"
	    "10ff61f20015ad \"%s/f\"\r\n",
	    env->directory);
	gatewayenv_command(env, "HASH f", reply);
	gatewayenv_put(env, "f", "", 0);
	gatewayenv_command(env, "HASH f", "213 SHA-256 0-0 e3b0c442");
	gatewayenv_say(env, "HASH f");
	gatewayenv_say(env, "ABOR");
	gatewayenv_expect(env, "426 ");
	gatewayenv_expect(env, "226 ");
}

/* 4 */
static void
test_cut(void **state)
{
	uint8_t *bytes = gatewayenv_bytes(1000000);
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	gatewayenv_put(env, "f", bytes, 1000000);
	for (unsigned i = 0; i < 3; i++) {
		gatewayenv_data(env);
		gatewayenv_say(env, "RETR f");
		if (i > 0)
			gatewayenv_expect(env, "150 ");
		if (i < 2) {
			gatewayenv_say(env, "ABOR");
			gatewayenv_expect(env, "426 The transfer was aborted.");
			gatewayenv_expect(env, "226 ");
			assert_int_equal(env->data, ENV_DATA_RESET);
		} else {
			env->data = ENV_DATA_NONE;
			gateway_data_lost(env->gateway);
			gatewayenv_expect(env, "426 The data connection was");
		}
	}
	gatewayenv_command(env, "SIZE f", "213 1000000");
	GATEWAYENV_UNTIL(env, gateway_is_settled(env->gateway));
	free(bytes);
}

/* A client that takes nothing stops the READs, and the channel. */
static void
test_slow_client(void **state)
{
	struct gatewayenv *env = *state;
	size_t size = 50000000, most = LIMIT_HIGH_WATER + 65 * 261120;

	gatewayenv_start(env);
	gatewayenv_command(env, "TYPE I", "200 ");
	gatewayenv_put(env, "f", "", 0);
	assert_int_equal(truncate(gatewayenv_path(env, "f"), (off_t)size), 0);
	env->room = 0;
	gatewayenv_data(env);
	gatewayenv_say(env, "RETR f");
	gatewayenv_expect(env, "150 ");
	GATEWAYENV_UNTIL(env, env->channels[0].stopped);
	assert_in_range(buf_len(&env->received), LIMIT_HIGH_WATER, most);
	env->room = SIZE_MAX;
	gateway_data_drained(env->gateway);
	gatewayenv_expect(env, "226 ");
	assert_int_equal(buf_len(&env->received), size);
}

/* The reply to the first READ is late: what comes before it waits, and is not
 * the whole file. */
static void
test_late_reply(void **state)
{
	uint8_t *bytes = gatewayenv_bytes(20000000);
	struct gatewayenv *env = *state;

	env->config.requests = 8;
	env->hold_data = true;
	gatewayenv_start(env);
	gatewayenv_command(env, "TYPE I", "200 ");
	gatewayenv_put(env, "f", bytes, 20000000);
	gatewayenv_data(env);
	gatewayenv_say(env, "RETR f");
	gatewayenv_expect(env, "150 ");
	while (env->n_data < 8)
		gatewayenv_turn(env);
	/* Nothing else was requested. */
	gatewayenv_say(env, "NOOP");
	assert_int_equal(buf_len(&env->channels[0].out), 0);
	assert_int_equal(sftp_pending(env->gateway->channels[0].sftp), 1);
	assert_int_equal(buf_len(&env->received), 0);
	gatewayenv_pass_held(env);
	gatewayenv_expect(env, "226 ");
	gatewayenv_received(env, bytes, 20000000);
	free(bytes);
}

/* The second READ finds the end, the third one more, because the file has grown
 * in between; the reply to the first one comes last.  There is no gap in what
 * the client gets. */
static void
test_growing_file(void **state)
{
	enum {
		ONE_READ = 29,
		THREE_REQUESTS = 17 + 2 * ONE_READ
	};
	uint8_t *bytes = gatewayenv_bytes(600000);
	struct gatewayenv *env = *state;

	env->config.max_packet = 20000;
	env->hold_data = true;
	gatewayenv_start(env);
	gatewayenv_command(env, "TYPE I", "200 ");
	gatewayenv_put(env, "f", bytes, 30000);
	gatewayenv_data(env);
	gatewayenv_say(env, "RETR f");
	GATEWAYENV_UNTIL(env, buf_len(&env->channels[0].out) == THREE_REQUESTS);
	gatewayenv_turn(env);
	env->channels[0].kept = ONE_READ;
	GATEWAYENV_UNTIL(env, env->n_data == 2);
	assert_int_equal(buf_len(&env->channels[0].out), ONE_READ);
	gatewayenv_put(env, "f", bytes, 600000);
	env->channels[0].kept = 0;
	GATEWAYENV_UNTIL(env, env->n_data == 3);
	gatewayenv_pass_held(env);
	gatewayenv_expect(env, "150 ");
	gatewayenv_expect(env, "226 ");
	gatewayenv_received(env, bytes, 600000);
	free(bytes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		GATEWAY_TEST(test_sizes),
		GATEWAY_TEST(test_early),
		GATEWAY_TEST(test_restart),
		GATEWAY_TEST(test_line_ends),
		GATEWAY_TEST(test_refused),
		GATEWAY_TEST(test_without_fstat),
		GATEWAY_TEST(test_hash),
		GATEWAY_TEST(test_cut),
		GATEWAY_TEST(test_slow_client),
		GATEWAY_TEST(test_late_reply),
		GATEWAY_TEST(test_growing_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
