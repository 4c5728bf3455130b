/*
 * A far side over a real link, and the owner of a listener.
 */
#include "farenv.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "limits.h"
#include "net/sock.h"

int
farenv_start_links(void **state, const char *config, size_t max)
{
	struct farenv *env = malloc(sizeof(*env));

	sshenv_start(&env->ssh, config);
	env->links = sshenv_links_up(&env->ssh, max, LIMIT_LINK_IDLE_MS);
	env->net = net_new(&env->ssh.loop);
	env->side = far_side_new(&env->ssh.loop, env->links, env->net,
	    env->ssh.directory, true);
	assert_non_null(env->side);
	*state = env;
	return 0;
}

int
farenv_start(void **state, const char *config)
{
	return farenv_start_links(state, config, 1);
}

int
farenv_end(void **state)
{
	struct farenv *env = *state;

	side_free(env->side);
	sshenv_links_end(&env->ssh, env->links);
	sshenv_end(&env->ssh);
	net_free(env->net);
	free(env);
	return 0;
}

/* ---- a listener's owner ---- */

static void
taken_data(void *ctx, const struct iovec *pieces, size_t n)
{
	struct taken *taken = ctx;

	taken->len += stream_len(pieces, n);
}

static void
taken_nothing(void *ctx)
{
	(void)ctx;
}

static void
taken_eof(void *ctx)
{
	struct taken *taken = ctx;

	taken->ended++;
}

static void
taken_closed(void *ctx, int err, const char *why)
{
	(void)err;
	(void)why;
	taken_eof(ctx);
}

const struct stream_handler taken_handler = {
	.opened = taken_nothing,
	.data = taken_data,
	.eof = taken_eof,
	.drained = taken_nothing,
	.closed = taken_closed,
};

static void
on_listening(void *ctx, const struct addr *v4, const struct addr *v6)
{
	struct heard *heard = ctx;

	assert_false(heard->in_call);
	assert_int_equal(heard->told, 0);
	heard->told++;
	heard->v4 = *v4;
	heard->v6 = *v6;
}

static bool
on_accepted(void *ctx, struct stream *stream, const struct addr *local,
    const struct addr *peer)
{
	struct heard *heard = ctx;
	struct taken *taken = &heard->taken[heard->n_taken];
	struct addr one, other;

	assert_int_equal(heard->told, 1);
	assert_int_equal(local->family, AF_UNSPEC);
	assert_int_equal(peer->family, AF_UNSPEC);
	side_ends(heard->env->side, stream, &one, &other);
	assert_int_equal(one.family, AF_UNSPEC);
	assert_int_equal(other.family, AF_UNSPEC);
	if (heard->refuse > 0) {
		heard->refuse--;
		stream_close(stream);
		return false;
	}
	assert_true(heard->n_taken < TAKEN_MAX);
	heard->n_taken++;
	taken->stream = stream;
	stream_set_handler(stream, &taken_handler, taken);
	stream_read_start(stream);
	return true;
}

static void
on_second(void *ctx, const char *place)
{
	struct heard *heard = ctx;

	assert_non_null(strstr(place, "of the SSH server"));
	heard->seconds++;
}

static void
on_failed(void *ctx, int err, const char *why)
{
	struct heard *heard = ctx;

	assert_false(heard->in_call);
	heard->told++;
	heard->failed++;
	heard->err = err;
	snprintf(heard->why, sizeof(heard->why), "%s", why);
}

void
heard_begin(struct heard *heard, struct farenv *env, const char *host,
    uint16_t port, bool many)
{
	static const struct side_listener_handler handler = {
		.listening = on_listening,
		.accepted = on_accepted,
		.second = on_second,
		.failed = on_failed,
	};
	char *copy = strdup(host); /* it need not last */
	struct side_at at = { .host = copy, .port = port, .many = many };

	memset(heard, 0, sizeof(*heard));
	heard->env = env;
	heard->in_call = true;
	heard->listener = side_listen(env->side, &at, &handler, heard);
	heard->in_call = false;
	assert_non_null(heard->listener);
	free(copy);
}

void
heard_listen(struct heard *heard, struct farenv *env, const char *host,
    uint16_t port, bool many)
{
	heard_begin(heard, env, host, port, many);
	sshenv_until(&env->ssh, &heard->told);
	if (heard->failed > 0)
		fail_msg("%s", heard->why);
	assert_true(
	    heard->v4.family != AF_UNSPEC || heard->v6.family != AF_UNSPEC);
}

void
heard_fails(struct farenv *env, const char *host, uint16_t port, int err,
    const char *why)
{
	struct heard heard;

	heard_begin(&heard, env, host, port, true);
	sshenv_until(&env->ssh, &heard.told);
	assert_int_equal(heard.failed, 1);
	assert_int_equal(heard.err, err);
	if (strstr(heard.why, why) == NULL)
		fail_msg("'%s' has no '%s'", heard.why, why);
	side_listener_close(heard.listener, true);
}

void
heard_stop(struct heard *heard, bool reusable)
{
	for (size_t i = 0; i < heard->n_taken; i++)
		stream_close(heard->taken[i].stream);
	side_listener_close(heard->listener, reusable);
}

void
heard_check(const struct heard *heard, const char *v4, const char *v6)
{
	char text[ADDR_TEXT_MAX];

	if (v4 == NULL)
		assert_int_equal(heard->v4.family, AF_UNSPEC);
	else
		assert_string_equal(addr_format_ip(&heard->v4, text), v4);
	if (v6 == NULL)
		assert_int_equal(heard->v6.family, AF_UNSPEC);
	else
		assert_string_equal(addr_format_ip(&heard->v6, text), v6);
	if (v4 != NULL && v6 != NULL)
		assert_int_equal(heard->v4.port, heard->v6.port);
}

/* ---- those who connect ---- */

/* Connects and is taken. */
void
heard_takes(struct heard *heard, const char *host, uint16_t port)
{
	size_t before = heard->n_taken;
	int fd = sshenv_connect(host, port);

	assert_true(fd >= 0);
	sshenv_until_size(&heard->env->ssh, &heard->n_taken, before + 1);
	assert_int_equal(write(fd, "x", 1), 1);
	sshenv_until_size(&heard->env->ssh, &heard->taken[before].len, 1);
	close(fd);
	sshenv_until(&heard->env->ssh, &heard->taken[before].ended);
}

/* Connects, and is shown out. */
void
heard_shows_out(struct heard *heard, const char *host, uint16_t port)
{
	size_t before = heard->n_taken;
	int fd = sshenv_connect(host, port);
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	char byte;

	assert_true(fd >= 0);
	while (poll(&poll_fd, 1, 0) == 0)
		sshenv_for(&heard->env->ssh, 1);
	assert_true(read(fd, &byte, 1) <= 0);
	close(fd);
	assert_int_equal(heard->n_taken, before);
}
