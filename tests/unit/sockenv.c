/*
 * What the tests of net share.
 */
#include "sockenv.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Longer than any test takes. */
#define SOCKENV_DEADLINE_MS 20000

static void
sockenv_tick(uv_timer_t *timer)
{
	(void)timer;
}

int
sockenv_setup(void **state)
{
	struct sockenv *env = calloc(1, sizeof(*env));

	signal(SIGPIPE, SIG_IGN);
	uv_loop_init(&env->loop);
	env->net = net_new(&env->loop);
	uv_timer_init(&env->loop, &env->tick);
	uv_timer_start(&env->tick, sockenv_tick, 1, 1);
	env->deadline = uv_now(&env->loop) + SOCKENV_DEADLINE_MS;
	*state = env;
	return 0;
}

int
sockenv_teardown(void **state)
{
	struct sockenv *env = *state;

	uv_unref((uv_handle_t *)&env->tick);
	while (uv_loop_alive(&env->loop))
		sockenv_turn(env);
	uv_close((uv_handle_t *)&env->tick, NULL);
	uv_run(&env->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&env->loop), 0);
	net_free(env->net);
	free(env);
	return 0;
}

void
sockenv_turn(struct sockenv *env)
{
	uv_run(&env->loop, UV_RUN_ONCE);
	if (uv_now(&env->loop) > env->deadline)
		fail_msg("it takes too long");
}

static void
notes_opened(void *ctx)
{
	struct notes *notes = ctx;

	assert_false(notes->in_call);
	notes->opened++;
}

static void
notes_data(void *ctx, const struct iovec *pieces, size_t n)
{
	struct notes *notes = ctx;
	size_t len = pieces->iov_len;

	assert_false(notes->in_call);
	assert_int_equal(n, 1);
	assert_true(len > 0);
	assert_int_equal(notes->eofs, 0);
	assert_int_equal(notes->closed, 0);
	assert_non_null(notes->stream);
	notes->bytes = realloc(notes->bytes, notes->len + len);
	memcpy(notes->bytes + notes->len, pieces->iov_base, len);
	notes->len += len;
	if (notes->close_in_data) {
		stream_close(notes->stream);
		notes->stream = NULL;
	}
}

static void
notes_eof(void *ctx)
{
	struct notes *notes = ctx;

	assert_false(notes->in_call);
	assert_non_null(notes->stream);
	notes->eofs++;
}

static void
notes_drained(void *ctx)
{
	struct notes *notes = ctx;

	assert_false(notes->in_call);
	assert_non_null(notes->stream);
	notes->drained++;
	notes->queued_when_drained = stream_queued(notes->stream);
}

static void
notes_closed(void *ctx, int err, const char *why)
{
	struct notes *notes = ctx;

	assert_false(notes->in_call);
	assert_non_null(notes->stream);
	notes->closed++;
	notes->err = err;
	strncpy(notes->why, why, sizeof(notes->why) - 1);
}

const struct stream_handler notes_handler = {
	.opened = notes_opened,
	.data = notes_data,
	.eof = notes_eof,
	.drained = notes_drained,
	.closed = notes_closed,
};

void
notes_free(struct notes *notes)
{
	stream_close(notes->stream);
	free(notes->bytes);
	*notes = (struct notes) { .stream = NULL };
}

void
notes_accept(void *ctx, struct stream *stream)
{
	struct notes *notes = ctx;

	assert_null(notes->stream);
	notes->stream = stream;
	stream_set_handler(stream, &notes_handler, notes);
}

static int
raw_socket(sa_family_t family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	return fd;
}

int
raw_listen(struct addr *ret_at)
{
	struct addr at = addr_loopback(AF_INET, 0);
	struct sockaddr_storage sa;
	socklen_t len = addr_to_sockaddr(&at, &sa);
	int fd = raw_socket(AF_INET);

	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listen(fd, 8), 0);
	len = sizeof(sa);
	getsockname(fd, (struct sockaddr *)&sa, &len);
	addr_from_sockaddr((struct sockaddr *)&sa, ret_at);
	return fd;
}

int
raw_connect(const struct addr *to)
{
	struct sockaddr_storage sa;
	socklen_t len = addr_to_sockaddr(to, &sa);
	int fd = raw_socket(to->family);

	/* On loopback it stands, or fails, in a turn of the kernel. */
	if (connect(fd, (struct sockaddr *)&sa, len) != 0)
		assert_int_equal(errno, EINPROGRESS);
	return fd;
}

int
raw_accept(struct sockenv *env, int listener)
{
	int fd = -1;

	SOCKENV_UNTIL(env,
	    (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0);
	return fd;
}

void
sockenv_pair(struct sockenv *env, struct notes *notes, int *ret_raw)
{
	struct addr at;
	int listener = raw_listen(&at), err = 0;

	*notes = (struct notes) { .env = env };
	notes->stream =
	    net_dial(env->net, &at, NULL, &notes_handler, notes, &err);
	assert_non_null(notes->stream);
	*ret_raw = raw_accept(env, listener);
	close(listener);
	SOCKENV_UNTIL(env, notes->opened == 1);
}

ssize_t
raw_read(int fd, void *bytes, size_t len, int *ret_errno)
{
	ssize_t n = read(fd, bytes, len);

	if (n < 0 && errno == EAGAIN)
		return 0;
	*ret_errno = n < 0 ? errno : 0;
	return n > 0 ? n : -1;
}

uint8_t
pattern(size_t n)
{
	return (uint8_t)(n * 2654435761U >> 13);
}

int
write_noted(struct notes *notes, const void *bytes, size_t len)
{
	int err;

	notes->in_call = true;
	err = stream_write(notes->stream, bytes, len);
	notes->in_call = false;
	return err;
}

int
write_pattern(struct notes *notes, size_t from, size_t len)
{
	uint8_t *bytes = malloc(len);
	int err;

	for (size_t i = 0; i < len; i++)
		bytes[i] = pattern(from + i);
	err = write_noted(notes, bytes, len);
	free(bytes);
	return err;
}

size_t
read_pattern(struct sockenv *env, int raw, size_t step, int *ret_errno)
{
	static uint8_t bytes[256 * 1024];
	size_t len = 0;
	ssize_t n;

	while ((n = raw_read(raw, bytes, step, ret_errno)) >= 0) {
		for (size_t i = 0; i < (size_t)n; i++)
			assert_int_equal(bytes[i], pattern(len + i));
		len += (size_t)n;
		sockenv_turn(env);
	}
	return len;
}

void
raw_write(int raw, const void *bytes, size_t len)
{
	assert_int_equal(write(raw, bytes, len), len);
}

void
raw_reset(int raw)
{
	struct linger linger = { .l_onoff = 1 };

	setsockopt(raw, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(raw);
}

static void
count_turn(uv_prepare_t *prepare)
{
	++*(unsigned int *)prepare->data;
}

unsigned int
count_turns(struct sockenv *env)
{
	unsigned int turns = 0;
	uv_prepare_t prepare;
	uint64_t end;

	uv_timer_stop(&env->tick);
	uv_timer_start(&env->tick, env->tick.timer_cb, 20, 20);
	uv_prepare_init(&env->loop, &prepare);
	prepare.data = &turns;
	uv_prepare_start(&prepare, count_turn);
	uv_update_time(&env->loop);
	for (end = uv_now(&env->loop) + 60; uv_now(&env->loop) < end;)
		sockenv_turn(env);
	uv_close((uv_handle_t *)&prepare, NULL);
	uv_timer_start(&env->tick, env->tick.timer_cb, 1, 1);
	sockenv_turn(env);
	return turns;
}
