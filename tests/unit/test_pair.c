/*
 * tunnel/pair.c keeps the promises of base/stream.h at both ends.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <cmocka.h>

#include "tunnel/pair.h"
#include "limits.h"

/* What one end has got. */
struct got {
	struct stream *stream;
	char text[64]; /* the last bytes, and what happened: in order */
	size_t len;    /* bytes */
	bool in_call, close_in_data, close_in_eof, close_in_opened,
	    stop_in_data;
	bool keep; /* do not close it in closed() */
	size_t queued_when_drained;
	int err;
	char why[64];
};

struct env {
	uv_loop_t loop;
	struct got ends[2]; /* 0: the dialled one */
};

static void
note(struct got *got, const char *what, size_t len)
{
	assert_false(got->in_call);
	assert_non_null(got->stream);
	if (strlen(got->text) + len < sizeof(got->text))
		strncat(got->text, what, len);
}

static void
got_close(struct got *got)
{
	stream_close(got->stream);
	got->stream = NULL;
}

static void
on_opened(void *ctx)
{
	struct got *got = ctx;

	note(got, "<opened>", 8);
	if (got->close_in_opened)
		got_close(got);
}

static void
on_data(void *ctx, const struct iovec *pieces, size_t n)
{
	struct got *got = ctx;

	assert_true(n > 0 && n <= STREAM_PIECES);
	if (got->stop_in_data)
		stream_read_stop(got->stream);
	for (size_t i = 0; i < n; i++) {
		assert_true(pieces[i].iov_len > 0);
		note(got, pieces[i].iov_base, pieces[i].iov_len);
		got->len += pieces[i].iov_len;
	}
	if (got->close_in_data) {
		got_close(got);
		/* The bytes are valid in the whole call. */
		assert_memory_equal(pieces[0].iov_base, "last", 4);
	}
}

static void
on_eof(void *ctx)
{
	struct got *got = ctx;

	note(got, "<eof>", 5);
	if (got->close_in_eof)
		got_close(got);
}

static void
on_drained(void *ctx)
{
	struct got *got = ctx;

	note(got, "<drained>", 9);
	got->queued_when_drained = stream_queued(got->stream);
}

static void
on_closed(void *ctx, int err, const char *why)
{
	struct got *got = ctx;

	note(got, "<closed>", 8);
	got->err = err;
	strncpy(got->why, why, sizeof(got->why) - 1);
	if (!got->keep)
		got_close(got);
}

static void
on_ending(void *ctx)
{
	note(ctx, "<ending>", 8);
}

static const struct stream_handler handler = {
	.ending = on_ending,
	.opened = on_opened,
	.data = on_data,
	.eof = on_eof,
	.drained = on_drained,
	.closed = on_closed,
};

/* Runs the loop until nothing is left to do. */
static void
run(struct env *env)
{
	uv_run(&env->loop, UV_RUN_DEFAULT);
}

static int
setup(void **state)
{
	struct env *env = calloc(1, sizeof(*env));

	uv_loop_init(&env->loop);
	assert_int_equal(pair_new(&env->loop, &handler, &env->ends[0],
			     &env->ends[0].stream, &env->ends[1].stream),
	    0);
	stream_set_handler(env->ends[1].stream, &handler, &env->ends[1]);
	*state = env;
	return 0;
}

/* Everything has been freed when both ends are closed. */
static int
teardown(void **state)
{
	struct env *env = *state;

	for (int i = 0; i < 2; i++)
		stream_close(env->ends[i].stream);
	run(env);
	assert_int_equal(uv_loop_close(&env->loop), 0);
	free(env);
	return 0;
}

static void
connect_pair(struct env *env)
{
	pair_connect(env->ends[1].stream);
	run(env);
	for (int i = 0; i < 2; i++) {
		assert_string_equal(env->ends[i].text, "<opened>");
		env->ends[i].text[0] = '\0';
	}
}

/* A write, in which no callback comes. */
static void
say(struct env *env, int end, const char *text)
{
	env->ends[0].in_call = env->ends[1].in_call = true;
	assert_int_equal(stream_write(env->ends[end].stream, text,
			     strlen(text)),
	    0);
	env->ends[0].in_call = env->ends[1].in_call = false;
}

/* The same with many bytes. */
static void
say_much(struct env *env, int end, size_t len)
{
	char *bytes = calloc(1, len);

	env->ends[0].in_call = env->ends[1].in_call = true;
	assert_int_equal(stream_write(env->ends[end].stream, bytes, len), 0);
	env->ends[0].in_call = env->ends[1].in_call = false;
	free(bytes);
}

#define READ(env, end) stream_read_start((env)->ends[end].stream)
#define EXPECT(env, end, what) \
	(run(env), assert_string_equal((env)->ends[end].text, what))

/* Bytes wait until the stream is connected; opened() comes first. */
static void
test_connecting(void **state)
{
	struct env *env = *state;

	READ(env, 0);
	READ(env, 1);
	say(env, 0, "to");
	say(env, 1, "fro");
	EXPECT(env, 0, "");
	pair_connect(env->ends[1].stream);
	assert_string_equal(env->ends[0].text, "");
	EXPECT(env, 0, "<opened>fro");
	EXPECT(env, 1, "to<opened>");
}

static void
test_refused(void **state)
{
	struct env *env = *state;

	say(env, 1, "lost");
	pair_fail(env->ends[1].stream, -ECONNREFUSED, "no subsystem");
	env->ends[1].stream = NULL;
	assert_string_equal(env->ends[0].text, "");
	EXPECT(env, 0, "<closed>");
	assert_int_equal(env->ends[0].err, -ECONNREFUSED);
	assert_string_equal(env->ends[0].why, "no subsystem");
}

static void
test_close_in_opened(void **state)
{
	struct env *env = *state;

	env->ends[0].close_in_opened = true;
	READ(env, 0);
	say(env, 1, "x");
	pair_connect(env->ends[1].stream);
	EXPECT(env, 0, "<opened>");
	EXPECT(env, 1, "<closed>");
}

/* Both ways, in order, and at once only from the loop. */
static void
test_order(void **state)
{
	struct env *env = *state;

	connect_pair(env);
	for (int end = 0; end < 2; end++) {
		READ(env, !end);
		say(env, end, "one ");
		say(env, end, "two ");
		EXPECT(env, !end, "one two ");
		say(env, end, "three");
		EXPECT(env, !end, "one two three");
		assert_int_equal(stream_queued(env->ends[end].stream), 0);
	}
}

/* A stopped stream gets nothing but closed(). */
static void
test_stopped(void **state)
{
	struct env *env = *state;

	connect_pair(env);
	for (int end = 0; end < 2; end++) {
		say(env, end, "x");
		stream_shutdown(env->ends[end].stream);
		EXPECT(env, !end, "");
		assert_int_equal(stream_queued(env->ends[end].stream), 1);
		assert_int_equal(stream_undelivered(env->ends[end].stream), 2);
		env->ends[!end].stop_in_data = true;
		READ(env, !end);
		EXPECT(env, !end, "x");
		assert_int_equal(stream_undelivered(env->ends[end].stream), 1);
		READ(env, !end);
		EXPECT(env, !end, "x<eof>");
		assert_int_equal(stream_undelivered(env->ends[end].stream), 0);
	}
}

/* Each direction ends on its own; both ends are alive behind it. */
static void
test_half_close(void **state)
{
	struct env *env = *state;

	connect_pair(env);
	for (int end = 0; end < 2; end++)
		READ(env, end);
	say(env, 0, "last");
	stream_shutdown(env->ends[0].stream);
	assert_int_equal(stream_write(env->ends[0].stream, "x", 1), -EPIPE);
	EXPECT(env, 1, "last<eof>");
	say(env, 1, "answer");
	EXPECT(env, 0, "answer");
	stream_shutdown(env->ends[1].stream);
	EXPECT(env, 0, "answer<eof>");
	assert_true(stream_alive(env->ends[0].stream));
	assert_true(stream_alive(env->ends[1].stream));
	assert_true(stream_end_is_proven(env->ends[1].stream));
	assert_false(stream_end_is_doubtful(env->ends[1].stream));
	/* Closed after both: that is no loss. */
	got_close(&env->ends[0]);
	EXPECT(env, 1, "last<eof>");
}

/* A reset is seen at once, and what was queued is dropped. */
static void
test_reset_with_bytes_queued(void **state)
{
	struct env *env = *state;

	connect_pair(env);
	say(env, 1, "never read");
	stream_reset(env->ends[1].stream);
	env->ends[1].stream = NULL;
	assert_false(stream_alive(env->ends[0].stream));
	assert_int_equal(stream_write(env->ends[0].stream, "x", 1), -EPIPE);
	READ(env, 0);
	EXPECT(env, 0, "<closed>");
	assert_int_equal(env->ends[0].err, -ECONNRESET);
}

/* The end is announced behind the bytes, once, and the end itself comes later,
 * or never. */
static void
test_announced_end(void **state)
{
	struct env *env = *state;

	connect_pair(env);
	say(env, 0, "all");
	stream_announce_end(env->ends[0].stream);
	EXPECT(env, 1, "");
	READ(env, 1);
	EXPECT(env, 1, "all<ending>");
	stream_announce_end(env->ends[0].stream);
	EXPECT(env, 1, "all<ending>");
	stream_shutdown(env->ends[0].stream);
	EXPECT(env, 1, "all<ending><eof>");
	READ(env, 0);
	stream_announce_end(env->ends[1].stream);
	got_close(&env->ends[1]);
	EXPECT(env, 0, "<closed>");
}

/* The end that is reset has shut its own direction: that is a loss, too. */
static void
test_reset_after_a_half_close(void **state)
{
	struct env *env = *state;

	connect_pair(env);
	READ(env, 0);
	stream_shutdown(env->ends[1].stream);
	EXPECT(env, 0, "<eof>");
	got_close(&env->ends[1]);
	EXPECT(env, 0, "<eof><closed>");
}

/* After closed() nothing comes, even if the owner closes it later. */
static void
test_closed_comes_once(void **state)
{
	struct env *env = *state;

	connect_pair(env);
	env->ends[0].keep = true;
	got_close(&env->ends[1]);
	EXPECT(env, 0, "<closed>");
	for (int i = 0; i < 3; i++) {
		READ(env, 0);
		EXPECT(env, 0, "<closed>");
		assert_false(stream_alive(env->ends[0].stream));
	}
	assert_int_equal(stream_write(env->ends[0].stream, "x", 1), -EPIPE);
	stream_shutdown(env->ends[0].stream);
	EXPECT(env, 0, "<closed>");
}

/* The peer gets all bytes and the end although the stream was given up. */
static void
test_finish(void **state)
{
	for (int end = 0; end < 2; end++) {
		struct env *env;

		assert_int_equal(setup((void **)&env), 0);
		connect_pair(env);
		say(env, end, "all");
		stream_finish(env->ends[end].stream);
		env->ends[end].stream = NULL;
		EXPECT(env, !end, "");
		READ(env, !end);
		EXPECT(env, !end, "all<eof>");
		/* What it still sends is dropped. */
		say(env, !end, "more");
		assert_int_equal(stream_queued(env->ends[!end].stream), 0);
		stream_shutdown(env->ends[!end].stream);
		assert_int_equal(stream_undelivered(env->ends[!end].stream), 0);
		EXPECT(env, !end, "all<eof>");
		assert_true(stream_alive(env->ends[!end].stream));
		assert_int_equal(teardown((void **)&env), 0);
	}
	(void)state;
}

/* Finished before it was connected, as a greeting that is a refusal. */
static void
test_finish_while_connecting(void **state)
{
	struct env *env = *state;

	READ(env, 0);
	say(env, 1, "421");
	pair_connect(env->ends[1].stream);
	stream_finish(env->ends[1].stream);
	env->ends[1].stream = NULL;
	EXPECT(env, 0, "<opened>421<eof>");
}

/* drained() comes if the queue was above the mark, and only then. */
static void
test_drained(void **state)
{
	struct env *env = *state;

	connect_pair(env);
	for (int end = 0; end < 2; end++) {
		struct got *writer = &env->ends[end];

		say_much(env, end, LIMIT_LOW_WATER);
		READ(env, !end);
		EXPECT(env, end, "");
		assert_int_equal(env->ends[!end].len, LIMIT_LOW_WATER);
		stream_read_stop(env->ends[!end].stream);
		say_much(env, end, LIMIT_LOW_WATER);
		say_much(env, end, 1);
		EXPECT(env, end, "");
		assert_int_equal(stream_queued(writer->stream),
		    LIMIT_LOW_WATER + 1);
		READ(env, !end);
		EXPECT(env, end, "<drained>");
		assert_true(writer->queued_when_drained <= LIMIT_LOW_WATER);
		stream_read_stop(env->ends[!end].stream);
		writer->text[0] = env->ends[!end].text[0] = '\0';
	}
}

/* The owner may close its stream in a callback; the bytes stay valid in it. */
static void
test_close_in_data(void **state)
{
	struct env *env = *state;

	connect_pair(env);
	env->ends[1].close_in_data = true;
	READ(env, 1);
	say(env, 0, "last words");
	stream_shutdown(env->ends[0].stream);
	EXPECT(env, 1, "last words");
	EXPECT(env, 0, "<closed>");
}

static void
test_close_in_eof(void **state)
{
	struct env *env = *state;

	connect_pair(env);
	for (int end = 0; end < 2; end++) {
		env->ends[end].close_in_eof = true;
		READ(env, end);
		stream_shutdown(env->ends[end].stream);
	}
	EXPECT(env, 0, "<eof>");
	EXPECT(env, 1, "<eof>");
}

/* A stream whose owner is gone takes bytes, and keeps none. */
static void
test_close_while_the_other_end_reads(void **state)
{
	struct env *env = *state;

	connect_pair(env);
	READ(env, 0);
	READ(env, 1);
	say(env, 0, "lost");
	say(env, 1, "lost");
	got_close(&env->ends[0]);
	EXPECT(env, 1, "<closed>");
}

#define PAIR_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		PAIR_TEST(test_connecting),
		PAIR_TEST(test_refused),
		PAIR_TEST(test_close_in_opened),
		PAIR_TEST(test_order),
		PAIR_TEST(test_stopped),
		PAIR_TEST(test_half_close),
		PAIR_TEST(test_reset_with_bytes_queued),
		PAIR_TEST(test_announced_end),
		PAIR_TEST(test_reset_after_a_half_close),
		PAIR_TEST(test_closed_comes_once),
		cmocka_unit_test(test_finish),
		PAIR_TEST(test_finish_while_connecting),
		PAIR_TEST(test_drained),
		PAIR_TEST(test_close_in_data),
		PAIR_TEST(test_close_in_eof),
		PAIR_TEST(test_close_while_the_other_end_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
