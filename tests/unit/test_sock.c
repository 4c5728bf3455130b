/*
 * Tests of net/sock: streams.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "limits.h"
#include "sockenv.h"

#define MEGABYTE ((size_t)1024 * 1024)

/* The descriptor of a stream: the one with its two addresses. */
static int
find_fd(const struct stream *stream)
{
	struct addr local = net_stream_local(stream);
	struct addr peer = net_stream_peer(stream);

	for (int fd = 0; fd < 256; fd++) {
		struct sockaddr_storage sa;
		struct addr a, b;
		socklen_t len = sizeof(sa);

		if (getsockname(fd, (struct sockaddr *)&sa, &len) != 0 ||
		    addr_from_sockaddr((struct sockaddr *)&sa, &a) != 0)
			continue;
		len = sizeof(sa);
		if (getpeername(fd, (struct sockaddr *)&sa, &len) != 0 ||
		    addr_from_sockaddr((struct sockaddr *)&sa, &b) != 0)
			continue;
		if (a.port == local.port && b.port == peer.port)
			return fd;
	}
	fail();
	return -1;
}

static void
assert_options(int fd)
{
	static const int options[][2] = {
		{ IPPROTO_TCP, TCP_NODELAY },
		{ SOL_SOCKET, SO_KEEPALIVE },
		{ SOL_SOCKET, SO_OOBINLINE },
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		int on = 0;
		socklen_t len = sizeof(on);

		assert_int_equal(getsockopt(fd, options[i][0], options[i][1],
				     &on, &len),
		    0);
		assert_int_not_equal(on, 0);
	}
}

static void
test_refused(void **state)
{
	struct sockenv *env = *state;
	struct notes notes = { .env = env };
	struct addr at;
	int listener = raw_listen(&at), err = 0;

	close(listener);
	notes.in_call = true;
	notes.stream =
	    net_dial(env->net, &at, NULL, &notes_handler, &notes, &err);
	notes.in_call = false;
	assert_non_null(notes.stream);
	assert_int_equal(write_noted(&notes, "x", 1), 0);
	SOCKENV_UNTIL(env, notes.closed > 0);
	assert_int_equal(notes.err, -ECONNREFUSED);
	assert_string_equal(notes.why, strerror(ECONNREFUSED));
	assert_int_equal(notes.opened, 0);
	assert_false(stream_alive(notes.stream));
	assert_int_equal(write_noted(&notes, "x", 1), -EPIPE);
	notes_free(&notes);
}

/* Connecting fails at once. */
static void
test_dial_fails(void **state)
{
	struct sockenv *env = *state;
	struct notes notes = { .env = env };
	struct addr to = addr_loopback(AF_INET, 9);
	struct addr from;
	int err = 0;

	assert_int_equal(addr_parse_ip("192.0.2.77", &from), 0);
	assert_null(
	    net_dial(env->net, &to, &from, &notes_handler, &notes, &err));
	assert_int_equal(err, -EADDRNOTAVAIL);
	/* A link-local address without a scope has no interface. */
	assert_int_equal(addr_parse_ip("fe80::1", &to), 0);
	to.port = 9;
	assert_null(
	    net_dial(env->net, &to, NULL, &notes_handler, &notes, &err));
	assert_true(err == -EINVAL || err == -ENETUNREACH);
}

static void
test_dialled_and_accepted(void **state)
{
	struct sockenv *env = *state;
	struct notes near = { .env = env }, far = { .env = env };
	struct addr at = addr_loopback(AF_INET, 0), from, addr;
	struct net_listener *listener;
	int err = 0;

	listener = net_listen(env->net, &at, false, notes_accept, &far, &err);
	assert_non_null(listener);
	assert_int_equal(net_listener_start(listener), 0);
	at = net_listener_addr(listener);
	assert_int_equal(addr_parse_ip("127.0.0.5", &from), 0);
	from.port = at.port;
	near.stream =
	    net_dial(env->net, &at, &from, &notes_handler, &near, &err);
	assert_non_null(near.stream);
	/* What is written before it is connected waits and keeps its order. */
	assert_int_equal(write_noted(&near, "abc", 3), 0);
	assert_int_equal(stream_queued(near.stream), 3);
	assert_int_equal(write_noted(&near, "def", 3), 0);
	stream_read_start(near.stream);
	SOCKENV_UNTIL(env, near.opened == 1 && far.stream != NULL);
	assert_options(find_fd(near.stream));
	assert_options(find_fd(far.stream));
	addr = net_stream_peer(near.stream);
	assert_true(addr_same_ip(&addr, &at) && addr.port == at.port);
	addr = net_stream_local(near.stream);
	assert_true(addr_same_ip(&addr, &from));
	assert_int_not_equal(addr.port, from.port);
	addr = net_stream_peer(far.stream);
	assert_true(addr_same_ip(&addr, &from));

	/* Half-close: the other direction continues. */
	stream_shutdown(near.stream);
	assert_int_equal(write_noted(&near, "x", 1), -EPIPE);
	stream_read_start(far.stream);
	SOCKENV_UNTIL(env, far.eofs == 1);
	assert_int_equal(far.len, 6);
	assert_memory_equal(far.bytes, "abcdef", 6);
	assert_int_equal(write_noted(&far, "reply", 5), 0);
	SOCKENV_UNTIL(env, near.len == 5);
	assert_memory_equal(near.bytes, "reply", 5);
	stream_shutdown(far.stream);
	SOCKENV_UNTIL(env, near.eofs == 1);
	SOCKENV_UNTIL(env, stream_undelivered(far.stream) == 0);

	/* After two clean ends it is alive; each comes once. */
	stream_read_start(near.stream);
	stream_read_stop(near.stream);
	stream_read_start(far.stream);
	for (int i = 0; i < 20; i++)
		sockenv_turn(env);
	assert_int_equal(near.eofs + far.eofs, 2);
	assert_int_equal(near.closed + far.closed, 0);
	assert_true(stream_alive(near.stream));
	assert_true(stream_alive(far.stream));
	notes_free(&near);
	notes_free(&far);
	net_listener_close(listener);
}

/* An accepted stream in place of one that is dialled: bytes come after
 * opened(), and what was written before keeps its order. */
static void
test_reopened(void **state)
{
	struct sockenv *env = *state;
	struct notes near = { .env = env }, far = { .env = env };
	struct addr at = addr_loopback(AF_INET, 0);
	struct net_listener *listener;
	int err = 0;

	listener = net_listen(env->net, &at, false, notes_accept, &far, &err);
	assert_non_null(listener);
	assert_int_equal(net_listener_start(listener), 0);
	at = net_listener_addr(listener);
	near.stream =
	    net_dial(env->net, &at, NULL, &notes_handler, &near, &err);
	assert_int_equal(write_noted(&near, "abc", 3), 0);
	SOCKENV_UNTIL(env, near.opened == 1 && far.stream != NULL);
	assert_int_equal(write_noted(&far, "first", 5), 0);
	net_stream_reopen(far.stream, &notes_handler, &far);
	stream_read_start(far.stream);
	assert_int_equal(write_noted(&far, "second", 6), 0);
	assert_int_equal(far.opened, 0);
	SOCKENV_UNTIL(env, far.opened > 0);
	SOCKENV_UNTIL(env, far.len == 3);
	assert_int_equal(far.opened, 1);
	stream_read_start(near.stream);
	SOCKENV_UNTIL(env, near.len == 11);
	assert_memory_equal(near.bytes, "firstsecond", 11);

	/* One that is closed before that is never opened. */
	net_stream_reopen(near.stream, &notes_handler, &near);
	notes_free(&near);
	SOCKENV_UNTIL(env, far.closed + far.eofs > 0);
	assert_int_equal(near.opened, 0);
	notes_free(&far);
	net_listener_close(listener);
}

/* An urgent byte (a Telnet Synch) keeps its position, and neither blocks nor
 * spins the loop. */
static void
test_urgent(void **state)
{
	struct sockenv *env = *state;
	struct notes notes;
	int raw;

	sockenv_pair(env, &notes, &raw);
	raw_write(raw, "ab\xff", 3);
	assert_int_equal(send(raw, "\xf2", 1, MSG_OOB), 1);
	raw_write(raw, "ABOR\r\n", 6);
	assert_true(count_turns(env) < 20);
	stream_read_start(notes.stream);
	SOCKENV_UNTIL(env, notes.len == 10);
	assert_memory_equal(notes.bytes,
	    "ab\xff\xf2"
	    "ABOR\r\n",
	    10);
	/* A single one, and one at the end. */
	assert_int_equal(send(raw, "!", 1, MSG_OOB), 1);
	SOCKENV_UNTIL(env, notes.len == 11);
	assert_int_equal(notes.bytes[10], '!');
	assert_true(count_turns(env) < 20);
	stream_read_stop(notes.stream);
	assert_int_equal(send(raw, "?", 1, MSG_OOB), 1);
	assert_true(count_turns(env) < 20);
	stream_read_start(notes.stream);
	close(raw);
	SOCKENV_UNTIL(env, notes.eofs == 1);
	assert_int_equal(notes.len, 12);
	assert_int_equal(notes.bytes[11], '?');
	assert_true(count_turns(env) < 20);
	notes_free(&notes);
}

/* libuv must not end the stream at the urgent mark, where a read is short, when
 * both directions are shut. */
static void
test_urgent_and_end(void **state)
{
	struct sockenv *env = *state;
	struct notes notes;
	int raw;

	sockenv_pair(env, &notes, &raw);
	stream_shutdown(notes.stream);
	raw_write(raw, "ab", 2);
	assert_int_equal(send(raw, "c", 1, MSG_OOB), 1);
	raw_write(raw, "de", 2);
	shutdown(raw, SHUT_WR);
	for (int i = 0; i < 20; i++)
		sockenv_turn(env);
	stream_read_start(notes.stream);
	SOCKENV_UNTIL(env, notes.eofs == 1);
	assert_int_equal(notes.len, 5);
	assert_memory_equal(notes.bytes, "abcde", 5);
	close(raw);
	notes_free(&notes);
}

/* Every byte is counted once, in this process, in its kernel, or at the peer:
 * also while the kernel has a part of the piece that libuv writes. */
static void
test_counts(void **state)
{
	struct sockenv *env = *state;
	struct notes notes;
	char bytes[64 * 1024];
	size_t left = 0;
	int raw, arrived = 0, err = 0;

	sockenv_pair(env, &notes, &raw);
	while (stream_queued(notes.stream) <= 8 * LIMIT_HIGH_WATER) {
		assert_int_equal(write_pattern(&notes, left, 100000), 0);
		left += 100000;
	}
	while (left > MEGABYTE) {
		ssize_t n = raw_read(raw, bytes, sizeof(bytes), &err);

		assert_true(n >= 0);
		left -= (size_t)n;
		/* Something must come, else the loop would not turn again. */
		SOCKENV_UNTIL(env,
		    ioctl(raw, FIONREAD, &arrived) == 0 && arrived > 0 &&
			stream_undelivered(notes.stream) + (size_t)arrived ==
			    left);
	}
	close(raw);
	notes_free(&notes);
}

static void
test_backpressure(void **state)
{
	struct sockenv *env = *state;
	struct notes notes;
	size_t in = 0;
	int raw, err = 0;

	sockenv_pair(env, &notes, &raw);
	while (stream_queued(notes.stream) <= 4 * LIMIT_HIGH_WATER) {
		assert_int_equal(write_pattern(&notes, in, 100000), 0);
		in += 100000;
	}
	for (int i = 0; i < 20; i++)
		sockenv_turn(env);
	assert_int_equal(notes.drained, 0);
	assert_true(
	    stream_undelivered(notes.stream) > stream_queued(notes.stream));
	stream_shutdown(notes.stream);
	assert_int_equal(read_pattern(env, raw, 64 * 1024, &err), in);
	assert_int_equal(err, 0);
	assert_int_equal(notes.drained, 1);
	assert_true(notes.queued_when_drained <= LIMIT_LOW_WATER);
	/* Early enough, not when the queue is empty. */
	assert_true(notes.queued_when_drained > 0);
	SOCKENV_UNTIL(env, stream_undelivered(notes.stream) == 0);
	assert_true(stream_alive(notes.stream));
	close(raw);
	notes_free(&notes);
}

/* Data and then FIN, which the peer's kernel acknowledges when there is room
 * for the data before it. */
static void
test_undelivered(void **state)
{
	struct sockenv *env = *state;
	struct notes notes;
	size_t in = 0;
	int raw, err = 0;

	sockenv_pair(env, &notes, &raw);
	assert_int_equal(stream_undelivered(notes.stream), 0);
	while (stream_queued(notes.stream) == 0) {
		assert_int_equal(write_pattern(&notes, in, 10000), 0);
		in += 10000;
	}
	stream_shutdown(notes.stream);
	assert_true(stream_undelivered(notes.stream) > 1);
	assert_int_equal(read_pattern(env, raw, 16 * 1024, &err), in);
	SOCKENV_UNTIL(env, stream_undelivered(notes.stream) == 0);
	close(raw);
	notes_free(&notes);

	/* A FIN that cannot be sent yet counts: the stream is still connecting.
	 */
	notes.stream = NULL;
	struct addr at;
	int listener = raw_listen(&at);

	notes.stream =
	    net_dial(env->net, &at, NULL, &notes_handler, &notes, &err);
	stream_shutdown(notes.stream);
	assert_int_equal(stream_undelivered(notes.stream), 1);
	SOCKENV_UNTIL(env, stream_undelivered(notes.stream) == 0);
	notes_free(&notes);
	close(listener);
}

static void
test_queue_full(void **state)
{
	struct sockenv *env = *state;
	struct notes notes;
	size_t in = 0, queued;
	int raw, err;

	sockenv_pair(env, &notes, &raw);
	while ((err = write_pattern(&notes, in, MEGABYTE)) == 0)
		in += MEGABYTE;
	assert_int_equal(err, -ENOMEM);
	queued = stream_queued(notes.stream);
	assert_true(queued > LIMIT_STREAM_QUEUE - MEGABYTE);
	assert_true(queued <= LIMIT_STREAM_QUEUE);
	stream_shutdown(notes.stream);
	assert_int_equal(read_pattern(env, raw, 256 * 1024, &err), in);
	assert_int_equal(notes.closed, 0);
	close(raw);
	notes_free(&notes);
}

static void
test_close_in_data(void **state)
{
	struct sockenv *env = *state;
	struct notes notes;
	size_t len;
	int raw;

	sockenv_pair(env, &notes, &raw);
	notes.close_in_data = true;
	for (int i = 0; i < 5; i++) {
		assert_int_equal(send(raw, "!", 1, MSG_OOB), 1);
		raw_write(raw, "abcdef", 6);
	}
	shutdown(raw, SHUT_WR);
	stream_read_start(notes.stream);
	SOCKENV_UNTIL(env, notes.len > 0);
	/* The urgent marks part the rest from it; notes_data() would see. */
	len = notes.len;
	assert_true(len < 35);
	for (int i = 0; i < 20; i++)
		sockenv_turn(env);
	assert_int_equal(notes.len, len);
	assert_int_equal(notes.eofs, 0);
	close(raw);
	notes_free(&notes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SOCKENV_TEST(test_refused),
		SOCKENV_TEST(test_dial_fails),
		SOCKENV_TEST(test_dialled_and_accepted),
		SOCKENV_TEST(test_reopened),
		SOCKENV_TEST(test_urgent),
		SOCKENV_TEST(test_urgent_and_end),
		SOCKENV_TEST(test_backpressure),
		SOCKENV_TEST(test_counts),
		SOCKENV_TEST(test_undelivered),
		SOCKENV_TEST(test_queue_full),
		SOCKENV_TEST(test_close_in_data),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
