/*
 * A channel: what goes to the peer.
 */
#include "ssh/channel_priv.h"

#include <assert.h>
#include <string.h>

/* The most messages that one call writes to the mux socket. */
#define CHANNEL_PACKETS 8

void
channel_unwait(struct channel *channel)
{
	if (!channel->out.waiting)
		return;
	TAILQ_REMOVE(&channel->proxy->waiting, channel, out.entry);
	channel->out.waiting = false;
}

bool
channel_can_send(const struct channel *channel)
{
	return channel->open && !channel->close_sent &&
	    channel->proxy != NULL && channel->proxy->conn != NULL;
}

void
channel_send_close(struct channel *channel)
{
	struct proxy *proxy = channel->proxy;

	channel_unwait(channel);
	uv_timer_stop(&channel->timer);
	if (channel_can_send(channel))
		conn_put(proxy->conn, chan_put(CHAN_CLOSE, channel->peer));
	channel->close_sent = true;
}

size_t
channel_undelivered(const struct stream *stream)
{
	const struct channel *channel = (const struct channel *)stream;
	size_t len = buf_len(&channel->out.buf);
	uint64_t behind = 0;

	if (channel->proxy == NULL || channel->proxy->conn == NULL)
		return len;
	if (channel->out.mark > conn_sent(channel->proxy->conn))
		behind = channel->out.mark - conn_sent(channel->proxy->conn);
	/* Bytes before the mark may belong to other channels, too. */
	if (behind > channel->out.handed)
		behind = channel->out.handed;
	len += behind;
	if (channel->out.state == OUT_SHUT)
		len++;
	return len;
}

static void
channel_linger(uv_timer_t *timer)
{
	struct channel *channel = timer->data;
	size_t left = channel_undelivered(&channel->stream);

	if (left < channel->linger.left) {
		channel->linger.left = left;
		channel->linger.quiet_ms = 0;
		return;
	}
	channel->linger.quiet_ms += LIMIT_LINGER_MS;
	if ((channel->out.state == OUT_ENDED && left == 0) ||
	    channel->linger.quiet_ms >= LIMIT_FINISH_QUIET_MS)
		channel_send_close(channel);
}

void
channel_start_linger(struct channel *channel)
{
	channel->linger.left = channel_undelivered(&channel->stream);
	channel->linger.quiet_ms = 0;
	uv_timer_start(&channel->timer, channel_linger, LIMIT_LINGER_MS,
	    LIMIT_LINGER_MS);
}

void
channel_end_finish(struct channel *channel)
{
	if (channel->owner == OWNER_FINISHING && channel->in.state != IN_OPEN &&
	    channel->out.state == OUT_ENDED && !channel->close_sent)
		channel_send_close(channel);
}

/* After bytes were sent: schedules drained() and sends EOF, if they are due. */
static void
channel_after_send(struct channel *channel)
{
	struct proxy *proxy = channel->proxy;

	if (channel->out.above && buf_len(&channel->out.buf) <= LIMIT_LOW_WATER)
		channel_schedule(channel);
	if (channel->out.state != OUT_SHUT || buf_len(&channel->out.buf) > 0 ||
	    !channel_can_send(channel) || channel->sftp == SFTP_STARTING)
		return;
	channel->out.state = OUT_ENDED;
	conn_put(proxy->conn, chan_put(CHAN_EOF, channel->peer));
	channel->out.mark = conn_taken(proxy->conn);
	if (channel->owner == OWNER_FINISHING)
		channel_start_linger(channel);
	channel_end_finish(channel);
}

/* May a write of len bytes be sent before those of channels that wait?
 * (LIMIT_CHANNEL_SMALL) */
static bool
channel_is_small(const struct channel *channel, size_t len)
{
	return len <= LIMIT_CHANNEL_SMALL &&
	    conn_has_room(channel->proxy->conn, LIMIT_MUX_BACKLOG / 2);
}

/* The number of 4 bytes at that place in the pieces. */
static uint32_t
channel_peek(const struct iovec *pieces, size_t at)
{
	uint8_t bytes[4];
	struct wire_in in = { bytes, sizeof(bytes), false };

	for (size_t i = 0; i < sizeof(bytes); i++, at++) {
		for (; at >= pieces->iov_len; pieces++)
			at -= pieces->iov_len;
		bytes[i] = ((const uint8_t *)pieces->iov_base)[at];
	}
	return wire_get_u32(&in);
}

/*
 * The bytes of an SFTP channel that go into one message: max, or fewer, so that
 * the message ends with a packet of SFTP, if one fits.  proftpd's mod_sftp
 * joins the beginning of a packet with what comes next on any channel (its
 * issue 1897).  *left is the rest of the packet that was begun, before and
 * after the message.
 */
static size_t
channel_whole_packets(const struct iovec *pieces, size_t len, size_t max,
    size_t *left)
{
	size_t end = 0, next = *left;

	while (next <= max) {
		end = next;
		if (end == len)
			break;
		next = end + 4 + channel_peek(pieces, end);
	}
	if (end == 0)
		end = max;
	*left = next - end;
	return end;
}

/* Messages that are about to be sent. */
struct channel_batch {
	size_t n, n_pieces;
	uint8_t heads[CHANNEL_PACKETS][CHAN_DATA_HEAD];
	struct iovec pieces[2 * CHANNEL_PACKETS + STREAM_PIECES];
	/* Of each message: its pieces with the head, its bytes without, and
	 * packet_left behind it. */
	size_t groups[CHANNEL_PACKETS];
	size_t lens[CHANNEL_PACKETS];
	size_t left[CHANNEL_PACKETS];
};

/* Makes at most max messages of the first bytes in n pieces, as many as the
 * window permits. */
static void
channel_fill(const struct channel *channel, const struct iovec *pieces,
    size_t n, size_t max, struct channel_batch *batch)
{
	struct iovec rest[STREAM_PIECES];
	size_t left = channel->out.packet_left, window = channel->out.window;
	size_t len = stream_len(pieces, n);

	memcpy(rest, pieces, n * sizeof(*rest));
	batch->n_pieces = 0;
	for (batch->n = 0; batch->n < max && len > 0 && window > 0;
	     batch->n++) {
		struct iovec *ret = &batch->pieces[batch->n_pieces];
		size_t part = len < window ? len : window;

		if (part > channel->out.packet)
			part = channel->out.packet;
		if (channel->sftp != SFTP_NOT)
			part = channel_whole_packets(rest, len, part, &left);
		chan_data_head(batch->heads[batch->n], channel->peer,
		    (uint32_t)part);
		ret[0] =
		    (struct iovec) { batch->heads[batch->n], CHAN_DATA_HEAD };
		batch->groups[batch->n] =
		    1 + stream_take(rest, n, part, ret + 1, STREAM_PIECES);
		batch->n_pieces += batch->groups[batch->n];
		batch->lens[batch->n] = part;
		batch->left[batch->n] = left;
		len -= part;
		window -= part;
	}
}

/*
 * Sends at most max messages, as far as the mux socket takes them.  Returns how
 * many bytes were sent.  Sets *ret_full if a message was not taken.
 */
static size_t
channel_send_messages(struct channel *channel, const struct iovec *pieces,
    size_t n, size_t max, bool *ret_full)
{
	struct conn *conn = channel->proxy->conn;
	struct channel_batch batch;
	size_t sent = 0, taken;

	assert(max <= CHANNEL_PACKETS && n <= STREAM_PIECES);
	channel_fill(channel, pieces, n, max, &batch);
	if (batch.n == 0)
		return 0;
	taken = batch.n;
	if (channel_is_small(channel, stream_len(pieces, n)))
		conn_send(conn, batch.pieces, batch.n_pieces);
	else
		taken = conn_offer(conn, batch.pieces, batch.groups, batch.n);
	*ret_full = taken < batch.n;
	for (size_t i = 0; i < taken; i++)
		sent += batch.lens[i];
	if (sent == 0)
		return 0;
	channel->out.packet_left = batch.left[taken - 1];
	channel->out.window -= (uint32_t)sent;
	channel->out.handed += sent;
	channel->out.mark = conn_taken(conn);
	return sent;
}

/* first: it keeps its place, because nothing could be sent in its turn. */
static void
channel_wait(struct channel *channel, bool first)
{
	if (first)
		TAILQ_INSERT_HEAD(&channel->proxy->waiting, channel, out.entry);
	else
		TAILQ_INSERT_TAIL(&channel->proxy->waiting, channel, out.entry);
	channel->out.waiting = true;
}

void
channel_send(struct channel *channel, struct iovec *pieces, size_t n)
{
	struct proxy *proxy = channel->proxy;
	bool full = false;
	size_t len;

	if (!channel_can_send(channel) || channel->sftp == SFTP_STARTING ||
	    channel->out.waiting)
		return;
	while ((len = stream_len(pieces, n)) > 0 && channel->out.window > 0 &&
	    !full) {
		if (!TAILQ_EMPTY(&proxy->waiting) &&
		    !channel_is_small(channel, len))
			full = true;
		else
			stream_skip(pieces, n,
			    channel_send_messages(channel, pieces, n,
				CHANNEL_PACKETS, &full));
	}
	if (full)
		channel_wait(channel, false);
}

static struct iovec
channel_queue(const struct channel *channel)
{
	return (struct iovec) {
		(void *)(uintptr_t)buf_bytes(&channel->out.buf),
		buf_len(&channel->out.buf),
	};
}

void
channel_flush(struct channel *channel)
{
	struct iovec queue = channel_queue(channel);

	channel_send(channel, &queue, 1);
	buf_consume(&channel->out.buf,
	    buf_len(&channel->out.buf) - queue.iov_len);
	channel_after_send(channel);
}

void
channel_turns(struct proxy *proxy)
{
	struct channel *channel;
	bool full = false;

	while (!full && (channel = TAILQ_FIRST(&proxy->waiting)) != NULL) {
		bool alone = TAILQ_NEXT(channel, out.entry) == NULL;
		struct iovec queue = channel_queue(channel);
		size_t sent;

		channel_unwait(channel);
		sent = channel_send_messages(channel, &queue, 1,
		    alone ? CHANNEL_PACKETS : 1, &full);
		buf_consume(&channel->out.buf, sent);
		if (buf_len(&channel->out.buf) > 0 && channel->out.window > 0)
			channel_wait(channel, sent == 0);
		channel_after_send(channel);
	}
}
