/*
 * Tests of net/sock: how streams end.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "limits.h"
#include "sockenv.h"

#define MEGABYTE ((size_t)1024 * 1024)

static void
test_reset(void **state)
{
	struct sockenv *env = *state;
	struct notes notes;
	char byte;
	int raw, err = 0;

	sockenv_pair(env, &notes, &raw);
	assert_int_equal(write_noted(&notes, "x", 1), 0);
	stream_reset(notes.stream);
	notes.stream = NULL;
	while (raw_read(raw, &byte, 1, &err) >= 0)
		sockenv_turn(env);
	assert_int_equal(err, ECONNRESET);
	close(raw);
	notes_free(&notes);
}

static void
test_peer_resets(void **state)
{
	struct sockenv *env = *state;
	struct notes notes;
	int raw;

	sockenv_pair(env, &notes, &raw);
	stream_read_start(notes.stream);
	assert_true(stream_alive(notes.stream));
	raw_reset(raw);
	SOCKENV_UNTIL(env, notes.closed == 1);
	assert_int_equal(notes.err, -ECONNRESET);
	assert_string_equal(notes.why, strerror(ECONNRESET));
	assert_false(stream_alive(notes.stream));
	assert_int_equal(notes.eofs, 0);
	notes_free(&notes);
}

/* While the stream is stopped, stream_alive() detects a reset, and leaves the
 * error for the next write or read. */
static void
test_peer_resets_stopped(void **state)
{
	struct sockenv *env = *state;
	struct notes notes;
	int raw;

	for (int round = 0; round < 3; round++) {
		sockenv_pair(env, &notes, &raw);
		raw_write(raw, "unread", 6);
		raw_reset(raw);
		SOCKENV_UNTIL(env, !stream_alive(notes.stream));
		assert_false(stream_alive(notes.stream));
		assert_true(count_turns(env) < 20);
		assert_int_equal(notes.closed, 0);
		if (round == 0)
			assert_int_equal(write_noted(&notes, "x", 1), -EPIPE);
		else if (round == 1)
			stream_read_start(notes.stream);
		else
			stream_shutdown(notes.stream);
		SOCKENV_UNTIL(env, notes.closed == 1);
		assert_int_equal(notes.err, -ECONNRESET);
		assert_int_equal(notes.eofs, 0);
		assert_int_equal(notes.len, round == 1 ? 6 : 0);
		assert_int_equal(write_noted(&notes, "x", 1), -EPIPE);
		notes_free(&notes);
	}
}

/* The client ended its direction, and died later. */
static void
test_reset_after_eof(void **state)
{
	struct sockenv *env = *state;
	struct notes notes;
	int raw;

	sockenv_pair(env, &notes, &raw);
	stream_read_start(notes.stream);
	shutdown(raw, SHUT_WR);
	SOCKENV_UNTIL(env, notes.eofs == 1);
	assert_true(stream_alive(notes.stream));
	raw_reset(raw);
	SOCKENV_UNTIL(env, !stream_alive(notes.stream));
	assert_int_equal(notes.eofs, 1);
	assert_int_equal(write_noted(&notes, "x", 1), -EPIPE);
	SOCKENV_UNTIL(env, notes.closed == 1);
	assert_true(notes.err == -EPIPE || notes.err == -ECONNRESET);
	notes_free(&notes);
}

/* The same while the last bytes and the end of this side are in transit. */
static void
test_reset_after_both_ends(void **state)
{
	struct sockenv *env = *state;
	struct notes notes;
	int raw;

	sockenv_pair(env, &notes, &raw);
	stream_read_start(notes.stream);
	while (stream_queued(notes.stream) == 0)
		assert_int_equal(write_pattern(&notes, 0, 10000), 0);
	stream_shutdown(notes.stream);
	shutdown(raw, SHUT_WR);
	SOCKENV_UNTIL(env, notes.eofs == 1);
	raw_reset(raw);
	SOCKENV_UNTIL(env, !stream_alive(notes.stream));
	SOCKENV_UNTIL(env, notes.closed == 1);
	assert_true(stream_undelivered(notes.stream) > 0);
	notes_free(&notes);
}

/* A stream of net at a Unix socket, and its raw peer. */
static void
unix_pair(struct sockenv *env, struct notes *notes, int *ret_raw)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	char dir[] = "/tmp/culvert-test-XXXXXX";
	struct net_listener *listener;
	int err = 0;

	*notes = (struct notes) { .env = env };
	assert_non_null(mkdtemp(dir));
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/socket", dir);
	listener =
	    net_listen_unix(env->net, sun.sun_path, notes_accept, notes, &err);
	assert_non_null(listener);
	*ret_raw = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(connect(*ret_raw, (struct sockaddr *)&sun,
			     sizeof(sun)),
	    0);
	assert_int_equal(net_listener_start(listener), 0);
	SOCKENV_UNTIL(env, notes->stream != NULL);
	net_listener_close(listener);
	assert_int_equal(rmdir(dir), 0);
}

/* A Unix socket has no reset; closing both directions counts as one. */
static void
test_unix_peer_closes(void **state)
{
	struct sockenv *env = *state;
	struct notes notes;
	int raw;

	/* After its end, like a forwarded client that has died. */
	unix_pair(env, &notes, &raw);
	stream_read_start(notes.stream);
	assert_true(stream_alive(notes.stream));
	shutdown(raw, SHUT_WR);
	SOCKENV_UNTIL(env, notes.eofs == 1);
	assert_true(stream_alive(notes.stream));
	assert_true(count_turns(env) < 20);
	close(raw);
	assert_false(stream_alive(notes.stream));
	assert_true(count_turns(env) < 20);
	assert_int_equal(notes.closed, 0);
	notes_free(&notes);

	/* While the stream is stopped: earlier bytes can still be read. */
	unix_pair(env, &notes, &raw);
	raw_write(raw, "bye", 3);
	close(raw);
	assert_false(stream_alive(notes.stream));
	assert_true(count_turns(env) < 20);
	stream_read_start(notes.stream);
	SOCKENV_UNTIL(env, notes.eofs == 1);
	assert_int_equal(notes.len, 3);
	assert_int_equal(notes.closed, 0);
	assert_false(stream_alive(notes.stream));
	notes_free(&notes);

	/* With bytes that it has not read. */
	unix_pair(env, &notes, &raw);
	assert_int_equal(write_noted(&notes, "x", 1), 0);
	stream_shutdown(notes.stream);
	assert_true(stream_alive(notes.stream));
	close(raw);
	assert_false(stream_alive(notes.stream));
	notes_free(&notes);
}

/* After two clean ends it is alive, as with TCP. */
static void
test_unix_two_ends(void **state)
{
	struct sockenv *env = *state;
	struct notes notes;
	int raw;

	unix_pair(env, &notes, &raw);
	stream_read_start(notes.stream);
	stream_shutdown(notes.stream);
	assert_true(stream_alive(notes.stream));
	shutdown(raw, SHUT_WR);
	SOCKENV_UNTIL(env, notes.eofs == 1);
	assert_true(stream_alive(notes.stream));
	close(raw);
	assert_true(stream_alive(notes.stream));
	notes_free(&notes);
}

/* Four megabytes, some of which stay in the queue for long, to a peer that
 * begins to read after more than twice the linger time. */
static void
test_finish_slow_reader(void **state)
{
	struct sockenv *env = *state;
	struct notes notes;
	uint64_t start;
	size_t in = 0;
	int raw, err = 0;

	sockenv_pair(env, &notes, &raw);
	while (stream_queued(notes.stream) < MEGABYTE) {
		assert_int_equal(write_pattern(&notes, in, 100000), 0);
		in += 100000;
	}
	stream_finish(notes.stream);
	notes.stream = NULL;
	/* Received bytes are dropped without a reset. */
	raw_write(raw, "dropped", 7);
	start = uv_now(&env->loop);
	SOCKENV_UNTIL(env,
	    uv_now(&env->loop) > start + 2 * LIMIT_LINGER_MS + 300);
	assert_int_equal(read_pattern(env, raw, 64 * 1024, &err), in);
	assert_int_equal(err, 0);
	close(raw);
	notes_free(&notes);
}

/* It ends when the peer ends, or else after the linger time. */
static void
test_finish_time(void **state)
{
	struct sockenv *env = *state;
	struct notes notes;
	uint64_t start = uv_now(&env->loop);
	char byte;
	int raw, err = 0;

	uv_unref((uv_handle_t *)&env->tick);
	for (int round = 0; round < 4; round++) {
		sockenv_pair(env, &notes, &raw);
		if (round % 2 == 1)
			assert_int_equal(write_noted(&notes, "x", 1), 0);
		if (round >= 2) {
			stream_read_start(notes.stream);
			shutdown(raw, SHUT_WR);
			SOCKENV_UNTIL(env, notes.eofs == 1);
		}
		stream_finish(notes.stream);
		notes.stream = NULL;
		while (raw_read(raw, &byte, 1, &err) >= 0)
			sockenv_turn(env);
		assert_int_equal(err, 0);
		close(raw);
		while (uv_loop_alive(&env->loop))
			sockenv_turn(env);
	}
	assert_true(uv_now(&env->loop) < start + LIMIT_LINGER_MS);

	start = uv_now(&env->loop);
	sockenv_pair(env, &notes, &raw);
	stream_finish(notes.stream);
	notes.stream = NULL;
	while (uv_loop_alive(&env->loop))
		sockenv_turn(env);
	assert_true(uv_now(&env->loop) >= start + LIMIT_LINGER_MS);
	assert_true(uv_now(&env->loop) < start + 2 * LIMIT_LINGER_MS);
	close(raw);
}

static void
count_call(void *ctx)
{
	(*(unsigned int *)ctx)++;
}

/* The callback comes once: at once, or when the last finishing stream is
 * closed. Streams that were closed or are in use do not count. */
static void
test_when_finished(void **state)
{
	struct sockenv *env = *state;
	struct notes notes[4];
	unsigned int calls = 0;
	int raw[4];

	for (int i = 0; i < 4; i++)
		sockenv_pair(env, &notes[i], &raw[i]);
	stream_close(notes[3].stream);
	net_when_finished(env->net, count_call, &calls);
	assert_int_equal(calls, 1);

	for (int i = 0; i < 2; i++) {
		assert_int_equal(write_noted(&notes[i], "x", 1), 0);
		stream_finish(notes[i].stream);
	}
	net_when_finished(env->net, count_call, &calls);
	close(raw[0]);
	count_turns(env);
	assert_int_equal(calls, 1);
	raw_reset(raw[1]);
	SOCKENV_UNTIL(env, calls == 2);
	count_turns(env);
	assert_int_equal(calls, 2);
	stream_close(notes[2].stream);
	close(raw[2]);
	close(raw[3]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SOCKENV_TEST(test_reset),
		SOCKENV_TEST(test_peer_resets),
		SOCKENV_TEST(test_peer_resets_stopped),
		SOCKENV_TEST(test_reset_after_eof),
		SOCKENV_TEST(test_reset_after_both_ends),
		SOCKENV_TEST(test_unix_peer_closes),
		SOCKENV_TEST(test_unix_two_ends),
		SOCKENV_TEST(test_finish_slow_reader),
		SOCKENV_TEST(test_finish_time),
		SOCKENV_TEST(test_when_finished),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
