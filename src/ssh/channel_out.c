/*
 * A channel: what goes to the peer.
 */
#include "ssh/channel_priv.h"

#include <assert.h>

/* The most packets that one call writes to the mux socket. */
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

/*
 * Sends at most max packets, as far as the mux socket takes them.  Returns how
 * many of the len bytes were sent.  Sets *ret_full if a packet was not taken.
 */
static size_t
channel_send_packets(struct channel *channel, const uint8_t *bytes, size_t len,
    size_t max, bool *ret_full)
{
	struct conn *conn = channel->proxy->conn;
	uint8_t heads[CHANNEL_PACKETS][CHAN_DATA_HEAD];
	struct iovec pieces[2 * CHANNEL_PACKETS];
	size_t sent = 0, n = 0, part, taken;

	assert(max <= CHANNEL_PACKETS);
	if (len > channel->out.window)
		len = channel->out.window;
	for (; sent < len && n < max; n++) {
		part = len - sent;
		if (part > channel->out.packet)
			part = channel->out.packet;
		chan_data_head(heads[n], channel->peer, (uint32_t)part);
		pieces[2 * n] = (struct iovec) { heads[n], CHAN_DATA_HEAD };
		pieces[2 * n + 1] =
		    (struct iovec) { (void *)(uintptr_t)(bytes + sent), part };
		sent += part;
	}
	if (n == 0)
		return 0;
	taken = n;
	if (channel_is_small(channel, sent))
		conn_send(conn, pieces, 2 * n);
	else
		taken = conn_offer(conn, pieces, 2 * n, 2);
	*ret_full = taken < n;
	for (; n > taken; n--)
		sent -= pieces[2 * n - 1].iov_len;
	if (sent == 0)
		return 0;
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

size_t
channel_send(struct channel *channel, const uint8_t *bytes, size_t len)
{
	struct proxy *proxy = channel->proxy;
	size_t sent = 0;
	bool full = false;

	if (!channel_can_send(channel) || channel->sftp == SFTP_STARTING ||
	    channel->out.waiting)
		return 0;
	while (sent < len && channel->out.window > 0 && !full) {
		if (!TAILQ_EMPTY(&proxy->waiting) &&
		    !channel_is_small(channel, len - sent))
			full = true;
		else
			sent += channel_send_packets(channel, bytes + sent,
			    len - sent, CHANNEL_PACKETS, &full);
	}
	if (full)
		channel_wait(channel, false);
	return sent;
}

void
channel_flush(struct channel *channel)
{
	buf_consume(&channel->out.buf,
	    channel_send(channel, buf_bytes(&channel->out.buf),
		buf_len(&channel->out.buf)));
	channel_after_send(channel);
}

void
channel_turns(struct proxy *proxy)
{
	struct channel *channel;
	bool full = false;

	while (!full && (channel = TAILQ_FIRST(&proxy->waiting)) != NULL) {
		bool alone = TAILQ_NEXT(channel, out.entry) == NULL;
		size_t sent;

		channel_unwait(channel);
		sent = channel_send_packets(channel,
		    buf_bytes(&channel->out.buf), buf_len(&channel->out.buf),
		    alone ? CHANNEL_PACKETS : 1, &full);
		buf_consume(&channel->out.buf, sent);
		if (buf_len(&channel->out.buf) > 0 && channel->out.window > 0)
			channel_wait(channel, sent == 0);
		channel_after_send(channel);
	}
}
