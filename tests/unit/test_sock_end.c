/*
 * Tests of net/sock: how streams end.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
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

/* While nothing is read, a reset is seen by alive(), which leaves the error
 * for the next write or read to find. */
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

/* The same while our last bytes and our end are on their way. */
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

/* Four megabytes, of which the last are long in our queue, to a peer that
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
	/* What comes is dropped, and makes no reset. */
	raw_write(raw, "dropped", 7);
	start = uv_now(&env->loop);
	SOCKENV_UNTIL(env,
	    uv_now(&env->loop) > start + 2 * LIMIT_LINGER_MS + 300);
	assert_int_equal(read_pattern(env, raw, 64 * 1024, &err), in);
	assert_int_equal(err, 0);
	close(raw);
	notes_free(&notes);
}

/* It ends at once when the peer does, and without it after a while. */
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SOCKENV_TEST(test_reset),
		SOCKENV_TEST(test_peer_resets),
		SOCKENV_TEST(test_peer_resets_stopped),
		SOCKENV_TEST(test_reset_after_eof),
		SOCKENV_TEST(test_reset_after_both_ends),
		SOCKENV_TEST(test_finish_slow_reader),
		SOCKENV_TEST(test_finish_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
