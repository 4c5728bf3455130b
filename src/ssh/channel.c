/*
 * A channel as a stream.
 *
 * Theory of operation.  The two directions are independent.
 *
 * In:	data -> EOF received -> eof() called.  If the owner reads, it gets the
 *	data at once; otherwise they wait in the buffer "in", whose size the
 *	window limits.  The window is renewed only for bytes that the owner has
 *	taken.
 * Out:	open -> stream_shutdown() -> EOF sent.  Bytes for which the peer's
 *	window or the mux socket has no room wait in the buffer "out".
 *
 * A CLOSE, or the loss of the connection, ends both directions.  If no EOF came
 * before, this is a loss: closed() is called at once, and buffered data are
 * dropped (for servers that never send EOF see channel_got_close()).  If EOF
 * came before, data() and eof() are called as usual; closed() follows only if
 * this side had not ended its direction, or had not sent all of its bytes.
 *
 * Callbacks come from the loop only: through proxy.c, or, if a call of the
 * owner has made one due, through the idle handle.
 */
#include "ssh/channel_priv.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct stream_ops channel_ops;

static struct channel *
channel_of(struct stream *stream)
{
	return (struct channel *)stream;
}

bool
channel_is_owned(const struct channel *channel)
{
	return channel->owner == OWNER_OPEN;
}

/* ---- life ---- */

struct stream *
channel_new(struct proxy *proxy, uint32_t number, const char *host,
    uint16_t port, enum link_use use, const struct stream_handler *handler,
    void *ctx)
{
	struct channel *channel = calloc(1, sizeof(*channel));
	uint32_t window;

	if (channel == NULL)
		return NULL;
	channel->stream.ops = &channel_ops;
	stream_set_handler(&channel->stream, handler, ctx);
	channel->proxy = proxy;
	channel->reason = proxy->reason;
	channel->number = number;
	channel->owner = OWNER_OPEN;
	buf_init(&channel->in.buf, UINT32_MAX);
	buf_init(&channel->out.buf, LIMIT_STREAM_QUEUE);
	uv_idle_init(proxy->loop, &channel->idle);
	uv_timer_init(proxy->loop, &channel->timer);
	channel->idle.data = channel;
	channel->timer.data = channel;
	channel->open_handles = 2;
	window = window_open(&channel->in.window, &proxy->info->path,
	    use == LINK_DATA, uv_hrtime() / 1000);
	channel->sftp = host == NULL ? SFTP_STARTING : SFTP_NOT;
	conn_put(proxy->conn,
	    host == NULL ?
		chan_put_open_session(number, window, LIMIT_CHANNEL_PACKET) :
		chan_put_open_direct(number, window, LIMIT_CHANNEL_PACKET, host,
		    port));
	proxy->table[number] = channel;
	return &channel->stream;
}

static void
channel_handle_closed(uv_handle_t *handle)
{
	struct channel *channel = handle->data;

	if (--channel->open_handles > 0)
		return;
	buf_free(&channel->in.buf);
	buf_free(&channel->out.buf);
	free(channel->why);
	free(channel);
}

/* The memory is freed when the loop has closed both handles. */
static void
channel_free(struct channel *channel)
{
	assert(channel->owner != OWNER_OPEN && channel->proxy == NULL);
	reason_cancel(&channel->wait);
	channel_discard(channel);
	uv_close((uv_handle_t *)&channel->idle, channel_handle_closed);
	uv_close((uv_handle_t *)&channel->timer, channel_handle_closed);
}

void
channel_detach(struct channel *channel)
{
	channel_unwait(channel);
	channel->proxy->table[channel->number] = NULL;
	channel->proxy = NULL;
	window_close(&channel->in.window);
	uv_timer_stop(&channel->timer);
	if (channel->owner != OWNER_OPEN)
		channel_free(channel);
}

void
channel_set_why(struct channel *channel, const char *why)
{
	free(channel->why);
	channel->why = strdup(why);
}

void
channel_fail(struct channel *channel, int err, const char *why)
{
	if (channel->err != 0)
		return;
	channel->err = err;
	if (channel->owner == OWNER_OPEN)
		channel_set_why(channel, why);
	if (channel->in.state == IN_OPEN)
		channel_discard(channel);
}

/* ---- callbacks ---- */

static void
channel_idle(uv_idle_t *idle)
{
	struct channel *channel = idle->data;

	uv_idle_stop(idle);
	if (channel->owner == OWNER_OPEN)
		channel_tell(channel);
	else
		channel_discard(channel);
}

void
channel_schedule(struct channel *channel)
{
	uv_idle_start(&channel->idle, channel_idle);
}

/* Calls the first callback that is due.  False if none is. */
static bool
channel_tell_one(struct channel *channel)
{
	struct stream *stream = &channel->stream;
	size_t len = buf_len(&channel->in.buf);

	if (channel->owner != OWNER_OPEN || channel->err_told)
		return false;
	if (channel->in.reading && len > 0) {
		if (len > LIMIT_READ_CHUNK)
			len = LIMIT_READ_CHUNK;
		stream->handler->data(stream->ctx,
		    &(struct iovec) {
			(void *)(uintptr_t)buf_bytes(&channel->in.buf), len },
		    1);
		/* Closed in data(): stream_close() discards the rest, too. */
		if (channel->owner != OWNER_OPEN)
			return false;
		buf_consume(&channel->in.buf, len);
		channel_consumed(channel, len);
		return true;
	}
	if (channel->in.reading && channel->in.state == IN_ENDED) {
		channel->in.state = IN_TOLD;
		stream->handler->eof(stream->ctx);
		return true;
	}
	if (channel->err != 0) {
		if (channel->in.state == IN_ENDED)
			return false;
		channel->err_told = true;
		stream->handler->closed(stream->ctx, channel->err,
		    channel->why != NULL ? channel->why : "out of memory");
		return true;
	}
	if (channel->out.above &&
	    buf_len(&channel->out.buf) <= LIMIT_LOW_WATER) {
		channel->out.above = false;
		stream->handler->drained(stream->ctx);
		return true;
	}
	return false;
}

void
channel_tell(struct channel *channel)
{
	while (channel_tell_one(channel))
		continue;
}

void
channel_lost(struct channel *channel)
{
	bool cut =
	    channel->out.state == OUT_OPEN || buf_len(&channel->out.buf) > 0;

	if (channel->in.state == IN_OPEN || cut)
		channel_fail(channel, -ECONNRESET,
		    "the SSH connection was lost");
	channel_detach(channel);
}

/* ---- what the owner calls ---- */

static void
channel_read_start(struct stream *stream)
{
	struct channel *channel = channel_of(stream);

	channel->in.reading = true;
	if (buf_len(&channel->in.buf) > 0 || channel->in.state != IN_OPEN)
		channel_schedule(channel);
}

static void
channel_read_stop(struct stream *stream)
{
	channel_of(stream)->in.reading = false;
}

static int
channel_write(struct stream *stream, const struct iovec *pieces, size_t n)
{
	struct channel *channel = channel_of(stream);
	struct iovec rest[STREAM_PIECES];

	assert(n <= STREAM_PIECES);
	if (channel->err != 0 || channel->out.state != OUT_OPEN ||
	    channel->proxy == NULL)
		return -EPIPE;
	if (stream_len(pieces, n) >
	    LIMIT_STREAM_QUEUE - buf_len(&channel->out.buf))
		return -ENOMEM;
	memcpy(rest, pieces, n * sizeof(*rest));
	if (buf_len(&channel->out.buf) == 0)
		channel_send(channel, rest, n);
	for (size_t i = 0; i < n; i++) {
		if (buf_append(&channel->out.buf, rest[i].iov_base,
			rest[i].iov_len) == 0)
			continue;
		/* The stream cannot continue: a part may have been sent. */
		channel_fail(channel, -ENOMEM, "out of memory");
		channel_send_close(channel);
		channel_schedule(channel);
		return -ENOMEM;
	}
	if (buf_len(&channel->out.buf) > LIMIT_LOW_WATER)
		channel->out.above = true;
	return 0;
}

static void
channel_shutdown(struct stream *stream)
{
	struct channel *channel = channel_of(stream);

	if (channel->out.state == OUT_OPEN)
		channel->out.state = OUT_SHUT;
	channel_flush(channel);
}

static void
channel_close(struct stream *stream)
{
	struct channel *channel = channel_of(stream);

	channel->owner = OWNER_GONE;
	buf_free(&channel->out.buf);
	if (channel->proxy == NULL) {
		channel_free(channel);
		return;
	}
	channel_send_close(channel);
	channel_schedule(channel);
}

static void
channel_finish(struct stream *stream)
{
	struct channel *channel = channel_of(stream);

	if (channel->proxy == NULL || channel->err != 0) {
		channel_close(stream);
		return;
	}
	channel->owner = OWNER_FINISHING;
	if (channel->out.state == OUT_OPEN)
		channel->out.state = OUT_SHUT;
	channel_schedule(channel);
	channel_start_linger(channel);
	channel_flush(channel);
	channel_end_finish(channel);
}

static size_t
channel_queued(const struct stream *stream)
{
	return buf_len(&((const struct channel *)stream)->out.buf);
}

static bool
channel_alive(const struct stream *stream)
{
	return ((const struct channel *)stream)->err == 0;
}

static bool
channel_end_is_proven(const struct stream *stream)
{
	return ((const struct channel *)stream)->in.end != END_UNPROVEN;
}

static bool
channel_end_is_doubtful(const struct stream *stream)
{
	return ((const struct channel *)stream)->in.end == END_DOUBTFUL;
}

static const struct stream_ops channel_ops = {
	.read_start = channel_read_start,
	.read_stop = channel_read_stop,
	.write = channel_write,
	.shutdown = channel_shutdown,
	.close = channel_close,
	.finish = channel_finish,
	.reset = channel_close,
	.queued = channel_queued,
	.undelivered = channel_undelivered,
	.alive = channel_alive,
	.end_is_proven = channel_end_is_proven,
	.end_is_doubtful = channel_end_is_doubtful,
};
