/*
 * Tests of net/sock: connecting to names.  This program resolves names that end
 * in
 * ".test" itself; the system resolves all others.
 */
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "helpers.h"
#include "limits.h"
#include "sockenv.h"

/* ---- names of this program ---- */

static const struct {
	const char *name;
	const char *addresses[4];
} names[] = {
	{ "v4.test", { "127.0.0.1" } },
	{ "v6.test", { "::1" } },
	{ "v6-v4.test", { "::1", "127.0.0.1" } },
	{ "v4-v6.test", { "127.0.0.1", "::1" } },
	{ "three.test", { "::1", "127.0.0.3", "127.0.0.1" } },
	/* Without a scope it cannot be tried. */
	{ "no-scope.test", { "fe80::1" } },
	{ "v4-no-scope.test", { "127.0.0.1", "fe80::1" } },
	{ "no-scope-v4.test", { "fe80::1", "127.0.0.1" } },
	{ "slow.test", { "127.0.0.1" } },
};

static atomic_uint lookups;
static uv_sem_t slow;  /* look-ups of slow.test wait for it */
static uv_sem_t asked; /* and say by this one that they do */

static bool
is_ours(const char *name)
{
	const char *end = strstr(name, ".test");

	return end != NULL && end[5] == '\0';
}

static struct addrinfo *
new_info(const char *text)
{
	struct addrinfo *info = calloc(1, sizeof(*info));
	struct sockaddr_storage *sa = calloc(1, sizeof(*sa));
	struct addr addr;

	assert_int_equal(addr_parse_ip(text, &addr), 0);
	info->ai_addrlen = addr_to_sockaddr(&addr, sa);
	info->ai_addr = (struct sockaddr *)sa;
	info->ai_family = addr.family;
	/* So that ours are known again. */
	info->ai_canonname = strdup(".test");
	return info;
}

/* Replaces the C library's. */
int
getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
    struct addrinfo **ret)
{
	struct addrinfo **next = ret;

	lookups++;
	if (!is_ours(name)) {
		int (*real)(const char *, const char *, const struct addrinfo *,
		    struct addrinfo **);

		*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
		return real(name, service, hints, ret);
	}
	if (strcmp(name, "slow.test") == 0) {
		uv_sem_post(&asked);
		uv_sem_wait(&slow);
	}
	*ret = NULL;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i].name) != 0)
			continue;
		for (size_t n = 0; names[i].addresses[n] != NULL; n++) {
			*next = new_info(names[i].addresses[n]);
			next = &(*next)->ai_next;
		}
		return 0;
	}
	return EAI_NONAME;
}

void
freeaddrinfo(struct addrinfo *list)
{
	if (list->ai_canonname == NULL || !is_ours(list->ai_canonname)) {
		void (*real)(struct addrinfo *);

		*(void **)&real = dlsym(RTLD_NEXT, "freeaddrinfo");
		real(list);
		return;
	}
	while (list != NULL) {
		struct addrinfo *next = list->ai_next;

		free(list->ai_addr);
		free(list->ai_canonname);
		free(list);
		list = next;
	}
}

/* ---- what the tests share ---- */

/* Listens on that address only, and returns the port. */
static struct net_listener *
listen_at(struct sockenv *env, const char *text, struct notes *far,
    uint16_t *ret_port)
{
	struct addr at = address(text);
	struct net_listener *listener;
	int err = 0;

	listener = net_listen(env->net, &at, false, notes_accept, far, &err);
	assert_non_null(listener);
	assert_int_equal(net_listener_start(listener), 0);
	*ret_port = net_listener_addr(listener).port;
	return listener;
}

/* A port of loopback where nobody listens. */
static uint16_t
free_port(void)
{
	struct addr at;

	close(raw_listen(&at));
	return at.port;
}

static void
dial_from(struct notes *notes, const char *host, uint16_t port,
    const struct addr *from)
{
	notes->in_call = true;
	notes->stream = net_dial_host(notes->env->net, host, port, from,
	    &notes_handler, notes);
	notes->in_call = false;
	assert_non_null(notes->stream);
}

static void
dial(struct notes *notes, const char *host, uint16_t port)
{
	dial_from(notes, host, port, NULL);
}

static void
run_dry(struct sockenv *env)
{
	uv_unref((uv_handle_t *)&env->tick);
	while (uv_loop_alive(&env->loop))
		sockenv_turn(env);
	uv_ref((uv_handle_t *)&env->tick);
}

/* ---- the tests ---- */

/* Bytes both ways, also those written before it was connected. */
static void
talk(struct sockenv *env, const char *host, const char *at)
{
	struct notes near = { .env = env }, far = { .env = env };
	struct net_listener *listener;
	struct addr addr, there = address(at);
	uint16_t port;

	listener = listen_at(env, at, &far, &port);
	dial(&near, host, port);
	stream_read_start(near.stream);
	assert_int_equal(write_noted(&near, "abc", 3), 0);
	assert_int_equal(write_noted(&near, "def", 3), 0);
	assert_int_equal(stream_queued(near.stream), 6);
	stream_shutdown(near.stream);
	assert_int_equal(write_noted(&near, "x", 1), -EPIPE);
	assert_int_equal(stream_undelivered(near.stream), 7);
	assert_true(stream_alive(near.stream));
	assert_int_equal(net_stream_peer(near.stream).family, AF_UNSPEC);
	SOCKENV_UNTIL(env, near.opened == 1 && far.stream != NULL);
	addr = net_stream_peer(near.stream);
	assert_true(addr_same_ip(&addr, &there) && addr.port == port);
	addr = net_stream_local(near.stream);
	assert_int_equal(addr.port, net_stream_peer(far.stream).port);
	stream_read_start(far.stream);
	SOCKENV_UNTIL(env, far.eofs == 1);
	assert_int_equal(far.len, 6);
	assert_memory_equal(far.bytes, "abcdef", 6);
	assert_int_equal(write_noted(&far, "reply", 5), 0);
	SOCKENV_UNTIL(env, near.len == 5);
	assert_memory_equal(near.bytes, "reply", 5);
	assert_int_equal(near.opened, 1);
	assert_int_equal(near.closed, 0);
	notes_free(&near);
	notes_free(&far);
	net_listener_close(listener);
}

static void
test_numeric(void **state)
{
	lookups = 0;
	talk(*state, "127.0.0.1", "127.0.0.1");
	talk(*state, "::1", "::1");
	talk(*state, "::ffff:127.0.0.1", "127.0.0.1");
	assert_int_equal(lookups, 0);
}

static void
test_name(void **state)
{
	lookups = 0;
	talk(*state, "v4.test", "127.0.0.1");
	talk(*state, "v6.test", "::1");
	/* The system decides: ::1 may come first. */
	talk(*state, "localhost", "127.0.0.1");
	assert_int_equal(lookups, 3);
}

/* If the first refuses or cannot be tried, another one accepts. */
static void
test_next(void **state)
{
	talk(*state, "v6-v4.test", "::1");
	talk(*state, "v6-v4.test", "127.0.0.1");
	talk(*state, "v4-v6.test", "::1");
	talk(*state, "v4-v6.test", "127.0.0.1");
	talk(*state, "three.test", "127.0.0.3");
	talk(*state, "three.test", "127.0.0.1");
	talk(*state, "no-scope-v4.test", "127.0.0.1");
}

static void
fails(struct sockenv *env, const char *host, const struct addr *from, int err,
    const char *why)
{
	struct notes notes = { .env = env };
	int wrote;

	dial_from(&notes, host, free_port(), from);
	stream_read_start(notes.stream);
	/* It may be dead already, but must not report it here. */
	wrote = write_noted(&notes, "x", 1);
	assert_true(wrote == 0 || wrote == -EPIPE);
	SOCKENV_UNTIL(env, notes.closed > 0);
	assert_int_equal(notes.err, err);
	assert_string_equal(notes.why, why);
	assert_false(stream_alive(notes.stream));
	assert_int_equal(write_noted(&notes, "x", 1), -EPIPE);
	for (int i = 0; i < 10; i++)
		sockenv_turn(env);
	assert_int_equal(notes.closed, 1);
	assert_int_equal(notes.opened, 0);
	notes_free(&notes);
}

static void
test_fails(void **state)
{
	struct sockenv *env = *state;
	struct addr v4 = address("127.0.0.1"), v6 = address("::1");
	const char *refused = strerror(ECONNREFUSED);
	const char *family = strerror(EAFNOSUPPORT);

	fails(env, "unknown.test", NULL, -ENOENT, gai_strerror(EAI_NONAME));
	fails(env, "", NULL, -ENOENT, gai_strerror(EAI_NONAME));
	fails(env, "127.0.0.1", NULL, -ECONNREFUSED, refused);
	fails(env, "v6-v4.test", NULL, -ECONNREFUSED, refused);
	fails(env, "three.test", NULL, -ECONNREFUSED, refused);
	fails(env, "fe80::1", NULL, -EINVAL, strerror(EINVAL));
	fails(env, "no-scope.test", NULL, -EINVAL, strerror(EINVAL));
	/* An address that cannot be tried does not hide the error of one that
	 * was. */
	fails(env, "v4-no-scope.test", NULL, -ECONNREFUSED, refused);
	fails(env, "no-scope-v4.test", NULL, -ECONNREFUSED, refused);

	fails(env, "v4.test", &v6, -EAFNOSUPPORT, "it has no IPv6 address");
	fails(env, "v6.test", &v4, -EAFNOSUPPORT, "it has no IPv4 address");
	fails(env, "127.0.0.1", &v6, -EAFNOSUPPORT, family);
	fails(env, "::1", &v4, -EAFNOSUPPORT, family);
	v4 = address("192.0.2.77");
	fails(env, "v4.test", &v4, -EADDRNOTAVAIL, strerror(EADDRNOTAVAIL));
	fails(env, "127.0.0.1", &v4, -EADDRNOTAVAIL, strerror(EADDRNOTAVAIL));
}

/* Only the addresses that can be reached from there. */
static void
test_from(void **state)
{
	static const char *const hosts[] = { "127.0.0.1", "v6-v4.test" };
	struct sockenv *env = *state;
	struct addr from = address("127.0.0.5");

	for (size_t i = 0; i < 2; i++) {
		struct notes near = { .env = env }, far = { .env = env };
		struct net_listener *listener;
		struct addr addr;
		uint16_t port;

		listener = listen_at(env, "127.0.0.1", &far, &port);
		from.port = port;
		dial_from(&near, hosts[i], port, &from);
		SOCKENV_UNTIL(env, near.opened == 1 && far.stream != NULL);
		addr = net_stream_local(near.stream);
		assert_true(addr_same_ip(&addr, &from));
		assert_int_not_equal(addr.port, port);
		notes_free(&near);
		notes_free(&far);
		net_listener_close(listener);
	}
}

/* More than the low-water mark waits for the connection, and drains. */
static void
test_much(void **state)
{
	struct sockenv *env = *state;
	struct notes near = { .env = env }, far = { .env = env };
	struct net_listener *listener;
	size_t len = 2 * LIMIT_HIGH_WATER;
	uint16_t port;

	listener = listen_at(env, "127.0.0.1", &far, &port);
	dial(&near, "v6-v4.test", port);
	assert_int_equal(write_pattern(&near, 0, len), 0);
	stream_shutdown(near.stream);
	SOCKENV_UNTIL(env, far.stream != NULL);
	stream_read_start(far.stream);
	SOCKENV_UNTIL(env, far.eofs == 1);
	assert_int_equal(far.len, len);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(far.bytes[i], pattern(i));
	assert_int_equal(near.drained, 1);
	SOCKENV_UNTIL(env, stream_undelivered(near.stream) == 0);
	notes_free(&near);
	notes_free(&far);
	net_listener_close(listener);
}

static void (*const ways[])(
    struct stream *) = { stream_close, stream_reset, stream_finish };
#define WAYS (sizeof(ways) / sizeof(ways[0]))

/* No callback follows, and the memory is freed (see teardown). */
static void
test_give_up_resolving(void **state)
{
	struct sockenv *env = *state;
	struct notes notes = { .env = env };
	uint16_t port = free_port();

	for (size_t way = 0; way < WAYS; way++) {
		dial(&notes, "slow.test", port);
		if (way == 0)
			assert_int_equal(write_noted(&notes, "abc", 3), 0);
		for (int i = 0; i < 5; i++)
			sockenv_turn(env);
		/* One that has not begun would be cancelled. */
		uv_sem_wait(&asked);
		ways[way](notes.stream);
		notes.stream = NULL;
		for (int i = 0; i < 5; i++)
			sockenv_turn(env);
		uv_sem_post(&slow);
		/* This look-up has it, not the next. */
		run_dry(env);
	}
	assert_int_equal(notes.opened + notes.closed, 0);
}

/* The same after every number of turns, so between any two steps, with an
 * address that answers at the end or without. */
static void
test_give_up_anywhere(void **state)
{
	struct sockenv *env = *state;

	for (size_t round = 0; round < 2 * WAYS * 12; round++) {
		struct notes near = { .env = env }, far = { .env = env };
		struct net_listener *listener;
		unsigned int turns = (unsigned int)round % 12;
		uint16_t port;

		listener = listen_at(env, "127.0.0.1", &far, &port);
		if (round % 2 == 0) {
			net_listener_close(listener);
			listener = NULL;
		}
		dial(&near, round % 4 < 2 ? "three.test" : "127.0.0.1", port);
		while (turns-- > 0)
			sockenv_turn(env);
		ways[round / 2 / 12](near.stream);
		near.stream = NULL;
		near.closed = near.opened = 0;
		net_listener_close(listener);
		for (int i = 0; i < 10; i++)
			sockenv_turn(env);
		assert_int_equal(near.closed + near.opened, 0);
		notes_free(&far);
		notes_free(&near);
	}
	run_dry(env);
}

/* After stream_finish() it still delivers, once it is connected. */
static void
test_finish_delivers(void **state)
{
	static const char *const hosts[] = { "127.0.0.1", "v6-v4.test",
		"slow.test" };
	struct sockenv *env = *state;

	for (size_t i = 0; i < 3; i++) {
		struct notes near = { .env = env }, far = { .env = env };
		struct net_listener *listener;
		uint16_t port;

		listener = listen_at(env, "127.0.0.1", &far, &port);
		dial(&near, hosts[i], port);
		assert_int_equal(write_noted(&near, "last words", 10), 0);
		stream_finish(near.stream);
		near.stream = NULL;
		uv_sem_post(&slow);
		SOCKENV_UNTIL(env, far.stream != NULL);
		stream_read_start(far.stream);
		SOCKENV_UNTIL(env, far.eofs == 1);
		assert_int_equal(far.len, 10);
		assert_int_equal(near.opened + near.closed, 0);
		notes_free(&far);
		net_listener_close(listener);
		uv_sem_wait(i < 2 ? &slow : &asked);
	}
	run_dry(env);
}

/* The kernel may have connected before the loop knows: the peer must not see a
 * clean end. */
static void
test_reset_connecting(void **state)
{
	struct sockenv *env = *state;
	struct notes notes = { .env = env };
	struct addr at;
	int listener = raw_listen(&at), raw, err = 0;
	char byte;

	dial(&notes, "127.0.0.1", at.port);
	raw = raw_accept(env, listener);
	/* raw_accept() may have turned the loop: then it is an open stream. */
	stream_reset(notes.stream);
	notes.stream = NULL;
	while (raw_read(raw, &byte, 1, &err) >= 0)
		sockenv_turn(env);
	assert_int_equal(err, ECONNRESET);
	close(raw);
	close(listener);
}

/* No answer: when the program ends, it does not wait long. */
static void
test_hurry(void **state)
{
	struct sockenv *env = *state;
	struct notes notes = { .env = env };
	int listener, full[8];
	struct addr at;
	uint64_t start = uv_now(&env->loop);

	listener = raw_listen(&at);
	listen(listener, 0);
	/* With a full queue, the kernel drops new connections. */
	for (size_t i = 0; i < 8; i++)
		full[i] = raw_connect(&at);
	dial(&notes, "v4.test", at.port);
	assert_int_equal(write_noted(&notes, "x", 1), 0);
	for (int i = 0; i < 20; i++)
		sockenv_turn(env);
	assert_int_equal(notes.opened + notes.closed, 0);
	stream_finish(notes.stream);
	notes.stream = NULL;
	net_hurry(env->net);
	run_dry(env);
	assert_true(uv_now(&env->loop) < start + 2 * LIMIT_LINGER_MS);
	for (size_t i = 0; i < 8; i++)
		close(full[i]);
	close(listener);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SOCKENV_TEST(test_numeric),
		SOCKENV_TEST(test_name),
		SOCKENV_TEST(test_next),
		SOCKENV_TEST(test_fails),
		SOCKENV_TEST(test_from),
		SOCKENV_TEST(test_much),
		SOCKENV_TEST(test_give_up_resolving),
		SOCKENV_TEST(test_give_up_anywhere),
		SOCKENV_TEST(test_finish_delivers),
		SOCKENV_TEST(test_reset_connecting),
		SOCKENV_TEST(test_hurry),
	};

	uv_sem_init(&slow, 0);
	uv_sem_init(&asked, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
