/*
 * Sockets as streams: writing, and closing by stream_finish().
 *
 * If no bytes are queued, new bytes go to the kernel at once.  Bytes that the
 * kernel does not take are queued, and leave in pieces of at most the low-water
 * mark, so that drained() comes early enough.  One uv_write() at a time sends
 * from the buffer flight, while new bytes are added to the buffer queue; when
 * flight is empty, the two are swapped.
 */
#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "limits.h"
#include "net/sock_priv.h"

size_t
sock_queued(const struct stream *stream)
{
	const struct net_stream *s = (const struct net_stream *)stream;
	size_t len = buf_len(&s->queue) + buf_len(&s->flight);

	/* The kernel may have taken a part of the piece that is being written.
	 */
	if (s->writing > 0)
		len -=
		    s->writing - uv_stream_get_write_queue_size(&s->uv.stream);
	return len;
}

size_t
sock_undelivered(const struct stream *stream)
{
	const struct net_stream *s = (const struct net_stream *)stream;
	size_t len = sock_queued(stream);
	int in_kernel;

	if (ioctl(sock_fd(&s->uv), SIOCOUTQ, &in_kernel) == 0)
		len += (size_t)in_kernel;
	/* A FIN counts as one byte.  SIOCOUTQ includes one that was sent. */
	if (s->out == SOCK_SHUT)
		len++;
	return len;
}

/* Runs every LIMIT_LINGER_MS after stream_finish().  A peer that still takes
 * bytes gets more time. */
static void
net_stream_linger(uv_timer_t *timer)
{
	struct net_stream *s = timer->data;
	size_t left = sock_undelivered(&s->stream);

	if (left > 0 && left < s->linger.left && !s->net->hurry) {
		s->linger.left = left;
		s->linger.quiet_ms = 0;
		return;
	}
	s->linger.quiet_ms += LIMIT_LINGER_MS;
	/* The kernel has everything, and sends it after close(2), too. */
	if (s->out == SOCK_FIN_SENT)
		sock_close(&s->stream);
	/* A reset, because a cut transfer must not look complete. */
	else if (s->linger.quiet_ms >= LIMIT_FINISH_QUIET_MS || s->net->hurry)
		sock_reset(&s->stream);
}

void
net_stream_linger_start(struct net_stream *s)
{
	s->linger.left = sock_undelivered(&s->stream);
	s->linger.quiet_ms = 0;
	uv_timer_start(&s->timer, net_stream_linger, LIMIT_LINGER_MS,
	    LIMIT_LINGER_MS);
}

/* Ends our direction after everything queued was sent.  Not with uv_shutdown(),
 * which would wait until the kernel has room. */
static void
net_stream_send_fin(struct net_stream *s)
{
	int err = 0;
	socklen_t len = sizeof(err);

	s->out = SOCK_FIN_SENT;
	if (shutdown(sock_fd(&s->uv), SHUT_WR) != 0) {
		/* The socket is not connected any more; SO_ERROR has the
		 * reason. */
		getsockopt(sock_fd(&s->uv), SOL_SOCKET, SO_ERROR, &err, &len);
		net_stream_fail(s, err != 0 ? -err : -ENOTCONN);
		return;
	}
	if (s->owner == SOCK_OWNED)
		return;
	if (s->eof)
		sock_close(&s->stream);
	else
		net_stream_linger_start(s);
}

static uv_buf_t
sock_uv_buf(const uint8_t *bytes, size_t len)
{
	/* uv_buf_t is also used for reading, so it has no const. */
	return uv_buf_init((char *)(uintptr_t)bytes, (unsigned int)len);
}

static void net_stream_wrote(uv_write_t *write, int status);

void
net_stream_send(struct net_stream *s)
{
	uv_buf_t piece;
	size_t len;
	int err;

	if (!s->connected || s->writing > 0 || s->err != 0)
		return;
	if (buf_len(&s->flight) == 0) {
		struct buf empty = s->flight;

		s->flight = s->queue;
		s->queue = empty;
	}
	len = buf_len(&s->flight);
	if (len == 0) {
		if (s->out == SOCK_SHUT)
			net_stream_send_fin(s);
		return;
	}
	if (len > LIMIT_LOW_WATER)
		len = LIMIT_LOW_WATER;
	piece = sock_uv_buf(buf_bytes(&s->flight), len);
	s->write.data = s;
	err = uv_write(&s->write, &s->uv.stream, &piece, 1, net_stream_wrote);
	if (err != 0)
		net_stream_fail(s, err);
	else
		s->writing = len;
}

static void
net_stream_wrote(uv_write_t *write, int status)
{
	struct net_stream *s = write->data;
	size_t len = s->writing;

	s->writing = 0;
	if (uv_is_closing(&s->uv.handle))
		return;
	if (status != 0) {
		net_stream_fail(s, status);
		return;
	}
	buf_consume(&s->flight, len);
	net_stream_send(s);
	if (s->owner != SOCK_OWNED || s->err != 0 || !s->above_low ||
	    sock_queued(&s->stream) > LIMIT_LOW_WATER)
		return;
	s->above_low = false;
	s->stream.handler->drained(s->stream.ctx);
}

/* Writes as much of the pieces as the kernel takes at once. */
static int
net_stream_try(struct net_stream *s, const struct iovec *pieces, size_t n,
    size_t *ret_sent)
{
	uv_buf_t bufs[STREAM_PIECES];
	int sent;

	assert(n <= STREAM_PIECES);
	for (size_t i = 0; i < n; i++)
		bufs[i] = sock_uv_buf(pieces[i].iov_base, pieces[i].iov_len);
	sent = uv_try_write(&s->uv.stream, bufs, (unsigned int)n);
	*ret_sent = sent > 0 ? (size_t)sent : 0;
	return sent < 0 && sent != UV_EAGAIN ? sent : 0;
}

/* Queues the pieces without their first skip bytes. */
static int
net_stream_queue(struct net_stream *s, const struct iovec *pieces, size_t n,
    size_t skip)
{
	for (size_t i = 0; i < n; i++) {
		const uint8_t *bytes = pieces[i].iov_base;
		size_t len = pieces[i].iov_len, gone = skip < len ? skip : len;

		skip -= gone;
		if (buf_append(&s->queue, bytes + gone, len - gone) != 0)
			return -ENOMEM;
	}
	return 0;
}

int
sock_write(struct stream *stream, const struct iovec *pieces, size_t n)
{
	struct net_stream *s = (struct net_stream *)stream;
	size_t held = buf_len(&s->queue) + buf_len(&s->flight);
	size_t len = stream_len(pieces, n), sent = 0;
	int err;

	if (s->err != 0 || s->out != SOCK_OPEN)
		return -EPIPE;
	if (len == 0)
		return 0;
	if (len > LIMIT_STREAM_QUEUE - held)
		return -ENOMEM;
	if (s->connected && held == 0) {
		err = net_stream_try(s, pieces, n, &sent);
		if (err != 0) {
			net_stream_fail(s, err);
			return -EPIPE;
		}
	}
	if (sent == len)
		return 0;
	if (net_stream_queue(s, pieces, n, sent) != 0) {
		/* A part may have been sent, and the rest is lost, so the
		 * stream cannot continue. */
		net_stream_fail(s, -ENOMEM);
		return -ENOMEM;
	}
	net_stream_send(s);
	if (sock_queued(stream) > LIMIT_LOW_WATER)
		s->above_low = true;
	return 0;
}

void
sock_shutdown(struct stream *stream)
{
	struct net_stream *s = (struct net_stream *)stream;

	if (s->out == SOCK_OPEN)
		s->out = SOCK_SHUT;
	net_stream_send(s);
}
