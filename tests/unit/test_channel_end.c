/*
 * How a channel ends, and what it does not take, against a scripted ssh:
 * stream_finish(), queues that are full.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <cmocka.h>

#include "fakessh.h"
#include "limits.h"
#include "ssh/chan.h"

#define WINDOW_1000 "\0\0\x03\xe8\0\0\0\x64"
#define WINDOW_HUGE "\x7f\xff\xff\xff\0\0\x80\0"
#define OUR_EOF "\0\0\0\6\0\x60\0\0\0\7"
#define OUR_CLOSE "\0\0\0\6\0\x61\0\0\0\7"
#define ITS_EOF "\0\0\0\6\0\x60\0\0\0\0"
#define ITS_CLOSE "\0\0\0\6\0\x61\0\0\0\0"

/* Reads n bytes of what was sent, however they come. */
static void
take(struct fake *fake, size_t n)
{
	char bytes[65536];

	while (n > 0) {
		size_t some = n < sizeof(bytes) ? n : sizeof(bytes);
		ssize_t got = recv(fake->fd, bytes, some, MSG_DONTWAIT);

		if (got > 0)
			n -= (size_t)got;
		else
			uv_run(&fake->loop, UV_RUN_NOWAIT);
	}
}

/* Turns the loop until something comes, and expects that. */
static void
await(struct fake *fake, const char *bytes, size_t len)
{
	char byte;

	while (recv(fake->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 1)
		uv_run(&fake->loop, UV_RUN_ONCE);
	expect(fake, bytes, len);
}

/* Both ends have ended: CLOSE at once. */
static void
test_finish_at_once(void **state)
{
	struct fake *fake = *state;

	dial(fake, WINDOW_1000);
	say(fake, TEXT(ITS_EOF));
	assert_string_equal(fake->told, "oe");
	stream_finish(fake->stream);
	fake->stream = NULL;
	expect(fake, TEXT(OUR_EOF));
	expect(fake, TEXT(OUR_CLOSE));
	say(fake, TEXT(ITS_CLOSE));
	assert_int_equal(fake->lost, 0);
	assert_int_equal(proxy_channels(fake->proxy, false), 0);
}

/* Everything has left, but the peer does not end its side. */
static void
test_finish_peer_stays(void **state)
{
	struct fake *fake = *state;
	uint64_t begin = uv_hrtime();

	dial(fake, WINDOW_1000);
	assert_int_equal(stream_write(fake->stream, "x", 1), 0);
	stream_finish(fake->stream);
	fake->stream = NULL;
	take(fake, CHAN_DATA_HEAD + 1);
	expect(fake, TEXT(OUR_EOF));
	expect_nothing(fake);
	await(fake, TEXT(OUR_CLOSE));
	assert_true(uv_hrtime() - begin >= LIMIT_LINGER_MS * 1000000ULL);
	assert_int_equal(proxy_channels(fake->proxy, true), 0);
	assert_int_equal(proxy_channels(fake->proxy, false), 1);
	say(fake, TEXT(ITS_CLOSE));
	assert_int_equal(proxy_channels(fake->proxy, false), 0);
	assert_string_equal(fake->told, "o");
}

/* What the peer has no window for is waited for, as long as it moves. */
static void
test_finish_slow_peer(void **state)
{
	struct fake *fake = *state;
	char bytes[1200] = { 0 };
	struct timespec moment = { .tv_nsec = 10000000 };
	uint64_t begin;

	dial(fake, WINDOW_1000);
	assert_int_equal(stream_write(fake->stream, bytes, sizeof(bytes)), 0);
	take(fake, 10 * (CHAN_DATA_HEAD + 100));
	stream_finish(fake->stream);
	fake->stream = NULL;
	for (int i = 0; i < 2; i++) {
		begin = uv_hrtime();
		while (uv_hrtime() - begin < LIMIT_LINGER_MS * 1100000ULL) {
			nanosleep(&moment, NULL);
			expect_nothing(fake);
		}
		say(fake, TEXT("\0\0\0\x0a\0\x5d\0\0\0\0\0\0\0\x64"));
		take(fake, CHAN_DATA_HEAD + 100);
	}
	expect(fake, TEXT(OUR_EOF));
	say(fake, TEXT(ITS_EOF));
	expect(fake, TEXT(OUR_CLOSE));
	say(fake, TEXT(ITS_CLOSE));
	assert_int_equal(proxy_channels(fake->proxy, false), 0);
}

/* One that is dead is just closed. */
static void
test_finish_dead(void **state)
{
	struct fake *fake = *state;

	fake->info.sends_eof = true;
	dial(fake, WINDOW_1000);
	say(fake, TEXT(ITS_CLOSE));
	assert_string_equal(fake->told, "oc");
	expect(fake, TEXT(OUR_CLOSE));
	stream_finish(fake->stream);
	fake->stream = NULL;
	turn(fake);
	expect_nothing(fake);
}

/* What ssh has not taken counts as undelivered, wherever it waits. */
static void
test_undelivered(void **state)
{
	struct fake *fake = *state;
	size_t n = 3 * LIMIT_MUX_QUEUE, small = 0, left;
	char *bytes = calloc(n, 1);

	dial(fake, WINDOW_HUGE);
	/* Small ones go past the channel's own queue, into ssh's. */
	while (stream_undelivered(fake->stream) == 0) {
		assert_int_equal(stream_write(fake->stream, bytes, 1), 0);
		small++;
	}
	assert_int_equal(stream_queued(fake->stream), 0);
	assert_int_equal(stream_write(fake->stream, bytes, n), 0);
	left = stream_undelivered(fake->stream);
	assert_in_range(left, stream_queued(fake->stream), n + small);
	free(bytes);
	while (stream_undelivered(fake->stream) > 0) {
		char some[4096];

		assert_true(recv(fake->fd, some, sizeof(some), 0) > 0);
		turn(fake);
	}
	assert_int_equal(stream_queued(fake->stream), 0);
	assert_int_equal(fake->lost, 0);
}

/* Who writes on without looking is refused; what he wrote is not lost. */
static void
test_queue_full(void **state)
{
	struct fake *fake = *state;
	size_t n = 1024 * 1024;
	char *bytes = calloc(n, 1);

	dial(fake, WINDOW_1000);
	for (size_t i = 0; i < LIMIT_STREAM_QUEUE / n; i++)
		assert_int_equal(stream_write(fake->stream, bytes, n), 0);
	assert_int_equal(stream_write(fake->stream, bytes, n), -ENOMEM);
	assert_int_equal(stream_queued(fake->stream),
	    LIMIT_STREAM_QUEUE - 1000);
	free(bytes);
	assert_true(stream_alive(fake->stream));
	assert_string_equal(fake->told, "o");
}

/* Sends so many bytes, in packets. */
static void
send_bytes(struct fake *fake, size_t n)
{
	char packet[14 + 16384] = "\0\0\x40\x0a\0\x5e\0\0\0\0\0\0\x40";

	for (; n > 0; n -= 16384)
		say(fake, packet, sizeof(packet));
}

/* EOF, and CLOSE at once behind it, after n bytes that nobody has read. */
static bool
ends_in_doubt(struct fake *fake, size_t n)
{
	static const char end[] = ITS_EOF ITS_CLOSE;
	bool doubtful;

	memset(fake->told, 0, sizeof(fake->told));
	dial(fake, WINDOW_1000);
	stream_read_stop(fake->stream);
	send_bytes(fake, n);
	say(fake, end, sizeof(end) - 1);
	expect(fake, TEXT(OUR_CLOSE));
	stream_read_start(fake->stream);
	turn(fake);
	assert_string_equal(fake->told, "odec");
	doubtful = stream_end_is_doubtful(fake->stream);
	stream_close(fake->stream);
	fake->stream = NULL;
	turn(fake);
	return doubtful;
}

/* sshd drops what it still has after ChannelTimeout.  Nobody can tell how long
 * that was, if we were late ourselves; but who had no window left may have had
 * more. */
static void
test_closed_behind_window(void **state)
{
	assert_true(ends_in_doubt(*state, LIMIT_WINDOW_FIRST));
}

static void
test_closed_within_window(void **state)
{
	assert_false(ends_in_doubt(*state, LIMIT_WINDOW_FIRST - 16384));
	/* It closes every channel at its end. */
	assert_false(ends_in_doubt(*state, LIMIT_WINDOW_FIRST));
}

/* There are so many channels and no more. */
static void
test_numbers_run_out(void **state)
{
	struct fake *fake = *state;
	struct stream *streams[LIMIT_CHANNELS];

	for (size_t i = 0; i < LIMIT_CHANNELS; i++) {
		streams[i] = proxy_dial(fake->proxy, "h", 1, LINK_DATA,
		    &fake_stream_handler, fake);
		assert_non_null(streams[i]);
		take(fake, 60);
	}
	assert_null(proxy_dial(fake->proxy, "h", 1, LINK_DATA,
	    &fake_stream_handler, fake));
	assert_int_equal(proxy_channels(fake->proxy, true), LIMIT_CHANNELS);
	for (size_t i = 0; i < LIMIT_CHANNELS; i++)
		stream_close(streams[i]);
	assert_int_equal(proxy_channels(fake->proxy, true), 0);
	assert_int_equal(proxy_channels(fake->proxy, false), LIMIT_CHANNELS);
}

#define TEST(name)                                               \
	cmocka_unit_test_setup_teardown(name, fake_set_up_proxy, \
	    fake_tear_down_proxy)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_finish_at_once),
		TEST(test_finish_peer_stays),
		TEST(test_finish_slow_peer),
		TEST(test_finish_dead),
		TEST(test_undelivered),
		TEST(test_queue_full),
		TEST(test_closed_behind_window),
		TEST(test_closed_within_window),
		TEST(test_numbers_run_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
