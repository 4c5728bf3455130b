/*
 * The link against the real ssh and sshd: channels.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "limits.h"
#include "sshenv.h"

#define MIB ((size_t)1024 * 1024)

static int
set_up(void **state)
{
	struct sshenv *env = malloc(sizeof(*env));

	sshenv_start(env, "");
	sshenv_link_up(env);
	*state = env;
	return 0;
}

static void
test_echo(void **state)
{
	struct sshenv *env = *state;
	struct peer peer;
	struct near near;

	peer_start(&peer, env, PEER_ECHO, 0);
	near_dial(&near, env, "127.0.0.1", peer.port);
	near_send(&near, 64 * MIB, true); /* begins before it is open */
	sshenv_until(env, &near.ended);
	assert_int_equal(near.opened, 1);
	assert_int_equal(near.closed, 0);
	assert_true(near.drained > 0);
	assert_int_equal(near.received, 64 * MIB);
	assert_int_equal(stream_undelivered(near.stream), 0);
	near_close(&near);
	peer_end(&peer);
}

static void
check_refused(struct sshenv *env, const char *host, uint16_t port, int err,
    const char *why)
{
	struct near near;

	near_dial(&near, env, host, port);
	assert_int_equal(stream_write(near.stream, "x", 1), 0);
	sshenv_until(env, &near.ended);
	assert_int_equal(near.opened, 0);
	assert_int_equal(near.closed, 1);
	assert_int_equal(near.err, err);
	if (strstr(near.why, why) == NULL)
		fail_msg("'%s' has no '%s'", near.why, why);
	assert_int_equal(stream_write(near.stream, "x", 1), -EPIPE);
	assert_false(stream_alive(near.stream));
	near_close(&near);
}

static void
test_refused(void **state)
{
	check_refused(*state, "127.0.0.1", 1, -ECONNREFUSED,
	    "Connection refused");
	check_refused(*state, "no-such-name.invalid", 21, -ECONNREFUSED,
	    "ame"); /* "Name or service not known", or "... resolution" */
}

static void
check_prohibited(const char *config)
{
	static const char *const words[] = { "administratively prohibited",
		"AllowTcpForwarding", "PermitOpen", "sshd_config", "permitopen",
		"authorized_keys" };
	struct sshenv env;

	sshenv_start(&env, config);
	sshenv_link_up(&env);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		check_refused(&env, "127.0.0.1", 1, -EACCES, words[i]);
	sshenv_end(&env);
}

static void
test_prohibited(void **state)
{
	(void)state;
	check_prohibited("PermitOpen none");
	check_prohibited("AllowTcpForwarding no");
}

static void
test_refusals(void **state)
{
	struct sshenv *env = *state;
	struct peer peer;
	struct near near[300];

	for (size_t i = 0; i < 300; i++)
		near_dial(&near[i], env, "127.0.0.1", 1);
	for (size_t i = 0; i < 300; i++) {
		sshenv_until(env, &near[i].ended);
		assert_int_equal(near[i].err, -ECONNREFUSED);
		near_close(&near[i]);
	}
	assert_false(link_is_worn(env->link));
	peer_start(&peer, env, PEER_ECHO, 0);
	near_dial(&near[0], env, "127.0.0.1", peer.port);
	near_send(&near[0], MIB, true);
	sshenv_until(env, &near[0].ended);
	assert_int_equal(near[0].received, MIB);
	near_close(&near[0]);
	peer_end(&peer);
	assert_int_equal(env->down, 0);
	/* ssh has no time to say that it cannot close refused channels. */
	link_stop(env->link);
	sshenv_until(env, &env->down);
	assert_string_equal(env->why, "stopped");
}

/* We end first; the other direction goes on. */
static void
test_half_close_near(void **state)
{
	struct sshenv *env = *state;
	struct peer peer;
	struct near near;

	peer_start(&peer, env, PEER_SEND, 0);
	peer.keep_open = true;
	near_dial(&near, env, "localhost", peer.port);
	near_send(&near, 3, true);
	sshenv_until(env, &peer.eof);
	assert_int_equal(peer.received, 3);
	assert_int_equal(stream_write(near.stream, "x", 1), -EPIPE);
	peer.n = 8 * MIB;
	peer.keep_open = false;
	peer_resume(&peer);
	sshenv_until(env, &near.ended);
	assert_int_equal(near.eof, 1);
	assert_int_equal(near.received, 8 * MIB);
	sshenv_for(env, 50);
	assert_int_equal(near.closed, 0);
	near_close(&near);
	peer_end(&peer);
}

/* The peer ends first; ours goes on, and no closed() follows. */
static void
test_half_close_far(void **state)
{
	struct sshenv *env = *state;
	struct peer peer;
	struct near near;

	peer_start(&peer, env, PEER_SEND, 100);
	near_dial(&near, env, "localhost", peer.port);
	sshenv_until(env, &near.eof);
	assert_int_equal(near.received, 100);
	near_send(&near, 8 * MIB, true);
	sshenv_until(env, &peer.eof);
	assert_int_equal(peer.received, 8 * MIB);
	sshenv_for(env, 50);
	assert_int_equal(near.closed, 0);
	near_close(&near);
	peer_end(&peer);
}

static void
test_peer_reset(void **state)
{
	struct sshenv *env = *state;
	struct peer peer;
	struct near near;

	peer_start(&peer, env, PEER_RESET, 0);
	near_dial(&near, env, "127.0.0.1", peer.port);
	near_send(&near, 32 * MIB, false);
	/* sshd says EOF, then CLOSE: the far end is gone. */
	sshenv_until(env, &near.closed);
	assert_int_equal(near.err,
	    stream_undelivered(near.stream) > 0 ? -EPIPE : -ESHUTDOWN);
	assert_int_equal(near.eof, 1);
	assert_int_equal(stream_write(near.stream, "x", 1), -EPIPE);
	near_close(&near);
	peer_end(&peer);
}

static void
test_slow_reader(void **state)
{
	struct sshenv *env = *state;
	struct peer slow_peer, peer;
	struct near slow, near;

	peer_start(&slow_peer, env, PEER_SEND, 64 * MIB);
	near_dial(&slow, env, "127.0.0.1", slow_peer.port);
	stream_read_stop(slow.stream);
	peer_start(&peer, env, PEER_ECHO, 0);
	near_dial(&near, env, "127.0.0.1", peer.port);
	near_send(&near, 16 * MIB, true);
	sshenv_until(env, &near.ended);
	assert_int_equal(near.received, 16 * MIB);
	near_close(&near);
	peer_end(&peer);
	assert_int_equal(slow.opened, 1);
	assert_int_equal(slow.received, 0);
	/* Our window, sshd's and the kernel's buffers; not all of it. */
	assert_true(slow_peer.sent < 32 * MIB);
	stream_read_start(slow.stream);
	sshenv_until(env, &slow.ended);
	assert_int_equal(slow.received, 64 * MIB);
	assert_int_equal(slow.eof, 1);
	near_close(&slow);
	peer_end(&slow_peer);
}

/* What the owner has not read by then is still delivered, with its end. */
static void
test_late_reader(void **state)
{
	struct sshenv *env = *state;
	struct peer peer;
	struct near near;

	peer_start(&peer, env, PEER_SEND, MIB);
	near_dial(&near, env, "127.0.0.1", peer.port);
	stream_read_stop(near.stream);
	sshenv_until_size(env, &peer.sent, MIB);
	sshenv_for(env, 100);
	peer_end(&peer); /* and CLOSE may be there, too */
	sshenv_for(env, 100);
	kill(sshenv_ssh(env), SIGKILL);
	sshenv_until(env, &env->down);
	assert_int_equal(near.ended, 0);
	assert_int_equal(stream_write(near.stream, "x", 1), -EPIPE);
	stream_read_start(near.stream);
	assert_int_equal(near.received, 0); /* only from the loop */
	sshenv_until(env, &near.closed);
	assert_int_equal(near.received, MIB);
	assert_int_equal(near.eof, 1);
	near_close(&near);
}

static void
test_finish(void **state)
{
	struct sshenv *env = *state;
	struct peer peer;
	struct near near;
	static uint8_t bytes[8 * 1024 * 1024];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = sshenv_pattern(i);
	/* Both before it is open and with a peer that sends, too. */
	peer_start(&peer, env, PEER_SEND, 4 * MIB);
	near_dial(&near, env, "127.0.0.1", peer.port);
	assert_int_equal(stream_write(near.stream, bytes, sizeof(bytes)), 0);
	stream_finish(near.stream);
	sshenv_until(env, &peer.eof);
	assert_int_equal(peer.received, sizeof(bytes));
	assert_int_equal(peer.broken, 0);
	assert_int_equal(near.opened + near.ended + near.drained, 0);
	peer_end(&peer);
}

/* Closing at any moment; numbers are used again. */
static void
test_close(void **state)
{
	struct sshenv *env = *state;
	struct peer peer;
	struct near near[60];

	peer_start(&peer, env, PEER_ECHO, 0);
	for (size_t round = 0; round < 5; round++) {
		for (size_t i = 0; i < 60; i++) {
			near_dial(&near[i], env, "127.0.0.1", peer.port);
			if (i % 3 == 0)
				near_close(&near[i]);
		}
		for (size_t i = 0; i < 60; i++) {
			if (near[i].stream == NULL)
				continue;
			sshenv_until(env, &near[i].opened);
			if (i % 3 == 1)
				stream_finish(near[i].stream);
			else
				near_close(&near[i]);
		}
	}
	sshenv_until_size(env, &peer.extra_ended, 299);
	peer_end(&peer);
	peer_start(&peer, env, PEER_SEND, 64 * MIB);
	near_dial(&near[0], env, "127.0.0.1", peer.port);
	near[0].close_in_data = true;
	sshenv_until(env, &peer.ended);
	peer_end(&peer);
	assert_int_equal(env->down, 0);
}

/* Small writes pass while others have all they can send in the queues. */
static void
test_many_senders(void **state)
{
	struct sshenv *env = *state;
	struct peer peer[8];
	struct near near[8];

	for (size_t i = 0; i < 8; i++) {
		peer_start(&peer[i], env, PEER_SEND, 0);
		peer[i].keep_open = true;
		near_dial(&near[i], env, "127.0.0.1", peer[i].port);
		near_send(&near[i], i == 7 ? 100 : 8 * MIB, true);
	}
	sshenv_until(env, &peer[7].eof);
	assert_true(peer[0].received < 8 * MIB);
	for (size_t i = 0; i < 8; i++) {
		sshenv_until(env, &peer[i].eof);
		assert_int_equal(peer[i].received, i == 7 ? 100 : 8 * MIB);
		near_close(&near[i]);
		peer_end(&peer[i]);
	}
}

/* However much an upload has queued, the bytes of a control connection leave at
 * once; and they come in while a download waits in ssh. */
static void
test_control_does_not_wait(void **state)
{
	struct sshenv *env = *state;
	struct peer silent, sender, echo;
	struct near up, down, control;
	pid_t ssh = sshenv_ssh(env);

	peer_start(&silent, env, PEER_SILENT, 0);
	peer_start(&sender, env, PEER_SEND, 64 * MIB);
	peer_start(&echo, env, PEER_ECHO, 0);
	near_dial(&up, env, "127.0.0.1", silent.port);
	near_dial(&down, env, "127.0.0.1", sender.port);
	near_dial_control(&control, env, echo.port);
	sshenv_until(env, &up.opened);
	sshenv_until(env, &down.opened);
	sshenv_until(env, &control.opened);
	kill(ssh, SIGSTOP);
	near_send(&up, 8 * MIB, false);
	assert_true(stream_undelivered(up.stream) > MIB / 2);
	near_send(&control, 100, false);
	assert_int_equal(stream_undelivered(control.stream), 0);
	kill(ssh, SIGCONT);
	sshenv_until_size(env, &control.received, 100);
	assert_true(down.received < 64 * MIB);
	near_close(&up);
	near_close(&down);
	near_close(&control);
	peer_end(&silent);
	peer_end(&sender);
	peer_end(&echo);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, set_up, sshenv_tear_down)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_echo),
		TEST(test_refused),
		cmocka_unit_test(test_prohibited),
		TEST(test_refusals),
		TEST(test_half_close_near),
		TEST(test_half_close_far),
		TEST(test_peer_reset),
		TEST(test_slow_reader),
		TEST(test_late_reader),
		TEST(test_finish),
		TEST(test_close),
		TEST(test_many_senders),
		TEST(test_control_does_not_wait),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
