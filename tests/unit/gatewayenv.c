/*
 * What the tests of the gateway's core share.
 */
#include "gatewayenv.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/priv.h"
#include "helpers.h"
#include "limits.h"

#define SERVER "/usr/lib/openssh/sftp-server"
#define WAIT_MS 20000

/* ---- the handler: replies ---- */

static void
env_reply(void *ctx, const void *bytes, size_t len)
{
	struct gatewayenv *env = ctx;

	assert_int_equal(env->ended, 0);
	assert_int_equal(buf_append(&env->replies, bytes, len), 0);
}

static void
env_end(void *ctx)
{
	struct gatewayenv *env = ctx;

	assert_int_equal(env->ended++, 0);
}

static void
env_fail(void *ctx, bool was_up, const char *why)
{
	struct gatewayenv *env = ctx;

	assert_int_equal(env->ended++, 0);
	env->was_up = was_up;
	snprintf(env->failed, sizeof(env->failed), "%s", why);
}

/* ---- the handler: channels ---- */

static void
env_channel_open(void *ctx, unsigned channel)
{
	struct gatewayenv *env = ctx;

	assert_int_equal(env->channels[channel].state, ENV_CHANNEL_NONE);
	env->channels[channel].state = ENV_CHANNEL_WANTED;
}

static void
env_reap(struct gatewayenv_channel *one)
{
	int status;

	close(one->fd);
	kill(one->pid, SIGCONT);
	assert_int_equal(waitpid(one->pid, &status, 0), one->pid);
	buf_free(&one->out);
	one->state = ENV_CHANNEL_NONE;
}

static void
env_write_channel(struct gatewayenv_channel *one)
{
	ssize_t n = send(one->fd, buf_bytes(&one->out),
	    buf_len(&one->out) - one->kept, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n > 0)
		buf_consume(&one->out, (size_t)n);
	else if (errno != EAGAIN)
		buf_consume(&one->out, buf_len(&one->out));
}

/* What was queued is still sent. */
static void
env_channel_close(void *ctx, unsigned channel)
{
	struct gatewayenv *env = ctx;
	struct gatewayenv_channel *one = &env->channels[channel];

	assert_int_not_equal(one->state, ENV_CHANNEL_NONE);
	if (one->state == ENV_CHANNEL_UP) {
		while (buf_len(&one->out) > 0)
			env_write_channel(one);
		shutdown(one->fd, SHUT_WR);
		env_reap(one);
	}
	one->state = ENV_CHANNEL_NONE;
}

/* What the window takes has left the process. */
static size_t
env_channel_queued(void *ctx, unsigned channel)
{
	struct gatewayenv *env = ctx;
	size_t len = buf_len(&env->channels[channel].out);

	return len > env->window ? len - env->window : 0;
}

static int
env_channel_send(void *ctx, unsigned channel, const struct iovec *pieces,
    size_t n)
{
	struct gatewayenv *env = ctx;
	struct gatewayenv_channel *one = &env->channels[channel];

	if (one->state != ENV_CHANNEL_UP)
		return -EPIPE;
	for (size_t i = 0; i < n; i++) {
		if (buf_append(&one->out, pieces[i].iov_base,
			pieces[i].iov_len) != 0)
			return -ENOMEM;
		one->sent += pieces[i].iov_len;
	}
	one->above_low |= env_channel_queued(env, channel) > LIMIT_LOW_WATER;
	return 0;
}

static void
env_channel_read(void *ctx, unsigned channel, bool on)
{
	struct gatewayenv *env = ctx;

	assert_int_equal(env->channels[channel].state, ENV_CHANNEL_UP);
	env->channels[channel].stopped = !on;
}

/* ---- the handler: data ---- */

static uint16_t
env_data_listen(void *ctx)
{
	struct gatewayenv *env = ctx;

	env->data = ENV_DATA_LISTENING;
	return 40000;
}

static int
env_data_send(void *ctx, const struct iovec *pieces, size_t n)
{
	struct gatewayenv *env = ctx;

	assert_int_equal(env->data, ENV_DATA_OPEN);
	for (size_t i = 0; i < n; i++)
		if (buf_append(&env->received, pieces[i].iov_base,
			pieces[i].iov_len) != 0)
			return -ENOMEM;
	return 0;
}

static size_t
env_data_queued(void *ctx)
{
	struct gatewayenv *env = ctx;

	return buf_len(&env->received) >= env->room ? buf_len(&env->received) :
						      0;
}

static void
env_data_read(void *ctx, bool on)
{
	struct gatewayenv *env = ctx;

	assert_int_equal(env->data, ENV_DATA_OPEN);
	env->data_reading = on;
}

static void
env_data_end(void *ctx)
{
	struct gatewayenv *env = ctx;

	assert_int_equal(env->data, ENV_DATA_OPEN);
	env->data = ENV_DATA_ENDED;
}

static void
env_data_reset(void *ctx)
{
	struct gatewayenv *env = ctx;

	assert_true(
	    env->data == ENV_DATA_OPEN || env->data == ENV_DATA_LISTENING);
	env->data = ENV_DATA_RESET;
}

/* ---- the handler: what else ---- */

static bool
env_login(void *ctx, const char *user, const char *password)
{
	struct gatewayenv *env = ctx;

	snprintf(env->login, sizeof(env->login), "%s %s", user, password);
	return !env->no_login;
}

static int64_t
env_now(void *ctx)
{
	return ((struct gatewayenv *)ctx)->now;
}

static void
env_random(void *ctx, void *bytes, size_t len)
{
	memset(bytes, ++((struct gatewayenv *)ctx)->random, len);
}

static bool
env_claim(void *ctx, const char *path)
{
	struct gatewayenv *env = ctx;

	if (strcmp(path, env->claimed) == 0)
		return false;
	env->n_claims++;
	return true;
}

static void
env_release(void *ctx)
{
	((struct gatewayenv *)ctx)->n_claims = 0;
}

static void
env_stays(void *ctx, const char *path)
{
	((struct gatewayenv *)ctx)->stays = true;
}

static void
env_left_over(void *ctx, const char *path, const char *target)
{
	struct gatewayenv *env = ctx;

	env->n_left_over++;
	snprintf(env->left_over, sizeof(env->left_over), "%s", path);
}

static void
env_paused(void *ctx, const char *why)
{
	((struct gatewayenv *)ctx)->n_paused++;
}

static void
env_resumed(void *ctx, unsigned seconds)
{
	((struct gatewayenv *)ctx)->n_resumed++;
}

static const struct gateway_handler env_handler = {
	.paused = env_paused,
	.resumed = env_resumed,
	.reply = env_reply,
	.end = env_end,
	.fail = env_fail,
	.channel_open = env_channel_open,
	.channel_close = env_channel_close,
	.channel_send = env_channel_send,
	.channel_queued = env_channel_queued,
	.channel_read = env_channel_read,
	.data_listen = env_data_listen,
	.data_send = env_data_send,
	.data_queued = env_data_queued,
	.data_read = env_data_read,
	.data_end = env_data_end,
	.data_reset = env_data_reset,
	.login = env_login,
	.now = env_now,
	.random = env_random,
	.claim = env_claim,
	.release = env_release,
	.left_over = env_left_over,
	.stays = env_stays,
};

/* ---- servers ---- */

static void
env_run_server(const struct gatewayenv *env, int fd)
{
	struct rlimit limit = { env->file_limit, env->file_limit };

	/* A file that would become larger is as on a full disk. */
	if (env->file_limit > 0) {
		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &limit);
	}
	dup2(fd, 0);
	dup2(fd, 1);
	execl(SERVER, SERVER, "-d", env->directory,
	    env->denied != NULL ? "-P" : NULL, env->denied, NULL);
	_exit(127);
}

static void
env_open_channel(struct gatewayenv *env, unsigned channel)
{
	struct gatewayenv_channel *one = &env->channels[channel];
	int fds[2];

	if (channel > 0 ? env->refuse_channels : env->refuse_first) {
		gateway_channel_failed(env->gateway, channel, "refused");
		return;
	}
	env->n_opened++;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
			     fds),
	    0);
	one->pid = fork();
	assert_true(one->pid >= 0);
	if (one->pid == 0)
		env_run_server(env, fds[1]);
	close(fds[1]);
	one->fd = fds[0];
	one->stopped = one->above_low = false;
	one->sent = one->kept = 0;
	one->state = ENV_CHANNEL_UP;
	buf_init(&one->out, SIZE_MAX);
	gateway_channel_up(env->gateway, channel);
}

static void
env_pass(struct gatewayenv *env, struct buf *from, size_t len)
{
	gateway_channel_bytes(env->gateway, 0,
	    &(struct iovec) { (void *)(uintptr_t)buf_bytes(from), len }, 1);
	buf_consume(from, len);
}

/* Passes on all packets but the first DATA. */
static void
env_hold_data(struct gatewayenv *env, const void *bytes, size_t n)
{
	const uint8_t *at;
	size_t len;

	assert_int_equal(buf_append(&env->packets, bytes, n), 0);
	for (;;) {
		at = buf_bytes(&env->packets);
		len = buf_len(&env->packets) < 5 ?
		    SIZE_MAX - 4 :
		    ((size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3]);
		if (buf_len(&env->packets) < 4 + len)
			return;
		env->n_data += at[4] == 103;
		if (at[4] == 103 && env->n_data == 1) {
			assert_int_equal(buf_append(&env->held, at, 4 + len),
			    0);
			buf_consume(&env->packets, 4 + len);
		} else {
			env_pass(env, &env->packets, 4 + len);
		}
	}
}

void
gatewayenv_pass_held(struct gatewayenv *env)
{
	env_pass(env, &env->held, buf_len(&env->held));
}

static void
env_read_channel(struct gatewayenv *env, unsigned channel)
{
	char bytes[70000];
	ssize_t n =
	    recv(env->channels[channel].fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	struct iovec pieces[2];

	if (n <= 0) {
		gateway_channel_failed(env->gateway, channel, "lost");
		return;
	}
	if (env->hold_data) {
		env_hold_data(env, bytes, (size_t)n);
		return;
	}
	pieces[0] = (struct iovec) { bytes, (size_t)n / 3 };
	pieces[1] = (struct iovec) { bytes + n / 3, (size_t)(n - n / 3) };
	gateway_channel_bytes(env->gateway, channel, pieces, 2);
}

void
gatewayenv_kill(struct gatewayenv *env, unsigned channel)
{
	assert_int_equal(env->channels[channel].state, ENV_CHANNEL_UP);
	kill(env->channels[channel].pid, SIGKILL);
	gateway_channel_failed(env->gateway, channel, "lost");
}

/* ---- turns ---- */

/* True: something was sent on the data connection. */
static bool
env_feed_data(struct gatewayenv *env)
{
	size_t len = env->to_send_len < 40000 ? env->to_send_len : 40000;
	struct iovec piece = { (void *)(uintptr_t)env->to_send, len };

	if (env->data != ENV_DATA_OPEN || !env->data_reading || env->eof_sent)
		return false;
	env->to_send_len -= len;
	if (len > 0) {
		env->to_send += len;
		gateway_data_bytes(env->gateway, &piece, 1);
		return true;
	}
	if (!env->eof_after)
		return false;
	env->eof_sent = true;
	gateway_data_eof(env->gateway);
	return true;
}

static bool
env_write_channels(struct gatewayenv *env)
{
	bool any = false;

	for (unsigned i = 0; i < GATEWAY_CHANNELS; i++) {
		struct gatewayenv_channel *one = &env->channels[i];
		size_t before = buf_len(&one->out);

		if (one->state != ENV_CHANNEL_UP || before <= one->kept)
			continue;
		env_write_channel(one);
		any |= buf_len(&one->out) < before;
		if (one->above_low &&
		    env_channel_queued(env, i) <= LIMIT_LOW_WATER) {
			one->above_low = false;
			gateway_channel_drained(env->gateway, i);
		}
	}
	return any;
}

static void
env_wait(struct gatewayenv *env)
{
	struct pollfd fds[GATEWAY_CHANNELS];

	for (unsigned i = 0; i < GATEWAY_CHANNELS; i++) {
		const struct gatewayenv_channel *one = &env->channels[i];

		fds[i] = (struct pollfd) {
			.fd = one->state == ENV_CHANNEL_UP ? one->fd : -1,
			.events = (short)((one->stopped ? 0 : POLLIN) |
			    (buf_len(&one->out) > one->kept ? POLLOUT : 0)),
		};
	}
	if (poll(fds, GATEWAY_CHANNELS, WAIT_MS) <= 0)
		fail_msg("nothing comes");
	for (unsigned i = 0; i < GATEWAY_CHANNELS; i++)
		if ((fds[i].revents & ~POLLOUT) != 0 &&
		    env->channels[i].state == ENV_CHANNEL_UP)
			env_read_channel(env, i);
}

void
gatewayenv_turn(struct gatewayenv *env)
{
	bool any = false;

	env->now += env->turn_ms;
	for (unsigned i = 0; i < GATEWAY_CHANNELS; i++)
		if (env->channels[i].state == ENV_CHANNEL_WANTED) {
			env_open_channel(env, i);
			any = true;
		}
	any |= env_feed_data(env);
	any |= env_write_channels(env);
	if (!any)
		env_wait(env);
}

/* ---- life ---- */

int
gatewayenv_setup(void **state)
{
	struct gatewayenv *env = calloc(1, sizeof(*env));

	strcpy(env->directory, "/tmp/gateway.XXXXXX");
	if (mkdtemp(env->directory) == NULL)
		return -1;
	env->config = (struct gateway_config) {
		.name = "here",
		.directory = env->directory,
		.requests = 64,
		.channels = 1,
	};
	env->room = SIZE_MAX;
	env->now = 1796000000000; /* in November 2026 */
	buf_init(&env->replies, SIZE_MAX);
	buf_init(&env->received, SIZE_MAX);
	buf_init(&env->packets, SIZE_MAX);
	buf_init(&env->held, SIZE_MAX);
	*state = env;
	return 0;
}

int
gatewayenv_teardown(void **state)
{
	struct gatewayenv *env = *state;

	gateway_free(env->gateway);
	for (unsigned i = 0; i < GATEWAY_CHANNELS; i++)
		if (env->channels[i].state == ENV_CHANNEL_UP)
			env_reap(&env->channels[i]);
	buf_free(&env->replies);
	buf_free(&env->received);
	buf_free(&env->packets);
	buf_free(&env->held);
	remove_directory(env->directory);
	free(env);
	return 0;
}

void
gatewayenv_begin(struct gatewayenv *env)
{
	env->gateway = gateway_new(&env->config, &env_handler, env);
	assert_non_null(env->gateway);
}

void
gatewayenv_connect(struct gatewayenv *env)
{
	gatewayenv_begin(env);
	GATEWAYENV_UNTIL(env, env->ended > 0 || gatewayenv_reply_len(env) > 0);
}

void
gatewayenv_start(struct gatewayenv *env)
{
	gatewayenv_connect(env);
	gatewayenv_expect(env, "220 culvert: the files of here, by SFTP.");
	gatewayenv_command(env, "USER anybody", "331 ");
	gatewayenv_command(env, "PASS anything", "230 ");
}
