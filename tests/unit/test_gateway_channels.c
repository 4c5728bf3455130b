/*
 * Uploads of the gateway over several SFTP channels: as many processes of
 * OpenSSH's sftp-server write to the same file.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gatewayenv.h"
#include "limits.h"

#define SIZE (24 * 1024 * 1024)

/* Enough to fill the window of one channel. */
#define FIRST (3 * 1024 * 1024)

static void
start(struct gatewayenv *env, unsigned channels)
{
	env->config.channels = channels;
	env->window = 2 * 1024 * 1024;
	env->turn_ms = LIMIT_SFTP_SPREAD_MS;
	gatewayenv_start(env);
	gatewayenv_put(env, "f", "old", 3);
	gatewayenv_command(env, "TYPE I", "200 ");
}

/* Sends a file until that many channels are open, and have WRITEs.  Meanwhile
 * servers do not answer WRITEs, as if they were far away. */
static void
begin(struct gatewayenv *env, const uint8_t *bytes, unsigned channels)
{
	bool stopped[GATEWAY_CHANNELS] = { false };

	gatewayenv_data(env);
	env->to_send = bytes;
	env->to_send_len = FIRST;
	gatewayenv_say(env, "STOR f");
	gatewayenv_expect(env, "150 ");
	GATEWAYENV_UNTIL(env, env->n_opened == channels);
	env->to_send_len += SIZE - FIRST;
	for (unsigned n = 0; n < channels; gatewayenv_turn(env))
		for (unsigned i = 0; i < channels; i++)
			if (!stopped[i] && env->channels[i].sent > 10000) {
				kill(env->channels[i].pid, SIGSTOP);
				stopped[i] = true;
				n++;
			}
	for (unsigned i = 0; i < channels; i++)
		GATEWAYENV_UNTIL(env,
		    env->channels[i].sent > 1000000 || env->to_send_len == 0);
	for (unsigned i = 0; i < channels; i++)
		assert_int_equal(kill(env->channels[i].pid, SIGCONT), 0);
	assert_int_equal(env->n_opened, channels);
}

/* The file is whole, and the channels are closed behind it. */
static void
test_spread(void **state)
{
	uint8_t *bytes = gatewayenv_bytes(SIZE);

	for (unsigned channels = 2; channels <= 7; channels++) {
		struct gatewayenv *env;

		assert_int_equal(gatewayenv_setup((void **)&env), 0);
		start(env, channels);
		begin(env, bytes, channels);
		env->eof_after = true;
		gatewayenv_expect(env, "226 ");
		gatewayenv_check(env, "f", bytes, SIZE);
		assert_int_equal(gatewayenv_count(env), 1);
		for (unsigned i = 1; i < GATEWAY_CHANNELS; i++)
			assert_int_equal(env->channels[i].state,
			    ENV_CHANNEL_NONE);
		/* And again. */
		gatewayenv_upload(env, "STOR g", bytes, SIZE, "226 ");
		gatewayenv_check(env, "g", bytes, SIZE);
		assert_int_equal(gatewayenv_teardown((void **)&env), 0);
	}
	free(bytes);
	(void)state;
}

/* One channel is enough for a small file, and for all that is written in
 * place. */
static void
test_one_channel(void **state)
{
	struct gatewayenv *env = *state;
	uint8_t *bytes = gatewayenv_bytes(SIZE);

	start(env, 7);
	gatewayenv_upload(env, "STOR f", bytes, 900000, "226 ");
	gatewayenv_upload(env, "APPE f", bytes, SIZE, "226 ");
	gatewayenv_upload(env, "STOU x", bytes, SIZE, "226 ");
	assert_int_equal(env->n_opened, 1);
	free(bytes);
}

/* The server permits no more channels, or opens the file only once. */
static void
test_refused_channels(void **state)
{
	uint8_t *bytes = gatewayenv_bytes(SIZE);

	for (unsigned i = 0; i < 2; i++) {
		struct gatewayenv *env;

		assert_int_equal(gatewayenv_setup((void **)&env), 0);
		start(env, 7);
		env->refuse_channels = i == 0;
		env->denied = "open";
		gatewayenv_upload(env, "STOR f", bytes, SIZE, "226 ");
		gatewayenv_check(env, "f", bytes, SIZE);
		assert_int_equal(env->n_opened, i == 0 ? 1 : 7);
		assert_int_equal(gatewayenv_teardown((void **)&env), 0);
	}
	free(bytes);
	(void)state;
}

/* What was written on a lost channel may be lost. */
static void
test_lost_channel(void **state)
{
	uint8_t *bytes = gatewayenv_bytes(SIZE);

	for (unsigned lost = 1; lost < 4; lost++) {
		struct gatewayenv *env;

		assert_int_equal(gatewayenv_setup((void **)&env), 0);
		start(env, 4);
		begin(env, bytes, 4);
		gatewayenv_kill(env, lost);
		gatewayenv_expect(env, "426 The SSH connection was lost.");
		gatewayenv_check_undone(env);
		assert_int_equal(env->ended, 0);
		gatewayenv_upload(env, "STOR f", bytes, SIZE, "226 ");
		gatewayenv_check(env, "f", bytes, SIZE);
		assert_int_equal(gatewayenv_teardown((void **)&env), 0);
	}
	free(bytes);
	(void)state;
}

/* A channel is lost whose WRITEs have all been answered. */
static void
test_lost_idle_channel(void **state)
{
	struct gatewayenv *env = *state;
	uint8_t *bytes = gatewayenv_bytes(SIZE);

	start(env, 3);
	begin(env, bytes, 3);
	GATEWAYENV_UNTIL(env, gatewayenv_is_idle(env));
	gatewayenv_kill(env, 2);
	gatewayenv_expect(env, "426 A channel of the upload was lost.");
	gatewayenv_check_undone(env);
	free(bytes);
}

static unsigned
further_channels(const struct gatewayenv *env)
{
	unsigned n = 0;

	for (unsigned i = 1; i < GATEWAY_CHANNELS; i++)
		n += env->channels[i].state != ENV_CHANNEL_NONE;
	return n;
}

/* The channels are needed elsewhere: while they are opened, in the middle, or
 * when everything was sent. */
static void
test_yield(void **state)
{
	uint8_t *bytes = gatewayenv_bytes(SIZE);

	for (unsigned i = 0; i < 3; i++) {
		struct gatewayenv *env;

		assert_int_equal(gatewayenv_setup((void **)&env), 0);
		start(env, 5);
		if (i == 0) {
			gatewayenv_data(env);
			env->to_send = bytes;
			env->to_send_len = FIRST;
			gatewayenv_say(env, "STOR f");
			gatewayenv_expect(env, "150 ");
			GATEWAYENV_UNTIL(env, further_channels(env) > 0);
			env->to_send_len += SIZE - FIRST;
		} else {
			begin(env, bytes, 5);
		}
		if (i == 2)
			GATEWAYENV_UNTIL(env, env->to_send_len == 0);
		else
			assert_int_not_equal(env->to_send_len, 0);
		env->eof_after = i == 2;
		gateway_yield(env->gateway);
		if (i < 2)
			GATEWAYENV_UNTIL(env, further_channels(env) == 0);
		env->eof_after = true;
		gatewayenv_expect(env, "226 ");
		gatewayenv_check(env, "f", bytes, SIZE);
		assert_int_equal(gatewayenv_count(env), 1);
		assert_int_equal(further_channels(env), 0);
		assert_int_equal(gatewayenv_teardown((void **)&env), 0);
	}
	free(bytes);
	(void)state;
}

/* Each way in which an upload ends too early ends all channels. */
static void
test_cut(void **state)
{
	uint8_t *bytes = gatewayenv_bytes(SIZE);

	for (unsigned i = 0; i < 3; i++) {
		struct gatewayenv *env;

		assert_int_equal(gatewayenv_setup((void **)&env), 0);
		start(env, 5);
		begin(env, bytes, 5);
		if (i == 0) {
			gatewayenv_say(env, "ABOR");
			gatewayenv_expect(env, "426 ");
			gatewayenv_expect(env, "226 ");
		} else if (i == 1) {
			env->data = ENV_DATA_NONE;
			gateway_data_lost(env->gateway);
			gatewayenv_expect(env, "426 ");
		} else {
			gateway_control_end(env->gateway);
		}
		gatewayenv_check_undone(env);
		assert_int_equal(gatewayenv_teardown((void **)&env), 0);
	}
	free(bytes);
	(void)state;
}

/* 7: one of the servers cannot write. */
static void
test_full_disk(void **state)
{
	struct gatewayenv *env = *state;
	uint8_t *bytes = gatewayenv_bytes(SIZE);

	env->file_limit = SIZE - 1000;
	start(env, 4);
	gatewayenv_upload(env, "STOR f", bytes, SIZE, "552 ");
	gatewayenv_check_undone(env);
	free(bytes);
}

/* The channels end with the session's. */
static void
test_lost_connection(void **state)
{
	struct gatewayenv *env = *state;
	uint8_t *bytes = gatewayenv_bytes(SIZE);

	start(env, 4);
	begin(env, bytes, 4);
	gatewayenv_kill(env, 0);
	gatewayenv_expect(env, "426 The SSH connection was lost.");
	assert_int_equal(env->n_left_over, 1);
	for (unsigned i = 0; i < GATEWAY_CHANNELS; i++)
		assert_int_equal(env->channels[i].state, ENV_CHANNEL_NONE);
	free(bytes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spread),
		GATEWAY_TEST(test_one_channel),
		cmocka_unit_test(test_refused_channels),
		cmocka_unit_test(test_lost_channel),
		GATEWAY_TEST(test_lost_idle_channel),
		cmocka_unit_test(test_yield),
		cmocka_unit_test(test_cut),
		GATEWAY_TEST(test_full_disk),
		GATEWAY_TEST(test_lost_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
