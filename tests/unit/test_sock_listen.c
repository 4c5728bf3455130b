/*
 * Tests of net/sock: listeners.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "limits.h"
#include "sockenv.h"

static void
test_in_use(void **state)
{
	struct sockenv *env = *state;
	struct addr at;
	struct net_listener *listener;
	int raw = raw_listen(&at), err = 0;

	assert_null(net_listen(env->net, &at, false, notes_accept, NULL, &err));
	assert_int_equal(err, -EADDRINUSE);
	close(raw);
	assert_int_equal(addr_parse_ip("192.0.2.77", &at), 0);
	assert_null(net_listen(env->net, &at, false, notes_accept, NULL, &err));
	assert_int_equal(err, -EADDRNOTAVAIL);
	/* Two with port 0 do not conflict. */
	at = addr_loopback(AF_INET, 0);
	listener = net_listen(env->net, &at, false, notes_accept, NULL, &err);
	assert_non_null(listener);
	at = net_listener_addr(listener);
	assert_int_not_equal(at.port, 0);
	assert_null(net_listen(env->net, &at, false, notes_accept, NULL, &err));
	assert_int_equal(err, -EADDRINUSE);
	net_listener_close(listener);
	net_listener_close(NULL);
}

/* Before start the kernel accepts connections, but no callback comes. */
static void
test_not_before_start(void **state)
{
	struct sockenv *env = *state;
	struct notes notes = { .env = env };
	struct addr at = addr_loopback(AF_INET, 0);
	struct net_listener *listener;
	int raw, err = 0;

	listener = net_listen(env->net, &at, false, notes_accept, &notes, &err);
	assert_non_null(listener);
	at = net_listener_addr(listener);
	raw = raw_connect(&at);
	raw_write(raw, "abc", 3);
	for (int i = 0; i < 20; i++)
		sockenv_turn(env);
	assert_null(notes.stream);
	assert_int_equal(net_listener_start(listener), 0);
	SOCKENV_UNTIL(env, notes.stream != NULL);
	net_listener_close(listener);
	/* Nothing is read before stream_read_start(). */
	for (int i = 0; i < 20; i++)
		sockenv_turn(env);
	assert_int_equal(notes.len, 0);
	stream_read_start(notes.stream);
	SOCKENV_UNTIL(env, notes.len == 3);
	close(raw);
	notes_free(&notes);
}

/* Counts connections, closes them and then the listener. */
struct once {
	struct net_listener *listener;
	unsigned int count;
};

static void
accept_once(void *ctx, struct stream *stream)
{
	struct once *once = ctx;

	once->count++;
	stream_close(stream);
	net_listener_close(once->listener);
}

static void
test_close_in_accept(void **state)
{
	struct sockenv *env = *state;
	struct once once = { .listener = NULL };
	struct addr at = addr_loopback(AF_INET, 0);
	int raw[3], err = 0;

	once.listener =
	    net_listen(env->net, &at, false, accept_once, &once, &err);
	assert_non_null(once.listener);
	at = net_listener_addr(once.listener);
	for (size_t i = 0; i < 3; i++)
		raw[i] = raw_connect(&at);
	assert_int_equal(net_listener_start(once.listener), 0);
	SOCKENV_UNTIL(env, once.count > 0);
	for (int i = 0; i < 20; i++)
		sockenv_turn(env);
	assert_int_equal(once.count, 1);
	for (size_t i = 0; i < 3; i++)
		close(raw[i]);
}

/* Without a descriptor a connection waits, the loop does not spin, and the log
 * has one line. */
static void
test_no_descriptors(void **state)
{
	struct sockenv *env = *state;
	struct notes notes = { .env = env };
	struct addr at = addr_loopback(AF_INET, 0);
	struct rlimit before, none;
	struct net_listener *listener;
	unsigned int turns = 0;
	uint64_t until;
	int raw, next, err = 0;

	/* It has its own idea of the limit. */
	if (getenv("UNDER_VALGRIND") != NULL)
		skip();
	listener = net_listen(env->net, &at, false, notes_accept, &notes, &err);
	assert_non_null(listener);
	at = net_listener_addr(listener);
	raw = raw_connect(&at);
	next = dup(raw); /* the lowest that is free */
	assert_true(next >= 0);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = (rlim_t)next;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(net_listener_start(listener), 0);
	until = uv_now(&env->loop) + 3 * LIMIT_ACCEPT_PAUSE_MS;
	while (uv_now(&env->loop) < until) {
		sockenv_turn(env);
		turns++;
	}
	assert_null(notes.stream);
	/* One per tick, not thousands. */
	assert_in_range(turns, 3, 2000);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	SOCKENV_UNTIL(env, notes.stream != NULL);
	net_listener_close(listener);
	notes_free(&notes);
	close(raw);
}

/* "::" accepts IPv4 only with dual. */
static void
test_dual(void **state)
{
	struct sockenv *env = *state;
	struct addr any, at, to;
	int err = 0;

	assert_int_equal(addr_parse_ip("::", &any), 0);
	for (int dual = 0; dual <= 1; dual++) {
		struct notes far = { .env = env }, near = { .env = env };
		struct net_listener *listener = net_listen(env->net, &any,
		    dual == 1, notes_accept, &far, &err);

		assert_non_null(listener);
		assert_int_equal(net_listener_start(listener), 0);
		at = net_listener_addr(listener);
		assert_int_equal(at.family, AF_INET6);
		to = addr_loopback(AF_INET, at.port);
		near.stream =
		    net_dial(env->net, &to, NULL, &notes_handler, &near, &err);
		if (dual == 1) {
			SOCKENV_UNTIL(env, near.opened && far.stream != NULL);
			at = net_stream_local(far.stream);
			assert_int_equal(at.family, AF_INET);
			assert_true(addr_is_loopback(&at));
			at = net_stream_peer(far.stream);
			assert_int_equal(at.family, AF_INET);
		} else {
			SOCKENV_UNTIL(env, near.closed);
			assert_int_equal(near.err, -ECONNREFUSED);
		}
		notes_free(&near);
		notes_free(&far);
		net_listener_close(listener);
	}
}

/* The first link-local address of this host, if there is one. */
static bool
find_link_local(struct addr *ret)
{
	uv_interface_address_t *all;
	int n;
	bool found = false;

	assert_int_equal(uv_interface_addresses(&all, &n), 0);
	for (int i = 0; i < n && !found; i++) {
		struct addr addr;

		if (addr_from_sockaddr((const struct sockaddr *)&all[i].address,
			&addr) == 0 &&
		    addr.family == AF_INET6 && addr.ip[0] == 0xfe &&
		    (addr.ip[1] & 0xc0) == 0x80 && addr.scope != 0) {
			*ret = addr;
			found = true;
		}
	}
	uv_free_interface_addresses(all, n);
	return found;
}

static void
test_link_local(void **state)
{
	struct sockenv *env = *state;
	struct notes far = { .env = env }, near = { .env = env };
	struct addr at, to;
	struct net_listener *listener;
	int err = 0;

	if (!find_link_local(&at))
		skip();
	at.port = 0;
	listener = net_listen(env->net, &at, false, notes_accept, &far, &err);
	assert_non_null(listener);
	assert_int_equal(net_listener_start(listener), 0);
	to = net_listener_addr(listener);
	assert_int_equal(to.scope, at.scope);
	near.stream = net_dial(env->net, &to, &at, &notes_handler, &near, &err);
	assert_non_null(near.stream);
	SOCKENV_UNTIL(env, near.opened && far.stream != NULL);
	to = net_stream_peer(far.stream);
	assert_true(addr_same_ip(&to, &at));
	assert_int_equal(to.scope, at.scope);
	notes_free(&near);
	notes_free(&far);
	net_listener_close(listener);
}

static int
unix_connect(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	strncpy(sun.sun_path, path, sizeof(sun.sun_path) - 1);
	assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	return fd;
}

static void
test_unix(void **state)
{
	struct sockenv *env = *state;
	struct notes notes = { .env = env };
	char dir[] = "/tmp/culvert-test-XXXXXX", path[64], bytes[8];
	struct net_listener *listener;
	struct stat st;
	int raw, err = 0;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/socket", dir);
	listener = net_listen_unix(env->net, path, notes_accept, &notes, &err);
	assert_non_null(listener);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | 0600);
	assert_null(net_listen_unix(env->net, path, notes_accept, NULL, &err));
	assert_int_equal(err, -EADDRINUSE);
	assert_int_equal(stat(path, &st), 0);

	raw = unix_connect(path);
	assert_int_equal(net_listener_start(listener), 0);
	SOCKENV_UNTIL(env, notes.stream != NULL);
	assert_int_equal(net_stream_peer(notes.stream).family, AF_UNSPEC);
	assert_int_equal(net_stream_local(notes.stream).family, AF_UNSPEC);
	raw_write(raw, "ping", 4);
	stream_read_start(notes.stream);
	SOCKENV_UNTIL(env, notes.len == 4);
	assert_int_equal(write_noted(&notes, "pong", 4), 0);
	assert_true(stream_undelivered(notes.stream) > 0);
	stream_shutdown(notes.stream);
	assert_int_equal(read(raw, bytes, sizeof(bytes)), 4);
	assert_int_equal(read(raw, bytes, sizeof(bytes)), 0);
	SOCKENV_UNTIL(env, stream_undelivered(notes.stream) == 0);
	assert_true(stream_alive(notes.stream));
	shutdown(raw, SHUT_WR);
	SOCKENV_UNTIL(env, notes.eofs == 1);
	close(raw);
	notes_free(&notes);
	net_listener_close(listener);
	assert_int_equal(stat(path, &st), -1);
	assert_int_equal(rmdir(dir), 0);
}

static void
test_unix_path(void **state)
{
	struct sockenv *env = *state;
	char path[200];
	int err = 0;

	memset(path, 'a', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_null(net_listen_unix(env->net, path, notes_accept, NULL, &err));
	assert_int_equal(err, -ENAMETOOLONG);
	assert_null(net_listen_unix(env->net, "/nonexistent/socket",
	    notes_accept, NULL, &err));
	assert_int_equal(err, -ENOENT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SOCKENV_TEST(test_in_use),
		SOCKENV_TEST(test_not_before_start),
		SOCKENV_TEST(test_close_in_accept),
		SOCKENV_TEST(test_no_descriptors),
		SOCKENV_TEST(test_dual),
		SOCKENV_TEST(test_link_local),
		SOCKENV_TEST(test_unix),
		SOCKENV_TEST(test_unix_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
