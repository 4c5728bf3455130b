/*
 * Tests of the near side: tunnel/near, tunnel/side.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "sockenv.h"
#include "tunnel/ports.h"
#include "tunnel/side.h"

/* The callbacks of a listener. */
struct heard {
	struct notes notes; /* of the first accepted stream */
	struct side_listener *listener;
	struct addr v4;
	struct addr v6;
	struct addr local;
	struct addr peer;
	unsigned listening;
	unsigned accepted;
	unsigned failed;
	unsigned refuse; /* so many before one is taken */
	bool close_in_accept;
	bool in_call;
	int err;
	char why[200];
};

static void
heard_listening(void *ctx, const struct addr *v4, const struct addr *v6)
{
	struct heard *heard = ctx;

	assert_false(heard->in_call);
	heard->listening++;
	heard->v4 = *v4;
	heard->v6 = *v6;
}

static bool
heard_accepted(void *ctx, struct stream *stream, const struct addr *local,
    const struct addr *peer)
{
	struct heard *heard = ctx;

	assert_false(heard->in_call);
	assert_int_equal(heard->listening, 1);
	heard->accepted++;
	heard->local = *local;
	heard->peer = *peer;
	if (heard->close_in_accept) {
		side_listener_close(heard->listener, true);
		heard->listener = NULL;
	}
	if (heard->refuse > 0 || heard->notes.stream != NULL) {
		heard->refuse -= heard->refuse > 0;
		stream_reset(stream);
		return false;
	}
	heard->notes.stream = stream;
	stream_set_handler(stream, &notes_handler, &heard->notes);
	return true;
}

static void
heard_failed(void *ctx, int err, const char *why)
{
	struct heard *heard = ctx;

	assert_false(heard->in_call);
	assert_int_equal(heard->listening, 0);
	heard->failed++;
	heard->err = err;
	snprintf(heard->why, sizeof(heard->why), "%s", why);
}

static void
start(struct sockenv *env, struct side *side, const struct side_at *at,
    struct heard *heard)
{
	static const struct side_listener_handler handler = {
		.listening = heard_listening,
		.accepted = heard_accepted,
		.failed = heard_failed,
	};

	heard->notes.env = env;
	heard->in_call = true;
	heard->listener = side_listen(side, at, &handler, heard);
	heard->in_call = false;
	assert_non_null(heard->listener);
	SOCKENV_UNTIL(env, heard->listening + heard->failed > 0);
}

static void
stop_listening(struct heard *heard)
{
	side_listener_close(heard->listener, true);
	notes_free(&heard->notes);
	*heard = (struct heard) { .listener = NULL };
}

static void
some_turns(struct sockenv *env)
{
	for (int i = 0; i < 20; i++)
		sockenv_turn(env);
}

/* Connects to *at: returns 0 if the connection stays open, or an errno. */
static int
knock(struct sockenv *env, const struct addr *at)
{
	int raw = raw_connect(at), err = 0;
	socklen_t len = sizeof(err);
	char byte;

	some_turns(env);
	getsockopt(raw, SOL_SOCKET, SO_ERROR, &err, &len);
	if (err == 0)
		raw_read(raw, &byte, 1, &err);
	close(raw);
	return err;
}

static void
test_name(void **state)
{
	struct sockenv *env = *state;
	struct side *side = near_side_new(&env->loop, env->net);

	assert_string_equal(side->name, "this host");
	side_free(side);
	side_free(NULL);
}

static void
test_dial(void **state)
{
	static const char *const hosts[] = { "localhost", "127.0.0.1" };
	struct sockenv *env = *state;
	struct side *side = near_side_new(&env->loop, env->net);
	struct side_at at = { .host = "127.0.0.1" };
	struct heard heard = { .listener = NULL };
	struct notes near = { .env = env };
	struct addr from, local, peer;

	assert_int_equal(addr_parse_ip("127.0.0.5", &from), 0);
	start(env, side, &at, &heard);
	at.many = true;
	for (size_t i = 0; i < 2; i++) {
		stop_listening(&heard);
		start(env, side, &at, &heard);
		near.stream = side_dial(side,
		    &(struct side_to) { .host = hosts[i],
			.port = heard.v4.port,
			.from = i == 1 ? &from : NULL },
		    &notes_handler, &near);
		assert_non_null(near.stream);
		side_ends(side, near.stream, &local, &peer);
		assert_int_equal(peer.family, AF_UNSPEC);
		SOCKENV_UNTIL(env, near.opened == i + 1 && heard.accepted == 1);
		side_ends(side, near.stream, &local, &peer);
		assert_true(addr_same_ip(&peer, &heard.v4));
		assert_int_equal(peer.port, heard.v4.port);
		assert_true(addr_same_ip(&local, &heard.peer));
		assert_int_equal(local.port, heard.peer.port);
		assert_true(i == 0 || addr_same_ip(&local, &from));
		side_ends(side, heard.notes.stream, &local, &peer);
		assert_true(addr_same_ip(&local, &heard.v4));
		assert_true(addr_same_ip(&peer, &heard.peer));
		stream_close(near.stream);
	}
	near.stream = NULL;
	stop_listening(&heard);
	side_free(side);
}

static void
test_families(void **state)
{
	static const char *const hosts[] = { "127.0.0.1", "::1", "0.0.0.0" };
	struct sockenv *env = *state;
	struct side *side = near_side_new(&env->loop, env->net);

	for (size_t i = 0; i < 3; i++) {
		struct heard heard = { .listener = NULL };
		struct side_at at = { .host = hosts[i] };
		const struct addr *told = i == 1 ? &heard.v6 : &heard.v4;
		const struct addr *none = i == 1 ? &heard.v4 : &heard.v6;
		char text[ADDR_TEXT_MAX];

		start(env, side, &at, &heard);
		assert_int_equal(heard.listening, 1);
		assert_string_equal(addr_format_ip(told, text), hosts[i]);
		assert_int_not_equal(told->port, 0);
		assert_int_equal(none->family, AF_UNSPEC);
		stop_listening(&heard);
	}
	side_free(side);
}

/* Accepts one connection only; refused ones do not count. */
static void
test_one(void **state)
{
	struct sockenv *env = *state;
	struct side *side = near_side_new(&env->loop, env->net);
	struct side_at at = { .host = "127.0.0.1" };
	struct heard heard = { .refuse = 2 };
	int raw[2];

	start(env, side, &at, &heard);
	assert_int_equal(knock(env, &heard.v4), ECONNRESET);
	assert_int_equal(knock(env, &heard.v4), ECONNRESET);
	assert_int_equal(heard.accepted, 2);
	/* Two at the same time. */
	raw[0] = raw_connect(&heard.v4);
	raw[1] = raw_connect(&heard.v4);
	SOCKENV_UNTIL(env, heard.accepted == 3);
	assert_non_null(heard.notes.stream);
	some_turns(env);
	assert_int_equal(heard.accepted, 3);
	assert_int_equal(knock(env, &heard.v4), ECONNREFUSED);
	raw_write(raw[0], "x", 1);
	stream_read_start(heard.notes.stream);
	SOCKENV_UNTIL(env, heard.notes.len == 1);
	close(raw[0]);
	close(raw[1]);
	stop_listening(&heard);
	side_free(side);
}

static void
test_many(void **state)
{
	struct sockenv *env = *state;
	struct side *side = near_side_new(&env->loop, env->net);
	struct side_at at = { .host = "127.0.0.1", .many = true };
	struct heard heard = { .listener = NULL };

	start(env, side, &at, &heard);
	for (unsigned i = 1; i <= 3; i++) {
		assert_int_equal(knock(env, &heard.v4), 0);
		assert_int_equal(heard.accepted, i);
		notes_free(&heard.notes);
		heard.notes.env = env;
	}
	stop_listening(&heard);
	side_free(side);
}

/* Closed in its own callback, after accepting or refusing, and before the first
 * connection. */
static void
test_close(void **state)
{
	struct sockenv *env = *state;
	struct side *side = near_side_new(&env->loop, env->net);
	struct ports *ports = ports_new(50000, 50999);
	struct side_at at = { .host = "127.0.0.1", .ports = ports };

	for (unsigned i = 0; i < 2; i++) {
		struct heard heard = { .close_in_accept = true, .refuse = i };
		struct addr there;

		start(env, side, &at, &heard);
		there = heard.v4;
		knock(env, &there);
		assert_int_equal(heard.accepted, 1);
		assert_int_equal(knock(env, &there), ECONNREFUSED);
		stop_listening(&heard);
	}
	for (unsigned i = 0; i < 3; i++) {
		struct heard heard = { .in_call = true };
		struct side_listener_handler handler = {
			.listening = heard_listening,
			.failed = heard_failed,
		};

		at.host = i == 0 ? "192.0.2.77" : "127.0.0.1";
		side_listener_close(side_listen(side, &at, &handler, &heard),
		    i == 1);
		some_turns(env);
	}
	side_listener_close(NULL, true);
	/* All ports are free again. */
	for (unsigned i = 0; i < 1000; i++)
		assert_int_not_equal(ports_take(ports), 0);
	ports_free(ports);
	side_free(side);
}

/* It was closed before the check: its user is unknown, so it is refused. */
static void
test_came_and_went(void **state)
{
	struct sockenv *env = *state;
	struct side *side = near_side_new(&env->loop, env->net);
	struct side_at at = { .host = "127.0.0.1" };
	struct heard heard = { .listener = NULL };
	int raw;

	start(env, side, &at, &heard);
	raw_reset(raw_connect(&heard.v4));
	some_turns(env);
	assert_int_equal(heard.accepted, 0);
	raw = raw_connect(&heard.v4);
	SOCKENV_UNTIL(env, heard.accepted == 1);
	assert_int_equal(heard.peer.family, AF_INET);
	close(raw);
	stop_listening(&heard);
	side_free(side);
}

static void
test_fails(void **state)
{
	static const struct {
		struct side_at at;
		int err;
		const char *why;
	} cases[] = {
		{ { .host = "192.0.2.77" }, -EADDRNOTAVAIL,
		    "Cannot assign requested address" },
		{ { .host = "localhost" }, -EINVAL,
		    "\"localhost\" is not an address" },
		{ { .host = "*" }, -EINVAL, "\"*\" is not an address" },
	};
	struct sockenv *env = *state;
	struct side *side = near_side_new(&env->loop, env->net);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct heard heard = { .listener = NULL };

		start(env, side, &cases[i].at, &heard);
		assert_int_equal(heard.failed, 1);
		assert_int_equal(heard.err, cases[i].err);
		assert_string_equal(heard.why, cases[i].why);
		some_turns(env);
		assert_int_equal(heard.failed + heard.listening, 1);
		stop_listening(&heard);
	}
	side_free(side);
}

/* ---- ports ---- */

/* The first of n ports in a row that are free now. */
static uint16_t
find_ports(unsigned n)
{
	for (unsigned low = 20000; low < 30000; low += n) {
		unsigned good = 0;

		while (good < n) {
			struct addr at =
			    addr_loopback(AF_INET, (uint16_t)(low + good));
			struct sockaddr_storage sa;
			socklen_t len = addr_to_sockaddr(&at, &sa);
			int fd = socket(AF_INET, SOCK_STREAM, 0);
			int err = bind(fd, (struct sockaddr *)&sa, len);

			close(fd);
			if (err != 0)
				break;
			good++;
		}
		if (good == n)
			return (uint16_t)low;
	}
	fail();
	return 0;
}

static void
test_ports(void **state)
{
	struct sockenv *env = *state;
	struct side *side = near_side_new(&env->loop, env->net);
	uint16_t low = find_ports(3);
	struct ports *ports = ports_new(low, (uint16_t)(low + 2));
	struct side_at at = { .host = "127.0.0.1", .ports = ports };
	struct heard heard[4] = { { .listener = NULL } };
	char why[100];

	for (size_t i = 0; i < 4; i++)
		start(env, side, &at, &heard[i]);
	for (uint16_t i = 0; i < 3; i++)
		assert_int_equal(heard[i].v4.port, low + i);
	assert_int_equal(heard[3].err, -EADDRINUSE);
	snprintf(why, sizeof(why),
	    "all ports of --client-ports %u-%u are in use", low, low + 2);
	assert_string_equal(heard[3].why, why);
	stop_listening(&heard[3]);

	/* A connection keeps the port until its listener is closed. */
	assert_int_equal(knock(env, &heard[1].v4), 0);
	assert_int_equal(heard[1].accepted, 1);
	start(env, side, &at, &heard[3]);
	assert_int_equal(heard[3].err, -EADDRINUSE);
	stop_listening(&heard[3]);
	stop_listening(&heard[1]);
	start(env, side, &at, &heard[3]);
	assert_int_equal(heard[3].v4.port, low + 1);

	/* The far end of the range may be one port. */
	for (size_t i = 0; i < 4; i++)
		stop_listening(&heard[i]);
	ports_free(ports);
	at.ports = ports = ports_new(low, low);
	start(env, side, &at, &heard[0]);
	start(env, side, &at, &heard[1]);
	assert_int_equal(heard[0].v4.port, low);
	snprintf(why, sizeof(why), "all ports of --client-ports %u are in use",
	    low);
	assert_string_equal(heard[1].why, why);
	stop_listening(&heard[0]);
	stop_listening(&heard[1]);
	ports_free(ports);
	side_free(side);
}

/* Some or all ports are in use. */
static void
test_ports_of_others(void **state)
{
	struct sockenv *env = *state;
	struct side *side = near_side_new(&env->loop, env->net);
	uint16_t low = find_ports(4);
	struct ports *ports = ports_new(low, (uint16_t)(low + 3));
	struct side_at at = { .host = "127.0.0.1", .ports = ports };
	struct side_at of_others = { .host = "127.0.0.1" };
	struct heard others[4] = { { .listener = NULL } };
	struct heard heard = { .listener = NULL };

	for (uint16_t i = 0; i < 4; i++) {
		of_others.port = (uint16_t)(low + i);
		start(env, side, &of_others, &others[i]);
		assert_int_equal(others[i].v4.port, low + i);
	}
	for (int round = 0; round < 2; round++) {
		start(env, side, &at, &heard);
		assert_int_equal(heard.err, -EADDRINUSE);
		assert_non_null(strstr(heard.why, "--client-ports"));
		stop_listening(&heard);
	}
	stop_listening(&others[2]);
	for (int round = 0; round < 2; round++) {
		start(env, side, &at, &heard);
		assert_int_equal(heard.v4.port, low + 2);
		stop_listening(&heard);
	}
	for (size_t i = 0; i < 4; i++)
		stop_listening(&others[i]);
	/* No port was lost. */
	for (uint16_t i = 0; i < 4; i++)
		assert_int_not_equal(ports_take(ports), 0);
	ports_free(ports);
	side_free(side);
}

/* The kernel keeps the old connection, which this side has ended first, for a
 * minute (TIME_WAIT); or that connection has not ended yet. */
static void
test_port_again(void **state)
{
	struct sockenv *env = *state;
	struct side *side = near_side_new(&env->loop, env->net);
	uint16_t low = find_ports(1);
	struct ports *ports = ports_new(low, low);
	struct side_at at = { .host = "127.0.0.1", .ports = ports };
	int raw[6];

	for (size_t i = 0; i < 6; i++) {
		struct heard heard = { .listener = NULL };

		start(env, side, &at, &heard);
		assert_int_equal(heard.listening, 1);
		assert_int_equal(heard.v4.port, low);
		raw[i] = raw_connect(&heard.v4);
		SOCKENV_UNTIL(env, heard.accepted == 1);
		stream_shutdown(heard.notes.stream);
		some_turns(env);
		if (i % 2 == 0)
			close(raw[i]);
		some_turns(env);
		stop_listening(&heard);
	}
	for (size_t i = 1; i < 6; i += 2)
		close(raw[i]);
	ports_free(ports);
	side_free(side);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SOCKENV_TEST(test_name),
		SOCKENV_TEST(test_dial),
		SOCKENV_TEST(test_families),
		SOCKENV_TEST(test_one),
		SOCKENV_TEST(test_many),
		SOCKENV_TEST(test_close),
		SOCKENV_TEST(test_came_and_went),
		SOCKENV_TEST(test_fails),
		SOCKENV_TEST(test_ports),
		SOCKENV_TEST(test_ports_of_others),
		SOCKENV_TEST(test_port_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
