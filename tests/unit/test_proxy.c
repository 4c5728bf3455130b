/*
 * ssh/proxy.c and ssh/channel*.c against a scripted ssh that does what the
 * real one never would, or not when a test wants it.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/wire.h"
#include "fakessh.h"
#include "limits.h"
#include "ssh/chan.h"

#define WINDOW_1000 "\0\0\x03\xe8\0\0\0\x64"

/* n packets of LIMIT_CHANNEL_PACKET bytes, and one of more bytes. */
static void
say_data(struct fake *fake, size_t n, size_t more)
{
	static char packet[CHAN_DATA_HEAD + LIMIT_CHANNEL_PACKET];

	for (size_t i = 0; i <= n; i++) {
		size_t len = i == n ? more : LIMIT_CHANNEL_PACKET;

		chan_data_head((uint8_t *)packet, 0, (uint32_t)len);
		if (len > 0)
			say(fake, packet, CHAN_DATA_HEAD + len);
	}
}

static void
test_window_out(void **state)
{
	struct fake *fake = *state;
	char bytes[1200] = { 0 };
	uint8_t got[2000];

	dial(fake, WINDOW_1000);
	assert_int_equal(stream_write(fake->stream, bytes, sizeof(bytes)), 0);
	assert_int_equal(stream_queued(fake->stream), 200);
	assert_int_equal(stream_undelivered(fake->stream), 200);
	stream_shutdown(fake->stream);
	assert_int_equal(stream_undelivered(fake->stream), 201);
	/* Ten packets of the 100 bytes that it takes. */
	assert_int_equal(recv(fake->fd, got, sizeof(got), MSG_DONTWAIT),
	    10 * (CHAN_DATA_HEAD + 100));
	assert_memory_equal(got, "\0\0\0\x6e\0\x5e\0\0\0\7\0\0\0\x64", 14);
	say(fake, TEXT("\0\0\0\x0a\0\x5d\0\0\0\0\0\0\0\xc8"));
	assert_int_equal(recv(fake->fd, got, 228, MSG_DONTWAIT), 228);
	expect(fake, TEXT("\0\0\0\6\0\x60\0\0\0\7"));
	expect_nothing(fake);
	assert_int_equal(stream_undelivered(fake->stream), 0);
	/* Both ends: EOF, CLOSE. */
	say(fake, TEXT("\0\0\0\6\0\x60\0\0\0\0\0\0\0\6\0\x61\0\0\0\0"));
	expect(fake, TEXT("\0\0\0\6\0\x61\0\0\0\7"));
	assert_string_equal(fake->told, "oe");
	assert_int_equal(fake->lost, 0);
}

/* 512 KiB more. */
#define GRANT "\0\0\0\x0a\0\x5d\0\0\0\7\0\x08\0\0"
#define QUESTION "\0\0\0\x20\0\x62\0\0\0\7\0\0\0\x15keepalive@openssh.com\1"

static void
test_window_in(void **state)
{
	struct fake *fake = *state;
	size_t all = LIMIT_WINDOW_FIRST / LIMIT_CHANNEL_PACKET;

	dial(fake, WINDOW_1000);
	/* A reader gives back a quarter of the window at a time. */
	say_data(fake, 15, 0);
	expect_nothing(fake);
	say_data(fake, 1, 0);
	expect(fake, TEXT(GRANT));
	expect(fake, TEXT(QUESTION));
	assert_int_equal(fake->received, 16 * LIMIT_CHANNEL_PACKET);
	/* One who stops in the middle takes no more. */
	fake->stop_in_data = true;
	say_data(fake, all, 0);
	assert_int_equal(fake->received, 17 * LIMIT_CHANNEL_PACKET);
	expect_nothing(fake);
	fake->stop_in_data = false;
	stream_read_start(fake->stream);
	assert_int_equal(fake->received, 17 * LIMIT_CHANNEL_PACKET);
	turn(fake);
	assert_int_equal(fake->received, (16 + all) * LIMIT_CHANNEL_PACKET);
	assert_string_equal(fake->told, "od");
}

/* What comes between a question and its answer is what the path carries in a
 * round trip: where that is the window, the window grows. */
static void
test_window_grows(void **state)
{
	struct fake *fake = *state;

	/* What comes is to come faster than the channel was opened. */
	if (getenv("UNDER_VALGRIND") != NULL)
		skip();
	dial_slowly(fake, WINDOW_1000, 100);
	say_data(fake, 16, 0);
	expect(fake, TEXT(GRANT));
	expect(fake, TEXT(QUESTION));
	say_data(fake, 40, 0);
	expect(fake, TEXT(GRANT));
	expect(fake, TEXT(GRANT));
	expect_nothing(fake);
	/* Refused, as it should be: 40 packets, and as much again; and what has
	 * come since the last one. */
	say(fake, TEXT("\0\0\0\6\0\x64\0\0\0\0"));
	expect(fake, TEXT("\0\0\0\x0a\0\x5d\0\0\0\7\0\x0c\0\0"));
	expect_nothing(fake);
}

/* ... but not where its opening has shown that the path is shorter: then what
 * came had waited. */
static void
test_window_stays(void **state)
{
	struct fake *fake = *state;
	uint64_t begin;

	dial(fake, WINDOW_1000);
	say_data(fake, 16, 0);
	expect(fake, TEXT(GRANT));
	expect(fake, TEXT(QUESTION));
	begin = uv_hrtime();
	say_data(fake, 40, 0);
	while (uv_hrtime() - begin < 100 * UINT64_C(1000000))
		turn(fake);
	expect(fake, TEXT(GRANT));
	expect(fake, TEXT(GRANT));
	say(fake, TEXT("\0\0\0\6\0\x64\0\0\0\0"));
	expect_nothing(fake);
}

static void
test_window_exceeded(void **state)
{
	struct fake *fake = *state;

	dial(fake, WINDOW_1000);
	stream_read_stop(fake->stream);
	say_data(fake, LIMIT_WINDOW_FIRST / LIMIT_CHANNEL_PACKET, 0);
	assert_string_equal(fake->told, "o");
	say_data(fake, 0, 1);
	assert_string_equal(fake->told, "oc");
	assert_int_equal(fake->err, -EPROTO);
	assert_string_equal(fake->why,
	    "the SSH server sent more than the window allows");
	expect(fake, TEXT("\0\0\0\6\0\x61\0\0\0\7"));
	/* It may send on until it hears of it. */
	say_data(fake, 2, 0);
	say(fake, TEXT("\0\0\0\6\0\x61\0\0\0\0"));
	expect_nothing(fake);
	assert_int_equal(fake->lost, 0);
	assert_string_equal(fake->told, "oc");
}

static void
test_data_after_eof(void **state)
{
	struct fake *fake = *state;

	dial(fake, WINDOW_1000);
	say(fake, TEXT("\0\0\0\6\0\x60\0\0\0\0"));
	say_data(fake, 0, 1);
	assert_string_equal(fake->told, "oec");
	assert_int_equal(fake->err, -EPROTO);
	assert_string_equal(fake->why, "the SSH server sent data after EOF");
	expect(fake, TEXT("\0\0\0\6\0\x61\0\0\0\7"));
	assert_int_equal(fake->lost, 0);
}

/* CLOSE without EOF of a server that sends EOF otherwise is a loss, at once,
 * whatever is buffered. */
static void
test_cut(void **state)
{
	struct fake *fake = *state;

	fake->info.sends_eof = true;
	dial(fake, WINDOW_1000);
	stream_read_stop(fake->stream);
	say_data(fake, 1, 0);
	say(fake, TEXT("\0\0\0\6\0\x61\0\0\0\0"));
	assert_string_equal(fake->told, "oc");
	assert_int_equal(fake->err, -ECONNRESET);
	assert_false(stream_alive(fake->stream));
	assert_int_equal(stream_write(fake->stream, "x", 1), -EPIPE);
	expect(fake, TEXT("\0\0\0\6\0\x61\0\0\0\7"));
	stream_read_start(fake->stream);
	turn(fake);
	assert_string_equal(fake->told, "oc");
}

/* EOF and CLOSE: data, the end, and that ours was cut, in this order. */
static void
test_end(void **state)
{
	struct fake *fake = *state;

	dial(fake, WINDOW_1000);
	stream_read_stop(fake->stream);
	say_data(fake, 1, 0);
	say(fake, TEXT("\0\0\0\6\0\x60\0\0\0\0\0\0\0\6\0\x61\0\0\0\0"));
	assert_string_equal(fake->told, "o");
	assert_int_equal(stream_write(fake->stream, "x", 1), -EPIPE);
	stream_read_start(fake->stream);
	turn(fake);
	assert_string_equal(fake->told, "odec");
	assert_int_equal(fake->err, -ESHUTDOWN);
	assert_true(stream_end_is_proven(fake->stream));
	assert_true(fake->info.sends_eof);
	assert_int_equal(fake->received, LIMIT_CHANNEL_PACKET);
}

/* Node's ssh2 answers a request behind its CLOSE: no matter, also when the
 * number has another channel by then. */
static void
test_late_answer(void **state)
{
	struct fake *fake = *state;

	dial(fake, WINDOW_1000);
	say(fake,
	    TEXT("\0\0\0\6\0\x60\0\0\0\0\0\0\0\6\0\x61\0\0\0\0"
		 "\0\0\0\6\0\x64\0\0\0\0"));
	assert_string_equal(fake->told, "oec");
	assert_int_equal(fake->lost, 0);
	expect(fake, TEXT("\0\0\0\6\0\x61\0\0\0\7"));
	stream_close(fake->stream);
	fake->stream = proxy_dial(fake->proxy, "ftp", 21, LINK_DATA,
	    &fake_stream_handler, fake);
	say(fake, TEXT("\0\0\0\6\0\x64\0\0\0\0"));
	assert_int_equal(fake->lost, 0);
}

/* The same with bytes of ours that it has not taken. */
static void
test_end_with_unsent(void **state)
{
	struct fake *fake = *state;
	char bytes[1200] = { 0 };

	dial(fake, WINDOW_1000);
	assert_int_equal(stream_write(fake->stream, bytes, sizeof(bytes)), 0);
	stream_shutdown(fake->stream);
	say(fake, TEXT("\0\0\0\6\0\x60\0\0\0\0\0\0\0\6\0\x61\0\0\0\0"));
	assert_string_equal(fake->told, "oec");
	assert_int_equal(fake->err, -EPIPE);
}

/* CLOSE without EOF of a server that was never seen to send one: an end that
 * is not proven, behind the data. */
static void
test_unproven(void **state)
{
	struct fake *fake = *state;

	dial(fake, WINDOW_1000);
	stream_read_stop(fake->stream);
	say_data(fake, 1, 0);
	say(fake, TEXT("\0\0\0\6\0\x61\0\0\0\0"));
	assert_string_equal(fake->told, "o");
	stream_read_start(fake->stream);
	turn(fake);
	assert_string_equal(fake->told, "odec");
	assert_int_equal(fake->err, -ESHUTDOWN);
	assert_false(stream_end_is_proven(fake->stream));
	assert_false(fake->info.sends_eof);
	assert_int_equal(fake->received, LIMIT_CHANNEL_PACKET);
}

/* The same behind an end of ours: no more to tell than the end. */
static void
test_unproven_after_ours(void **state)
{
	struct fake *fake = *state;

	dial(fake, WINDOW_1000);
	stream_shutdown(fake->stream);
	expect(fake, TEXT("\0\0\0\6\0\x60\0\0\0\7"));
	say(fake, TEXT("\0\0\0\6\0\x61\0\0\0\0"));
	assert_string_equal(fake->told, "oe");
	assert_false(stream_end_is_proven(fake->stream));
}

static void
test_requests(void **state)
{
	struct fake *fake = *state;

	dial(fake, WINDOW_1000);
	say(fake, TEXT("\0\0\0\x0e\0\x62\0\0\0\0\0\0\0\3eow\0"));
	expect_nothing(fake);
	say(fake, TEXT("\0\0\0\x0c\0\x62\0\0\0\0\0\0\0\1x\1"));
	expect(fake, TEXT("\0\0\0\6\0\x64\0\0\0\7"));
	say(fake, TEXT("\0\0\0\x08\0\x50\0\0\0\1x\1"));
	expect(fake, TEXT("\0\0\0\2\0\x52"));
	say(fake, TEXT("\0\0\0\x13\0\x5a\0\0\0\1x\0\0\0\5\0\1\0\0\0\0\x80\0"));
	expect(fake, TEXT("\0\0\0\x12\0\x5c\0\0\0\5\0\0\0\1\0\0\0\0\0\0\0\0"));
	/* Extended data is dropped, but counted. */
	say(fake, TEXT("\0\0\0\x10\0\x5f\0\0\0\0\0\0\0\1\0\0\0\2er"));
	say_data(fake, 16, 0);
	expect(fake, TEXT("\0\0\0\x0a\0\x5d\0\0\0\7\0\x08\0\2"));
	assert_int_equal(fake->received, 16 * LIMIT_CHANNEL_PACKET);
	/* More window than there are numbers for. */
	say(fake, TEXT("\0\0\0\x0a\0\x5d\0\0\0\0\xff\xff\xff\xff"));
	assert_int_equal(fake->err, -EPROTO);
	assert_int_equal(fake->lost, 0);
}

/* A number stays taken until the peer's CLOSE, also of a dial given up. */
static void
test_numbers(void **state)
{
	struct fake *fake = *state;
	struct stream *given_up;
	uint8_t got[256];

	given_up = proxy_dial(fake->proxy, "ftp", 21, LINK_DATA,
	    &fake_stream_handler, fake);
	assert_int_equal(recv(fake->fd, got, sizeof(got), MSG_DONTWAIT), 62);
	assert_int_equal(got[25], 0);
	stream_close(given_up);
	expect_nothing(fake);
	given_up = proxy_dial(fake->proxy, "ftp", 21, LINK_DATA,
	    &fake_stream_handler, fake);
	assert_int_equal(recv(fake->fd, got, sizeof(got), MSG_DONTWAIT), 62);
	assert_int_equal(got[25], 1);
	stream_close(given_up);
	/* The first was confirmed too late, the second refused. */
	say(fake,
	    TEXT("\0\0\0\x12\0\x5b\0\0\0\0\0\0\0\7\0\0\1\0\0\0\1\0"
		 "\0\0\0\x12\0\x5c\0\0\0\1\0\0\0\2\0\0\0\0\0\0\0\0"));
	expect(fake, TEXT("\0\0\0\6\0\x61\0\0\0\7"));
	fake->stream = proxy_dial(fake->proxy, "ftp", 21, LINK_DATA,
	    &fake_stream_handler, fake);
	assert_int_equal(recv(fake->fd, got, sizeof(got), MSG_DONTWAIT), 62);
	assert_int_equal(got[25], 1);
	say(fake, TEXT("\0\0\0\6\0\x61\0\0\0\0"));
	stream_close(fake->stream);
	fake->stream = NULL;
	dial(fake, WINDOW_1000); /* with 0 again */
}

/* What cannot be our protocol ends the connection; owners hear of it once. */
static void
test_nonsense(void **state)
{
	struct fake *fake = *state;

	dial(fake, WINDOW_1000);
	say(fake, TEXT("\0\0\0\6\0\x60\0\0\0\x63"));
	assert_int_equal(fake->lost, 1);
	assert_string_equal(fake->told, "oc");
	assert_int_equal(fake->err, -ECONNRESET);
	assert_null(proxy_dial(fake->proxy, "h", 1, LINK_DATA,
	    &fake_stream_handler, fake));
}

/* ssh goes after our EOF has left and the peer's has come: a clean end. */
static void
test_lost_after_ends(void **state)
{
	struct fake *fake = *state;

	dial(fake, WINDOW_1000);
	stream_shutdown(fake->stream);
	say(fake, TEXT("\0\0\0\6\0\x60\0\0\0\0"));
	shutdown(fake->fd, SHUT_RDWR);
	turn(fake);
	assert_int_equal(fake->lost, 1);
	assert_string_equal(fake->told, "oe");
}

/* Writes a packet of SFTP with so many bytes, in three pieces. */
static void
write_packet(struct fake *fake, uint32_t len)
{
	uint8_t bytes[1000] = { 0 };
	struct iovec pieces[] = {
		{ bytes, 2 },
		{ bytes + 2, 7 },
		{ bytes + 9, len - 9 },
	};

	wire_poke_u32(bytes, len - 4);
	assert_int_equal(stream_writev(fake->stream, pieces, 3), 0);
}

/* Messages with so many bytes of data come next; 0: no more. */
static void
expect_lens(struct fake *fake, const size_t lens[])
{
	uint8_t got[CHAN_DATA_HEAD + 100];

	turn(fake);
	for (; *lens > 0; lens++) {
		assert_int_equal(recv(fake->fd, got, CHAN_DATA_HEAD + *lens,
				     MSG_DONTWAIT),
		    CHAN_DATA_HEAD + *lens);
		assert_memory_equal(got + 4, "\0\x5e\0\0\0\7\0\0\0", 9);
		assert_int_equal(got[13], *lens);
	}
	expect_nothing(fake);
}

/* A message of an SFTP channel ends with a packet, if one fits (mod_sftp). */
static void
test_whole_packets(void **state)
{
	struct fake *fake = *state;

	fake->stream = proxy_dial(fake->proxy, NULL, 0, LINK_CONTROL,
	    &fake_stream_handler, fake);
	expect(fake,
	    TEXT("\0\0\0\x19\0\x5a\0\0\0\7"
		 "session\0\0\0\0\0\2\0\0\0\0\x80\0"));
	say(fake, TEXT("\0\0\0\x12\0\x5b\0\0\0\0\0\0\0\7\0\0\0\xfa\0\0\0\x64"));
	expect(fake,
	    TEXT("\0\0\0\x1c\0\x62\0\0\0\7"
		 "\0\0\0\x09subsystem\1\0\0\0\4sftp"));
	/* These wait together. */
	write_packet(fake, 60);
	write_packet(fake, 20);
	write_packet(fake, 60);
	say(fake, TEXT("\0\0\0\6\0\x63\0\0\0\0"));
	expect_lens(fake, (size_t[]) { 80, 60, 0 });
	/* Too large for one message; the window ends in the second one. */
	write_packet(fake, 150);
	expect_lens(fake, (size_t[]) { 100, 10, 0 });
	write_packet(fake, 50);
	write_packet(fake, 30);
	write_packet(fake, 90);
	/* 1000 bytes more. */
	say(fake, TEXT("\0\0\0\x0a\0\x5d\0\0\0\0\0\0\3\xe8"));
	expect_lens(fake, (size_t[]) { 90, 30, 90, 0 });
	write_packet(fake, 100);
	write_packet(fake, 101);
	expect_lens(fake, (size_t[]) { 100, 100, 1, 0 });
}

#define TEST(name)                                               \
	cmocka_unit_test_setup_teardown(name, fake_set_up_proxy, \
	    fake_tear_down_proxy)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_window_out),
		TEST(test_window_in),
		TEST(test_window_grows),
		TEST(test_window_stays),
		TEST(test_window_exceeded),
		TEST(test_data_after_eof),
		TEST(test_cut),
		TEST(test_end),
		TEST(test_late_answer),
		TEST(test_end_with_unsent),
		TEST(test_unproven),
		TEST(test_unproven_after_ours),
		TEST(test_requests),
		TEST(test_numbers),
		TEST(test_nonsense),
		TEST(test_lost_after_ends),
		TEST(test_whole_packets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
