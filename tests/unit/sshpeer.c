/*
 * TCP peers behind sshd, and our end of the streams to them.
 */
#include "sshenv.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "limits.h"

#define PIECE_MAX ((size_t)64 * 1024)

uint8_t
sshenv_pattern(size_t at)
{
	return (uint8_t)((at * 2654435761U) >> 24 ^ at);
}

/* ---- a TCP peer ---- */

struct peer_write {
	uv_write_t write;
	struct peer *peer;
	uint8_t bytes[PIECE_MAX];
	size_t len;
	uv_shutdown_t *shut;
};

static void peer_send_more(struct peer *peer);
static void peer_read(struct peer *peer);

static void
peer_shutdown(struct peer *peer)
{
	uv_shutdown_t *shut = malloc(sizeof(*shut));

	if (uv_shutdown(shut, (uv_stream_t *)&peer->socket,
		(uv_shutdown_cb)(void (*)(void))free) != 0)
		free(shut);
}

static void
peer_wrote(uv_write_t *write, int status)
{
	struct peer_write *piece = write->data;
	struct peer *peer = piece->peer;

	free(piece);
	if (status != 0) {
		peer->broken++;
		return;
	}
	if (peer->mode == PEER_SEND)
		peer_send_more(peer);
	else if (peer->paused &&
	    uv_stream_get_write_queue_size((uv_stream_t *)&peer->socket) <
		4 * PIECE_MAX)
		peer_read(peer);
}

static void
peer_write(struct peer *peer, struct peer_write *piece)
{
	uv_buf_t all =
	    uv_buf_init((char *)piece->bytes, (unsigned int)piece->len);

	piece->write.data = piece;
	piece->peer = peer;
	if (uv_write(&piece->write, (uv_stream_t *)&peer->socket, &all, 1,
		peer_wrote) != 0) {
		peer->broken++;
		free(piece);
	}
}

static void
peer_send_more(struct peer *peer)
{
	struct peer_write *piece = malloc(sizeof(*piece));

	piece->len = peer->n - peer->sent;
	if (piece->len > PIECE_MAX)
		piece->len = PIECE_MAX;
	if (piece->len == 0) {
		free(piece);
		if (!peer->keep_open)
			peer_shutdown(peer);
		return;
	}
	for (size_t i = 0; i < piece->len; i++)
		piece->bytes[i] = sshenv_pattern(peer->sent + i);
	peer->sent += piece->len;
	peer_write(peer, piece);
}

static void
peer_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
	static char bytes[PIECE_MAX];

	(void)handle;
	(void)size;
	*buf = uv_buf_init(bytes, sizeof(bytes));
}

static void
peer_got(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct peer *peer = stream->data;
	struct peer_write *piece;

	if (n < 0) {
		peer->eof += n == UV_EOF;
		peer->broken += n != UV_EOF;
		peer->ended++;
		if (peer->mode == PEER_ECHO)
			peer_shutdown(peer);
		return;
	}
	if (peer->mode == PEER_RESET) {
		uv_tcp_close_reset(&peer->socket, NULL);
		return;
	}
	for (ssize_t i = 0; i < n; i++)
		assert_int_equal((uint8_t)buf->base[i],
		    sshenv_pattern(peer->received + (size_t)i));
	peer->received += (size_t)n;
	if (peer->mode != PEER_ECHO)
		return;
	piece = malloc(sizeof(*piece));
	piece->len = (size_t)n;
	memcpy(piece->bytes, buf->base, piece->len);
	peer_write(peer, piece);
	if (uv_stream_get_write_queue_size(stream) > 16 * PIECE_MAX) {
		peer->paused = true;
		uv_read_stop(stream);
	}
}

static void
peer_read(struct peer *peer)
{
	peer->paused = false;
	uv_read_start((uv_stream_t *)&peer->socket, peer_alloc, peer_got);
}

static void
extra_closed(uv_handle_t *handle)
{
	free(handle);
}

static void
extra_got(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	(void)buf;
	if (n >= 0)
		return;
	((struct peer *)stream->data)->extra_ended++;
	uv_close((uv_handle_t *)stream, extra_closed);
}

/* All connections but the first only wait for their end. */
static void
extra_new(struct peer *peer)
{
	uv_tcp_t *extra = malloc(sizeof(*extra));

	uv_tcp_init(&peer->env->loop, extra);
	extra->data = peer;
	assert_int_equal(uv_accept((uv_stream_t *)&peer->server,
			     (uv_stream_t *)extra),
	    0);
	uv_read_start((uv_stream_t *)extra, peer_alloc, extra_got);
}

static void
peer_connected(uv_stream_t *server, int status)
{
	struct peer *peer = server->data;

	assert_int_equal(status, 0);
	if (peer->accepted++ > 0) {
		extra_new(peer);
		return;
	}
	uv_tcp_init(&peer->env->loop, &peer->socket);
	peer->socket.data = peer;
	assert_int_equal(uv_accept(server, (uv_stream_t *)&peer->socket), 0);
	if (peer->mode != PEER_SILENT)
		peer_read(peer);
	if (peer->mode == PEER_SEND)
		peer_send_more(peer);
}

void
peer_start(struct peer *peer, struct sshenv *env, enum peer_mode mode, size_t n)
{
	struct sockaddr_storage ss;
	struct sockaddr_in sin;
	int len = sizeof(ss);

	memset(peer, 0, sizeof(*peer));
	peer->env = env;
	peer->mode = mode;
	peer->n = n;
	uv_ip4_addr("127.0.0.1", 0, &sin);
	uv_tcp_init(&env->loop, &peer->server);
	peer->server.data = peer;
	assert_int_equal(uv_tcp_bind(&peer->server, (struct sockaddr *)&sin, 0),
	    0);
	assert_int_equal(uv_listen((uv_stream_t *)&peer->server, 128,
			     peer_connected),
	    0);
	uv_tcp_getsockname(&peer->server, (struct sockaddr *)&ss, &len);
	memcpy(&sin, &ss, sizeof(sin));
	peer->port = ntohs(sin.sin_port);
}

void
peer_resume(struct peer *peer)
{
	peer_send_more(peer);
}

void
peer_end(struct peer *peer)
{
	uv_close((uv_handle_t *)&peer->server, NULL);
	if (peer->accepted > 0 && !uv_is_closing((uv_handle_t *)&peer->socket))
		uv_close((uv_handle_t *)&peer->socket, NULL);
	/* sshd ends its connections to us a while after a killed ssh. */
	for (unsigned int i = 0;
	     i < 1000 && peer->extra_ended + 1 < peer->accepted; i++)
		sshenv_for(peer->env, 10);
	sshenv_for(peer->env, 1);
}

/* ---- our end ---- */

static void
near_more(struct near *near)
{
	uint8_t bytes[PIECE_MAX];

	while (near->sent < near->to_send &&
	    stream_queued(near->stream) <= LIMIT_HIGH_WATER) {
		size_t len = near->to_send - near->sent;

		if (len > sizeof(bytes))
			len = sizeof(bytes);
		for (size_t i = 0; i < len; i++)
			bytes[i] = sshenv_pattern(near->sent + i);
		if (stream_write(near->stream, bytes, len) != 0)
			return;
		near->sent += len;
	}
	if (near->sent == near->to_send && near->shut_after)
		stream_shutdown(near->stream);
}

static void
near_opened(void *ctx)
{
	struct near *near = ctx;

	near->opened++;
}

static void
near_data(void *ctx, const struct iovec *pieces, size_t n)
{
	struct near *near = ctx;

	assert_int_equal(near->eof + near->closed, 0);
	assert_in_range(n, 1, STREAM_PIECES);
	for (; n > 0; pieces++, n--) {
		const uint8_t *bytes = pieces->iov_base;

		assert_true(pieces->iov_len > 0);
		for (size_t i = 0; i < pieces->iov_len; i++)
			assert_int_equal(bytes[i],
			    sshenv_pattern(near->received + i));
		near->received += pieces->iov_len;
	}
	if (near->close_in_data)
		near_close(near);
}

static void
near_eof(void *ctx)
{
	struct near *near = ctx;

	assert_int_equal(near->eof + near->closed, 0);
	near->eof++;
	near->ended++;
}

static void
near_drained(void *ctx)
{
	struct near *near = ctx;

	assert_int_equal(near->closed, 0);
	assert_true(stream_queued(near->stream) <= LIMIT_LOW_WATER);
	near->drained++;
	near_more(near);
}

static void
near_closed(void *ctx, int err, const char *why)
{
	struct near *near = ctx;

	near->closed++;
	near->ended++;
	near->env->closed++;
	near->err = err;
	snprintf(near->why, sizeof(near->why), "%s", why);
}

static void
dial_on(struct near *near, struct sshenv *env, struct link *link,
    const char *host, uint16_t port, enum link_use use)
{
	static const struct stream_handler handler = {
		.opened = near_opened,
		.data = near_data,
		.eof = near_eof,
		.drained = near_drained,
		.closed = near_closed,
	};

	memset(near, 0, sizeof(*near));
	near->env = env;
	near->stream = link_dial(link, host, port, use, &handler, near);
	assert_non_null(near->stream);
	stream_read_start(near->stream);
}

void
near_dial(struct near *near, struct sshenv *env, const char *host,
    uint16_t port)
{
	dial_on(near, env, env->link, host, port, LINK_DATA);
}

void
near_dial_on(struct near *near, struct sshenv *env, struct link *link,
    uint16_t port)
{
	dial_on(near, env, link, "127.0.0.1", port, LINK_DATA);
}

void
near_dial_control(struct near *near, struct sshenv *env, uint16_t port)
{
	dial_on(near, env, env->link, "127.0.0.1", port, LINK_CONTROL);
}

void
near_send(struct near *near, size_t n, bool shut_after)
{
	near->to_send += n;
	near->shut_after = shut_after;
	near_more(near);
}

void
near_close(struct near *near)
{
	stream_close(near->stream);
	near->stream = NULL;
}
