/*
 * Sessions of the gateway that outlive their connection: OpenSSH's sftp-server
 * is killed, and another one takes its place.
 */
#include <fcntl.h>
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

#define SIZE (12 * 1024 * 1024)

static void
survive_start(struct gatewayenv *env, unsigned channels)
{
	env->config.survive_s = 5;
	env->config.channels = channels;
	env->window = 2 * 1024 * 1024;
	env->turn_ms = LIMIT_SFTP_SPREAD_MS;
	gatewayenv_start(env);
	gatewayenv_put(env, "f", "old", 3);
	gatewayenv_command(env, "TYPE I", "200 ");
}

/* The connection is lost; the next one comes with the next turn. */
static void
lose(struct gatewayenv *env)
{
	unsigned resumed = env->n_resumed;

	gatewayenv_kill(env, 0);
	assert_true(gateway_is_away(env->gateway));
	gateway_tick(env->gateway);
	GATEWAYENV_UNTIL(env, env->n_resumed > resumed);
	assert_false(gateway_is_away(env->gateway));
}

static void
test_commands(void **state)
{
	struct gatewayenv *env = *state;

	survive_start(env, 1);
	gatewayenv_command(env, "MKD d", "257 ");
	gatewayenv_command(env, "CWD d", "250 ");
	gatewayenv_kill(env, 0);
	gatewayenv_command(env, "NOOP", "200 ");
	gatewayenv_say(env, "SIZE ../f");
	gateway_tick(env->gateway);
	gatewayenv_expect(env, "213 3");
	lose(env);
	gatewayenv_command(env, "CDUP", "250 ");
	assert_int_equal(env->n_paused, 2);
	assert_int_equal(env->n_resumed, 2);
}

/* The reply to a request is lost; the server has not got it. */
static void
lose_request(struct gatewayenv *env, const char *line)
{
	assert_int_equal(kill(env->channels[0].pid, SIGSTOP), 0);
	gatewayenv_say(env, line);
	gatewayenv_kill(env, 0);
}

static void
test_changes(void **state)
{
	struct gatewayenv *env = *state;

	survive_start(env, 1);
	lose_request(env, "DELE f");
	gateway_tick(env->gateway);
	gatewayenv_expect(env, "450 ");
	gatewayenv_check(env, "f", "old", 3);
	lose_request(env, "DELE f");
	assert_int_equal(unlink(gatewayenv_path(env, "f")), 0);
	gateway_tick(env->gateway);
	gatewayenv_expect(env, "250 ");
	lose_request(env, "MKD d");
	gateway_tick(env->gateway);
	gatewayenv_expect(env, "257 ");
	lose_request(env, "MKD d");
	gateway_tick(env->gateway);
	gatewayenv_expect(env, "450 ");
	gatewayenv_command(env, "RNFR d", "350 ");
	lose_request(env, "RNTO e");
	gateway_tick(env->gateway);
	gatewayenv_expect(env, "450 ");
	gatewayenv_command(env, "RNFR d", "350 ");
	lose_request(env, "RNTO e");
	assert_int_equal(rename(gatewayenv_path(env, "d"),
			     gatewayenv_path(env, "e")),
	    0);
	gateway_tick(env->gateway);
	gatewayenv_expect(env, "250 ");
}

/* Nothing comes in time: as without --survive. */
static void
test_too_late(void **state)
{
	struct gatewayenv *env = *state;
	uint8_t *bytes = gatewayenv_bytes(SIZE);

	survive_start(env, 1);
	gatewayenv_send_part(env, "STOR f", bytes, SIZE / 2);
	env->refuse_first = true;
	gatewayenv_kill(env, 0);
	for (unsigned i = 0; i < 6; i++) {
		assert_string_equal(env->failed, "");
		gateway_tick(env->gateway);
		if (env->failed[0] == '\0')
			gatewayenv_turn(env);
	}
	assert_string_not_equal(env->failed, "");
	assert_int_equal(env->n_left_over, 1);
	gatewayenv_expect(env, "426 ");
	gatewayenv_check(env, "f", "old", 3);
	free(bytes);
}

/* ABOR, or the end of the client, during the pause. */
static void
test_given_up(void **state)
{
	struct gatewayenv *env = *state;
	uint8_t *bytes = gatewayenv_bytes(SIZE);

	survive_start(env, 1);
	gatewayenv_send_part(env, "STOR f", bytes, SIZE / 2);
	gatewayenv_kill(env, 0);
	gatewayenv_say(env, "ABOR");
	gatewayenv_expect(env, "426 ");
	gatewayenv_expect(env, "226 ");
	gateway_tick(env->gateway);
	GATEWAYENV_UNTIL(env, env->n_resumed == 1);
	gatewayenv_command(env, "NOOP", "200 ");
	GATEWAYENV_UNTIL(env, gateway_is_settled(env->gateway));
	gatewayenv_check_undone(env);
	gatewayenv_send_part(env, "STOR f", bytes, SIZE / 2);
	gatewayenv_kill(env, 0);
	gateway_control_end(env->gateway);
	assert_int_equal(env->ended, 1);
	assert_true(gateway_is_settled(env->gateway));
	gateway_free(env->gateway);
	env->gateway = NULL;
	assert_int_equal(env->n_left_over, 1);
	free(bytes);
}

static void
test_download(void **state)
{
	struct gatewayenv *env = *state;
	uint8_t *bytes = gatewayenv_bytes(SIZE);

	survive_start(env, 1);
	gatewayenv_put(env, "f", bytes, SIZE);
	gatewayenv_data(env);
	gatewayenv_say(env, "RETR f");
	gatewayenv_expect(env, "150 ");
	for (unsigned i = 0; i < 20; i++) {
		GATEWAYENV_UNTIL(env,
		    buf_len(&env->received) >= i * (SIZE / 20));
		lose(env);
	}
	gatewayenv_expect(env, "226 ");
	gatewayenv_received(env, bytes, SIZE);
	free(bytes);
}

/* Whatever is another one afterwards is noticed. */
static void
test_changed(void **state)
{
	const struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	struct gatewayenv *env = *state;
	uint8_t *bytes = gatewayenv_bytes(SIZE);

	survive_start(env, 1);
	for (unsigned i = 0; i < 3; i++) {
		const char *path = gatewayenv_path(env, "f");

		gatewayenv_put(env, "f", bytes, SIZE);
		gatewayenv_data(env);
		gatewayenv_say(env, "RETR f");
		gatewayenv_expect(env, "150 ");
		GATEWAYENV_UNTIL(env, buf_len(&env->received) > 100000);
		if (i == 0)
			assert_int_equal(utimensat(AT_FDCWD, path, times, 0),
			    0);
		else if (i == 1)
			assert_int_equal(truncate(path, SIZE - 1), 0);
		else
			assert_int_equal(unlink(path), 0);
		lose(env);
		gatewayenv_expect(env, "426 ");
		gatewayenv_command(env, "NOOP", "200 ");
		assert_int_equal(env->data, ENV_DATA_RESET);
	}
	free(bytes);
}

static void
survive_upload(struct gatewayenv *env, const char *line, unsigned channels)
{
	uint8_t *bytes = gatewayenv_bytes(SIZE);

	gatewayenv_data(env);
	env->to_send = bytes;
	env->to_send_len = SIZE;
	env->eof_after = true;
	gatewayenv_say(env, line);
	gatewayenv_expect(env, "150 ");
	for (size_t i = 1; i < 10; i++) {
		GATEWAYENV_UNTIL(env,
		    env->to_send_len < SIZE - i * (SIZE / 10));
		if (i == 5 && channels > 1 &&
		    env->channels[1].state == ENV_CHANNEL_UP) {
			gatewayenv_kill(env, 1);
			gateway_tick(env->gateway);
		} else {
			lose(env);
		}
	}
	GATEWAYENV_UNTIL(env, env->eof_sent);
	lose(env);
	gatewayenv_expect(env, "226 ");
	free(bytes);
}

static void
test_upload(void **state)
{
	uint8_t *bytes = gatewayenv_bytes(SIZE);

	for (unsigned channels = 1; channels <= 4; channels++) {
		struct gatewayenv *env;

		assert_int_equal(gatewayenv_setup((void **)&env), 0);
		survive_start(env, channels);
		survive_upload(env, "STOR f", channels);
		gatewayenv_check(env, "f", bytes, SIZE);
		assert_int_equal(gatewayenv_count(env), 1);
		assert_int_equal(gatewayenv_teardown((void **)&env), 0);
	}
	free(bytes);
	(void)state;
}

static void
test_append(void **state)
{
	uint8_t *bytes = gatewayenv_bytes(SIZE);
	struct gatewayenv *env = *state;
	uint8_t *whole = malloc(SIZE + 3);

	assert_non_null(whole);
	memcpy(whole, "old", 3);
	memcpy(whole + 3, bytes, SIZE);
	survive_start(env, 1);
	survive_upload(env, "APPE f", 1);
	gatewayenv_check(env, "f", whole, SIZE + 3);
	free(whole);
	free(bytes);
}

/* The temporary file is shorter than what was confirmed. */
static void
test_shorter(void **state)
{
	struct gatewayenv *env = *state;
	uint8_t *bytes = gatewayenv_bytes(SIZE);
	char command[256];

	survive_start(env, 1);
	gatewayenv_send_part(env, "STOR f", bytes, SIZE / 2);
	snprintf(command, sizeof(command), "truncate -s 1000 %s/.culvert-*",
	    env->directory);
	assert_int_equal(system(command), 0);
	lose(env);
	gatewayenv_expect(env, "426 ");
	gatewayenv_check_undone(env);
	gatewayenv_upload(env, "STOR f", bytes, SIZE, "226 ");
	gatewayenv_check(env, "f", bytes, SIZE);
	free(bytes);
}

/* The listing begins with the same names, or it is cut. */
static void
test_listing(void **state)
{
	struct gatewayenv *env = *state;
	unsigned n = 0;
	char name[32];

	survive_start(env, 1);
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "name-%04u", i);
		gatewayenv_put(env, name, "", 0);
	}
	gatewayenv_data(env);
	gatewayenv_say(env, "NLST");
	gatewayenv_expect(env, "150 ");
	GATEWAYENV_UNTIL(env, buf_len(&env->received) > 3000);
	lose(env);
	gatewayenv_expect(env, "226 ");
	for (const char *at = gatewayenv_listing(env);
	     (at = strstr(at, "name-")) != NULL; at++)
		n++;
	assert_int_equal(n, 1000);
	gatewayenv_data(env);
	gatewayenv_say(env, "NLST");
	gatewayenv_expect(env, "150 ");
	GATEWAYENV_UNTIL(env, buf_len(&env->received) > 3000);
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "name-%04u", i);
		assert_int_equal(unlink(gatewayenv_path(env, name)), 0);
	}
	lose(env);
	gatewayenv_expect(env, "426 ");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		GATEWAY_TEST(test_commands),
		GATEWAY_TEST(test_changes),
		GATEWAY_TEST(test_too_late),
		GATEWAY_TEST(test_given_up),
		GATEWAY_TEST(test_download),
		GATEWAY_TEST(test_changed),
		cmocka_unit_test(test_upload),
		GATEWAY_TEST(test_append),
		GATEWAY_TEST(test_shorter),
		GATEWAY_TEST(test_listing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
