/*
 * Tests of base/stream: calls reach the implementation.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/stream.h"

/* An implementation that records which of its functions was called last. */
struct fake {
	struct stream stream;
	const char *called;
	size_t written;
};

#define FAKE_VOID(name)                                  \
	static void fake_##name(struct stream *stream)   \
	{                                                \
		((struct fake *)stream)->called = #name; \
	}

FAKE_VOID(read_start)
FAKE_VOID(read_stop)
FAKE_VOID(shutdown)
FAKE_VOID(close)
FAKE_VOID(finish)
FAKE_VOID(reset)

static int
fake_write(struct stream *stream, const struct iovec *pieces, size_t n)
{
	struct fake *fake = (struct fake *)stream;

	fake->called = "write";
	fake->written += stream_len(pieces, n);
	return *(const uint8_t *)pieces->iov_base;
}

static size_t
fake_queued(const struct stream *stream)
{
	(void)stream;
	return 11;
}

static size_t
fake_undelivered(const struct stream *stream)
{
	(void)stream;
	return 22;
}

static bool
fake_alive(const struct stream *stream)
{
	return ((const struct fake *)stream)->written > 0;
}

static const struct stream_ops fake_ops = {
	.read_start = fake_read_start,
	.read_stop = fake_read_stop,
	.write = fake_write,
	.shutdown = fake_shutdown,
	.close = fake_close,
	.finish = fake_finish,
	.reset = fake_reset,
	.queued = fake_queued,
	.undelivered = fake_undelivered,
	.alive = fake_alive,
};

static void
test_calls(void **state)
{
	static const struct {
		void (*call)(struct stream *);
		const char *name;
	} calls[] = {
		{ stream_read_start, "read_start" },
		{ stream_read_stop, "read_stop" },
		{ stream_shutdown, "shutdown" },
		{ stream_close, "close" },
		{ stream_finish, "finish" },
		{ stream_reset, "reset" },
	};
	struct fake fake = { .stream.ops = &fake_ops };
	struct stream *stream = &fake.stream;

	(void)state;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		calls[i].call(stream);
		assert_string_equal(fake.called, calls[i].name);
	}
	assert_false(stream_alive(stream));
	assert_int_equal(stream_write(stream, "\x05xx", 3), 5);
	assert_string_equal(fake.called, "write");
	assert_int_equal(fake.written, 3);
	assert_true(stream_alive(stream));
	assert_int_equal(stream_queued(stream), 11);
	assert_int_equal(stream_undelivered(stream), 22);
	stream_close(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
