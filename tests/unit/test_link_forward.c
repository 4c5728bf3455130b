/*
 * The link against the real ssh and sshd: forwards.  127.0.0.3 stands for an
 * address beyond loopback: sshd knows 127.0.0.1 and ::1 only.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "sshenv.h"

#define N_FORWARDS 500

/* The Unix socket behind a forward. */
struct server {
	struct sshenv *env;
	uv_pipe_t pipe;
	unsigned int accepted;
};

static void
on_connection(uv_stream_t *stream, int status)
{
	struct server *server = stream->data;
	uv_pipe_t *pipe = malloc(sizeof(*pipe));

	assert_int_equal(status, 0);
	uv_pipe_init(stream->loop, pipe, 0);
	assert_int_equal(uv_accept(stream, (uv_stream_t *)pipe), 0);
	server->accepted++;
	uv_close((uv_handle_t *)pipe, (uv_close_cb)(void (*)(void))free);
}

static void
server_start(struct server *server, struct sshenv *env, const char *name)
{
	char path[128];

	server->env = env;
	server->accepted = 0;
	snprintf(path, sizeof(path), "%s/%s", env->directory, name);
	uv_pipe_init(&env->loop, &server->pipe, 0);
	server->pipe.data = server;
	assert_int_equal(uv_pipe_bind(&server->pipe, path), 0);
	assert_int_equal(uv_listen((uv_stream_t *)&server->pipe, 8,
			     on_connection),
	    0);
}

static void
server_end(struct server *server)
{
	uv_close((uv_handle_t *)&server->pipe, NULL);
	sshenv_for(server->env, 1);
}

static int
start(void **state, const char *config)
{
	struct sshenv *env = malloc(sizeof(*env));

	sshenv_start(env, config);
	sshenv_link_up(env);
	*state = env;
	return 0;
}

static int
set_up(void **state)
{
	return start(state, "");
}

static int
set_up_specified(void **state)
{
	return start(state, "GatewayPorts clientspecified");
}

static int
set_up_local(void **state)
{
	return start(state, "AllowTcpForwarding local");
}

static void
open_well(struct forward *forward, struct sshenv *env, const char *host,
    uint16_t port, const char *name)
{
	forward_open(forward, env, host, port, name);
	sshenv_until(env, &forward->done);
	if (forward->err != 0)
		fail_msg("%s", forward->why);
	assert_true(forward->port > 0);
	if (port != 0)
		assert_int_equal(forward->port, port);
}

/* Closes it; the answer to the next request says that it is closed. */
static void
close_well(struct forward *forward, struct sshenv *env)
{
	struct forward next;

	forward_close(forward);
	open_well(&next, env, "localhost", 0, "next");
	forward_close(&next);
}

static void
open_badly(struct sshenv *env, const char *host, uint16_t port,
    const char *name, const char *const *words)
{
	struct forward forward;

	forward_open(&forward, env, host, port, name);
	sshenv_until(env, &forward.done);
	assert_int_equal(forward.port, 0);
	assert_int_equal(forward.err, -EACCES);
	for (; *words != NULL; words++) {
		if (strstr(forward.why, *words) == NULL)
			fail_msg("'%s' has no '%s'", forward.why, *words);
	}
	forward_close(&forward);
	assert_int_equal(env->down, 0);
}

/* Does somebody who connects there come out at the Unix socket?  Not if some
 * other program has that port. */
static bool
connects(struct server *server, const char *host, uint16_t port)
{
	int fd = sshenv_connect(host, port);

	if (fd < 0)
		return false;
	server->accepted = 0;
	for (int ms = 0; server->accepted == 0 && ms < 10000; ms += 10)
		sshenv_for(server->env, 10);
	close(fd);
	return server->accepted > 0;
}

/* sshd says yes when it could bind a port of its choice in one family only. */
static void
test_forward(void **state)
{
	struct sshenv *env = *state;
	struct forward forward;
	struct server server;
	const char *host = "127.0.0.1";
	uint16_t port;

	server_start(&server, env, "fwd");
	open_well(&forward, env, "localhost", 0, "fwd");
	port = forward.port;
	if (!connects(&server, host, port)) {
		host = "::1";
		assert_true(connects(&server, host, port));
	}
	close_well(&forward, env);
	assert_false(connects(&server, host, port));
	server_end(&server);
}

/* The same port can be had again: what closes it is what opened it. */
static void
test_fixed_port(void **state)
{
	struct sshenv *env = *state;
	uint16_t port = (uint16_t)sshenv_free_port();
	struct forward forward;
	struct server server;

	server_start(&server, env, "fwd");
	for (int i = 0; i < 3; i++) {
		open_well(&forward, env, "localhost", port, "fwd");
		assert_true(connects(&server, "127.0.0.1", port));
		close_well(&forward, env);
		assert_false(connects(&server, "127.0.0.1", port));
	}
	server_end(&server);
}

static void
test_port_in_use(void **state)
{
	static const char *const words[] = { "forwarding failed",
		"PermitListen", "in use", NULL };
	struct sshenv *env = *state;
	struct forward forward;

	open_well(&forward, env, "127.0.0.1", 0, "first");
	open_badly(env, "127.0.0.1", forward.port, "second", words);
	forward_close(&forward);
}

static void
test_everywhere(void **state)
{
	struct sshenv *env = *state;
	struct forward forward;
	struct server server;

	server_start(&server, env, "fwd");
	open_well(&forward, env, "*", (uint16_t)sshenv_free_port(), "fwd");
	assert_true(connects(&server, "127.0.0.2", forward.port));
	close_well(&forward, env);
	assert_false(connects(&server, "127.0.0.2", forward.port));
	server_end(&server);
}

static void
test_address(void **state)
{
	static const char *const words[] = { "PermitListen",
		"does not have 192.0.2.77", NULL };
	struct sshenv *env = *state;
	struct forward forward;
	struct server server;

	server_start(&server, env, "fwd");
	open_well(&forward, env, "127.0.0.3", 0, "fwd");
	assert_true(connects(&server, "127.0.0.3", forward.port));
	assert_false(connects(&server, "127.0.0.1", forward.port));
	close_well(&forward, env);
	assert_false(connects(&server, "127.0.0.3", forward.port));
	open_badly(env, "192.0.2.77", 0, "other", words);
	server_end(&server);
}

/* With GatewayPorts no, "yes" does not mean there. */
static void
test_half_an_answer(void **state)
{
	struct sshenv *env = *state;
	struct forward forward;
	struct server server;

	server_start(&server, env, "fwd");
	open_well(&forward, env, "127.0.0.3", 0, "fwd");
	assert_false(connects(&server, "127.0.0.3", forward.port));
	close_well(&forward, env);
	server_end(&server);
}

static void
test_refused(void **state)
{
	static const char *const words[] = { "forwarding failed",
		"AllowTcpForwarding", "PermitListen", "DisableForwarding",
		"sshd_config", "permitlisten", "authorized_keys", NULL };
	static const char *const low_words[] = { "in use", "below 1024", NULL };
	struct sshenv *env = *state;
	struct forward forward;

	open_badly(env, "localhost", 0, "a", words);
	open_badly(env, "localhost", 21, "b", words);
	open_badly(env, "localhost", 21, "c", low_words);
	forward_open(&forward, env, "localhost", 0, "d");
	forward.close_in_done = true;
	sshenv_until(env, &forward.done);
	assert_int_equal(env->down, 0);
}

static void
test_many(void **state)
{
	static struct forward forwards[N_FORWARDS];
	struct sshenv *env = *state;
	char name[16];

	for (size_t i = 0; i < N_FORWARDS; i++) {
		snprintf(name, sizeof(name), "f%zu", i);
		forward_open(&forwards[i], env, "localhost", 0, name);
		forwards[i].close_in_done = i % 3 == 1;
		if (i % 3 == 0) /* before its answer */
			forward_close(&forwards[i]);
	}
	for (size_t i = 0; i < N_FORWARDS; i++) {
		if (i % 3 == 0)
			continue;
		sshenv_until(env, &forwards[i].done);
		assert_true(forwards[i].port > 0);
		forward_close(&forwards[i]);
	}
	forward_open(&forwards[0], env, "localhost", 0, "last");
	sshenv_until(env, &forwards[0].done);
	for (size_t i = 3; i < N_FORWARDS; i += 3)
		assert_int_equal(forwards[i].done, 0);
	forward_close(&forwards[0]);
}

#define TEST(name, set_up) \
	cmocka_unit_test_setup_teardown(name, set_up, sshenv_tear_down)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_forward, set_up),
		TEST(test_fixed_port, set_up),
		TEST(test_port_in_use, set_up),
		TEST(test_everywhere, set_up_specified),
		TEST(test_address, set_up_specified),
		TEST(test_half_an_answer, set_up),
		TEST(test_refused, set_up_local),
		TEST(test_many, set_up),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
