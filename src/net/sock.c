/*
 * Sockets as streams, with libuv: opening, closing and reading.
 *
 * Every failure is stored in err.  Then a timer that expires at once calls
 * closed(), so that closed() is called only from the loop.
 */
#include "net/sock.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "limits.h"
#include "net/sock_priv.h"

static const struct stream_ops sock_ops;

/* ---- opening and closing ---- */

static struct net_stream *
net_stream_new(struct net *net, sa_family_t family)
{
	struct net_stream *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->stream.ops = &sock_ops;
	s->net = net;
	buf_init(&s->queue, LIMIT_STREAM_QUEUE);
	buf_init(&s->flight, LIMIT_STREAM_QUEUE);
	if (sock_handle_init(&s->uv, net, family) != 0) {
		free(s);
		return NULL;
	}
	s->uv.handle.data = s;
	uv_timer_init(net->loop, &s->timer);
	s->timer.data = s;
	s->handles = 2;
	return s;
}

static void
net_stream_handle_closed(uv_handle_t *handle)
{
	struct net_stream *s = handle->data;

	if (--s->handles > 0)
		return;
	buf_free(&s->queue);
	buf_free(&s->flight);
	free(s);
}

void
sock_close(struct stream *stream)
{
	struct net_stream *s = (struct net_stream *)stream;
	bool finishing = s->owner == SOCK_FINISHING;

	s->owner = SOCK_GONE;
	if (uv_is_closing(&s->uv.handle))
		return;
	sock_dial_cancel(s->dial);
	uv_close(&s->uv.handle, net_stream_handle_closed);
	uv_close((uv_handle_t *)&s->timer, net_stream_handle_closed);
	if (!finishing)
		return;
	s->net->finishing--;
	sock_tell_finished(s->net);
}

void
sock_reset(struct stream *stream)
{
	const struct net_stream *s = (const struct net_stream *)stream;

	sock_set_abort(sock_fd(&s->uv));
	sock_close(stream);
}

static void
net_stream_report(uv_timer_t *timer)
{
	struct net_stream *s = timer->data;

	s->stream.handler->closed(s->stream.ctx, s->err,
	    s->why[0] != '\0' ? s->why : strerror(-s->err));
}

void
net_stream_fail(struct net_stream *s, int err)
{
	if (s->err != 0)
		return;
	s->err = err;
	sock_dial_cancel(s->dial);
	s->dial = NULL;
	if (s->owner != SOCK_OWNED) {
		sock_close(&s->stream);
		return;
	}
	uv_read_stop(&s->uv.stream);
	uv_timer_start(&s->timer, net_stream_report, 0, 0);
}

/* ---- reading ---- */

static void
net_stream_read_buf(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	struct net_stream *s = handle->data;

	*ret = uv_buf_init(s->net->read_buf, sizeof(s->net->read_buf));
}

static void net_stream_read_apply(struct net_stream *s);

/*
 * libuv (1.44) reports an end if a read was short and poll(2) reports a
 * hang-up.  But a reset is a hang-up, too, and urgent data make reads short
 * although more bytes follow.  So this looks at the socket.
 */
static void
net_stream_read_end(struct net_stream *s)
{
	char byte;
	ssize_t n = recv(sock_fd(&s->uv), &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR))) {
		net_stream_read_apply(s);
		return;
	}
	if (n < 0) {
		net_stream_fail(s, -errno);
		return;
	}
	s->eof = true;
	if (s->owner == SOCK_OWNED)
		s->stream.handler->eof(s->stream.ctx);
	else if (s->out == SOCK_FIN_SENT)
		sock_close(&s->stream);
}

static void
net_stream_read(uv_stream_t *uv_stream, ssize_t n, const uv_buf_t *bytes)
{
	struct net_stream *s = uv_stream->data;

	if (n == UV_EOF)
		net_stream_read_end(s);
	else if (n < 0)
		net_stream_fail(s, (int)n);
	else if (n > 0 && s->owner == SOCK_OWNED)
		s->stream.handler->data(s->stream.ctx,
		    &(struct iovec) { bytes->base, (size_t)n }, 1);
	/* So few bytes may be a command with a password. */
	if (n > 0 && n <= LIMIT_COMMAND_LINE)
		explicit_bzero(bytes->base, (size_t)n);
}

/* Starts or stops reading, as the owner wants, if the state of the stream
 * permits it. */
static void
net_stream_read_apply(struct net_stream *s)
{
	int err;

	if (!s->connected || s->err != 0 || s->eof)
		return;
	if (!s->reading) {
		uv_read_stop(&s->uv.stream);
		return;
	}
	err =
	    uv_read_start(&s->uv.stream, net_stream_read_buf, net_stream_read);
	if (err != 0 && err != UV_EALREADY)
		net_stream_fail(s, err);
}

static void
sock_read_start(struct stream *stream)
{
	struct net_stream *s = (struct net_stream *)stream;

	s->reading = true;
	net_stream_read_apply(s);
}

static void
sock_read_stop(struct stream *stream)
{
	struct net_stream *s = (struct net_stream *)stream;

	s->reading = false;
	net_stream_read_apply(s);
}

static void
sock_finish(struct stream *stream)
{
	struct net_stream *s = (struct net_stream *)stream;

	if (s->err != 0) {
		sock_close(stream);
		return;
	}
	s->owner = SOCK_FINISHING;
	s->net->finishing++;
	sock_read_start(stream);
	net_stream_linger_start(s);
	if (s->out == SOCK_FIN_SENT && s->eof)
		sock_close(stream);
	else
		sock_shutdown(stream);
}

static bool
sock_alive(const struct stream *stream)
{
	const struct net_stream *s = (const struct net_stream *)stream;
	struct pollfd peer = { .fd = sock_fd(&s->uv), .events = 0 };
	int dead = POLLERR;

	/* A Unix socket hangs up when its peer is closed, but also when both
	 * directions have ended. */
	if (s->uv.handle.type == UV_NAMED_PIPE && s->out != SOCK_FIN_SENT)
		dead |= POLLHUP;
	/* POLLERR shows that the socket has an error, and does not clear it.
	 * TCP_INFO would not help: the state after a reset, TCP_CLOSE, is the
	 * same as after two clean ends. */
	return s->err == 0 &&
	    (poll(&peer, 1, 0) <= 0 || (peer.revents & dead) == 0);
}

static const struct stream_ops sock_ops = {
	.read_start = sock_read_start,
	.read_stop = sock_read_stop,
	.write = sock_write,
	.shutdown = sock_shutdown,
	.close = sock_close,
	.finish = sock_finish,
	.reset = sock_reset,
	.queued = sock_queued,
	.undelivered = sock_undelivered,
	.alive = sock_alive,
};

/* ---- connecting ---- */

static void
net_stream_dialled(void *ctx, int fd, int err, const char *why)
{
	struct net_stream *s = ctx;

	s->dial = NULL;
	if (fd >= 0) {
		err = sock_handle_open(&s->uv, fd);
		if (err != 0)
			close(fd);
	} else {
		snprintf(s->why, sizeof(s->why), "%s", why);
	}
	if (err != 0) {
		net_stream_fail(s, err);
		return;
	}
	s->connected = true;
	net_stream_read_apply(s);
	if (s->owner == SOCK_OWNED && s->err == 0)
		s->stream.handler->opened(s->stream.ctx);
	if (!uv_is_closing(&s->uv.handle))
		net_stream_send(s);
}

static struct net_stream *
net_stream_dialling(struct net *net, const struct stream_handler *handler,
    void *ctx)
{
	/* Here AF_INET stands for TCP, also over IPv6. */
	struct net_stream *s = net_stream_new(net, AF_INET);

	if (s != NULL)
		stream_set_handler(&s->stream, handler, ctx);
	return s;
}

struct stream *
net_dial(struct net *net, const struct addr *to, const struct addr *from,
    const struct stream_handler *handler, void *ctx, int *ret_err)
{
	struct net_stream *s = net_stream_dialling(net, handler, ctx);
	int err;

	if (s == NULL) {
		*ret_err = -ENOMEM;
		return NULL;
	}
	err = sock_dial_address(net, to, from, net_stream_dialled, s, &s->dial);
	if (err != 0) {
		sock_close(&s->stream);
		*ret_err = err;
		return NULL;
	}
	return &s->stream;
}

struct stream *
net_dial_host(struct net *net, const char *host, uint16_t port,
    const struct addr *from, const struct stream_handler *handler, void *ctx)
{
	struct net_stream *s = net_stream_dialling(net, handler, ctx);
	struct addr to;
	int err;

	if (s == NULL)
		return NULL;
	if (addr_parse_ip(host, &to) == 0) {
		to.port = port;
		err = sock_dial_address(net, &to, from, net_stream_dialled, s,
		    &s->dial);
	} else {
		err = sock_dial_name(net, host, port, from, net_stream_dialled,
		    s, &s->dial);
	}
	if (err != 0)
		net_stream_fail(s, err);
	return &s->stream;
}

/* closed() comes by the same timer, and has precedence. */
static void
net_stream_on_reopened(uv_timer_t *timer)
{
	struct net_stream *s = timer->data;

	s->connected = true;
	net_stream_read_apply(s);
	if (s->err == 0)
		s->stream.handler->opened(s->stream.ctx);
	if (!uv_is_closing(&s->uv.handle))
		net_stream_send(s);
}

void
net_stream_reopen(struct stream *stream, const struct stream_handler *handler,
    void *ctx)
{
	struct net_stream *s = (struct net_stream *)stream;

	assert(stream->ops == &sock_ops);
	stream_set_handler(stream, handler, ctx);
	uv_read_stop(&s->uv.stream);
	s->connected = false;
	if (s->err == 0)
		uv_timer_start(&s->timer, net_stream_on_reopened, 0, 0);
}

/* ---- addresses ---- */

struct addr
net_stream_local(const struct stream *stream)
{
	assert(stream->ops == &sock_ops);
	return sock_addr(&((const struct net_stream *)stream)->uv, false);
}

struct addr
net_stream_peer(const struct stream *stream)
{
	assert(stream->ops == &sock_ops);
	return sock_addr(&((const struct net_stream *)stream)->uv, true);
}

int
net_stream_user(const struct stream *stream, uid_t *ret)
{
	const struct net_stream *s = (const struct net_stream *)stream;
	struct ucred peer;
	socklen_t len = sizeof(peer);

	assert(stream->ops == &sock_ops);
	if (getsockopt(sock_fd(&s->uv), SOL_SOCKET, SO_PEERCRED, &peer, &len) !=
	    0)
		return -errno;
	*ret = peer.uid;
	return 0;
}

/* ---- accepting ---- */

struct net_stream *
sock_accept_prepare(struct net *net, bool tcp)
{
	return net_stream_new(net, tcp ? AF_INET : AF_UNIX);
}

void
sock_accept_drop(struct net_stream *s)
{
	if (s != NULL)
		sock_close(&s->stream);
}

struct stream *
sock_accept_take(struct net_stream *s, int fd)
{
	if (sock_handle_open(&s->uv, fd) != 0) {
		close(fd);
		sock_close(&s->stream);
		return NULL;
	}
	if (s->uv.handle.type == UV_TCP && sock_set_options(fd) != 0) {
		sock_reset(&s->stream);
		return NULL;
	}
	s->connected = true;
	return &s->stream;
}
