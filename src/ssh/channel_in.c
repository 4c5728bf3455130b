/*
 * A channel: what the peer sends.
 */
#include "ssh/channel_priv.h"

#include <errno.h>
#include <stdio.h>

/* The question of window.h: a request that no server knows, so that all servers
 * answer it with CHAN_FAILURE. */
#define CHANNEL_QUESTION "keepalive@openssh.com"

/* ---- the window ---- */

/* Sends what is due: a larger window, then the question. */
static void
channel_give_window(struct channel *channel)
{
	struct proxy *proxy = channel->proxy;
	uint32_t grant;

	if (!channel_can_send(channel) || channel->eof || channel->err != 0)
		return;
	grant = window_grant(&channel->window);
	if (grant > 0)
		conn_put(proxy->conn,
		    chan_put_window_adjust(channel->peer, grant));
	if (window_asks(&channel->window, uv_hrtime() / 1000))
		conn_put(proxy->conn,
		    chan_put_request(channel->peer, CHANNEL_QUESTION, NULL));
}

void
channel_consumed(struct channel *channel, size_t len)
{
	window_consume(&channel->window, (uint32_t)len);
	channel_give_window(channel);
}

void
channel_discard(struct channel *channel)
{
	size_t len = buf_len(&channel->in);

	buf_free(&channel->in);
	channel_consumed(channel, len);
}

/* ---- opening ---- */

static void
channel_confirmed(struct channel *channel, const struct chan_message *message)
{
	struct stream *stream = &channel->stream;

	reason_forwarded(channel->reason);
	channel->open = true;
	window_opened(&channel->window, uv_hrtime() / 1000);
	channel->peer = message->sender;
	channel->peer_window = message->window;
	channel->peer_packet = message->packet < LIMIT_CHANNEL_PACKET ?
	    message->packet :
	    LIMIT_CHANNEL_PACKET;
	if (channel->close_sent) { /* not really: peer was not known yet */
		channel->close_sent = false;
		channel_send_close(channel);
		return;
	}
	channel_flush(channel);
	if (channel->owned)
		stream->handler->opened(stream->ctx);
	channel_tell(channel);
}

/* channel->why has sshd's words; the explanation is known, if there is any. */
static void
channel_explained(void *ctx)
{
	struct channel *channel = ctx;
	char text[REASON_MAX], why[CHANNEL_WHY_MAX + REASON_MAX];

	reason_explain(channel->reason,
	    "AllowTcpForwarding, PermitOpen, DisableForwarding "
	    "(sshd_config), permitopen (authorized_keys)",
	    text);
	snprintf(why, sizeof(why), "%s%s",
	    channel->why != NULL ? channel->why : "", text);
	channel_fail(channel, -EACCES, why);
	channel_tell(channel);
}

/* A session may explain that: reason.h. */
static void
channel_prohibited(struct channel *channel, const char *why)
{
	bool owned = channel->owned;

	channel_set_why(channel, why);
	channel_detach(channel); /* and, without an owner, freed */
	if (owned &&
	    !reason_await(channel->reason, &channel->wait, channel_explained,
		channel))
		channel_explained(channel);
}

static void
channel_refused(struct channel *channel, const struct chan_message *message)
{
	/* What is put in front of sshd's words, by RFC 4254 section 5.1. */
	static const struct {
		int err;
		const char *name;
	} reasons[] = {
		{ -ECONNREFUSED, "" }, /* any other */
		[CHAN_ADMINISTRATIVELY_PROHIBITED] = { -EACCES,
		    "administratively prohibited: " },
		[CHAN_CONNECT_FAILED] = { -ECONNREFUSED, "" },
		[CHAN_UNKNOWN_CHANNEL_TYPE] = { -EACCES,
		    "forwarding is not supported: " },
		[CHAN_RESOURCE_SHORTAGE] = { -EAGAIN, "resource shortage: " },
	};
	size_t n = sizeof(reasons) / sizeof(reasons[0]);
	uint32_t reason = message->reason < n ? message->reason : 0;
	char words[LOG_ESCAPED_MAX + 1], why[CHANNEL_WHY_MAX];

	log_escape(words, sizeof(words), message->data, message->data_len);
	snprintf(why, sizeof(why), "%s%s", reasons[reason].name,
	    words[0] != '\0' ? words : "open failed");
	channel->proxy->refusals++;
	if (reason == CHAN_ADMINISTRATIVELY_PROHIBITED) {
		channel_prohibited(channel, why);
		return;
	}
	/* sshd has permitted it. */
	if (reason == CHAN_CONNECT_FAILED)
		reason_forwarded(channel->reason);
	channel_fail(channel, reasons[reason].err, why);
	channel_detach(channel);
	channel_tell(channel);
}

/* ---- data ---- */

/* The peer violates the protocol in this channel only: the link stays. */
static void
channel_violated(struct channel *channel, const char *why)
{
	channel_fail(channel, -EPROTO, why);
	channel_send_close(channel);
	channel_tell(channel);
}

void
channel_deliver(struct proxy *proxy)
{
	struct channel *channel = proxy->gathering;
	size_t n = proxy->n_pieces;
	size_t len = stream_len(proxy->pieces, n);

	if (channel == NULL)
		return;
	proxy->gathering = NULL;
	proxy->n_pieces = 0;
	channel->stream.handler->data(channel->stream.ctx, proxy->pieces, n);
	channel_consumed(channel, len);
}

static void
channel_gather(struct channel *channel, const uint8_t *bytes, size_t len)
{
	struct proxy *proxy = channel->proxy;

	proxy->gathering = channel;
	proxy->pieces[proxy->n_pieces++] =
	    (struct iovec) { (void *)(uintptr_t)bytes, len };
	if (proxy->n_pieces == STREAM_PIECES)
		channel_deliver(proxy);
}

static void
channel_got_data(struct channel *channel, const struct chan_message *message)
{
	size_t len = message->data_len;

	if (channel->close_sent) /* the peer does not know it yet */
		return;
	if (channel->eof || len > UINT32_MAX ||
	    !window_receive(&channel->window, (uint32_t)len)) {
		channel_deliver(channel->proxy);
		channel_violated(channel,
		    "the SSH server sent more than the window allows");
		return;
	}
	channel->exhausted = channel->window.left == 0;
	channel->heard_at = uv_now(channel->idle.loop);
	if (!channel->owned || channel->err != 0 || len == 0 ||
	    message->type == CHAN_EXTENDED_DATA) {
		channel_consumed(channel, len);
	} else if (channel->reading && buf_len(&channel->in) == 0) {
		channel_gather(channel, message->data, len);
	} else if (buf_append(&channel->in, message->data, len) != 0) {
		channel_consumed(channel, len);
		channel_fail(channel, -ENOMEM, "out of memory");
		channel_send_close(channel);
		channel_tell(channel);
	}
}

static void
channel_got_adjust(struct channel *channel, const struct chan_message *message)
{
	if (message->window > UINT32_MAX - channel->peer_window) {
		channel_violated(channel,
		    "the SSH server opened a window of more than 4 GiB");
		return;
	}
	channel->peer_window += message->window;
	channel_flush(channel);
}

static void
channel_got_eof(struct channel *channel)
{
	channel->eof = true;
	channel->eof_at = uv_now(channel->idle.loop);
	channel->starved = channel->exhausted &&
	    channel->eof_at - channel->heard_at >= LIMIT_IDLE_END_MS;
	channel->proxy->info->sends_eof = true;
	channel_end_finish(channel);
	/* A CLOSE right behind it comes first: channel_doubt(). */
	channel_schedule(channel);
}

/*
 * With ChannelTimeout, sshd drops what it still has of a channel that it could
 * not send on for a while, and sends EOF and CLOSE.  For no other reason does
 * it close before our end; and a server that had to wait for us for so long was
 * not at the end of its data.  If this process was late itself, that time is
 * not certain.  Then an end without window left is doubtful, unless the server
 * closes every channel so early.
 */
static void
channel_doubt(struct channel *channel)
{
	struct proxy *proxy = channel->proxy;
	uint64_t now = uv_now(channel->idle.loop);

	if (!channel->eof || channel->eof_told || channel->shut)
		return;
	channel->doubtful = channel->exhausted && !proxy->closes_early;
	/* ChannelTimeout also closes channels that ended long ago, or in which
	 * nothing moves. */
	if (!channel->exhausted && now - channel->eof_at < LIMIT_AT_ONCE_MS &&
	    channel->eof_at - channel->heard_at < LIMIT_AT_ONCE_MS)
		proxy->closes_early = true;
}

/*
 * OpenSSH always sends EOF first (RFC 4254 section 5.3 only recommends it), so
 * a CLOSE without EOF is a loss.  Servers that copy and then close never send
 * EOF: while none has come on this link, a CLOSE may be the end.
 */
static void
channel_got_close(struct channel *channel)
{
	bool unsent = channel_undelivered(&channel->stream) > 0;
	bool dropped = channel->starved && !channel->eof_told && !channel->shut;

	channel_doubt(channel);
	channel_send_close(channel);
	if (dropped)
		channel->eof = false;
	if (!channel->eof && !channel->proxy->info->sends_eof) {
		channel->eof = true;
		channel->unproven = true;
	}
	if (!channel->eof)
		channel_fail(channel, -ECONNRESET,
		    dropped ?
			"the SSH server closed the channel before the end of "
			"the data, after it had to wait (ChannelTimeout in "
			"sshd_config)" :
			"the SSH server closed the channel before the end of "
			"the data");
	else if (unsent || !channel->shut)
		channel_fail(channel, unsent ? -EPIPE : -ESHUTDOWN,
		    "the SSH server has closed the channel");
	channel_detach(channel);
	channel_tell(channel);
}

bool
channel_is_late(const struct chan_message *message)
{
	return message->type == CHAN_SUCCESS || message->type == CHAN_FAILURE;
}

int
channel_message(struct channel *channel, const struct chan_message *message)
{
	struct proxy *proxy = channel->proxy;

	if (proxy->gathering != channel || message->type != CHAN_DATA)
		channel_deliver(proxy);
	/* Its owner may have closed it in that call. */
	if (channel->proxy == NULL)
		return 0;
	if (message->type == CHAN_OPEN_CONFIRMATION ||
	    message->type == CHAN_OPEN_FAILURE) {
		if (channel->open)
			return -EPROTO;
		if (message->type == CHAN_OPEN_FAILURE)
			channel_refused(channel, message);
		else if (message->packet == 0)
			return -EPROTO;
		else
			channel_confirmed(channel, message);
		return 0;
	}
	if (!channel->open)
		return channel_is_late(message) ? 0 : -EPROTO;
	switch (message->type) {
	case CHAN_DATA:
	case CHAN_EXTENDED_DATA:
		channel_got_data(channel, message);
		break;
	case CHAN_WINDOW_ADJUST:
		channel_got_adjust(channel, message);
		break;
	case CHAN_EOF:
		channel_got_eof(channel);
		break;
	case CHAN_CLOSE:
		channel_got_close(channel);
		break;
	case CHAN_REQUEST:
		/* eow@openssh.com, for example, which wants no reply. */
		if (message->want_reply && channel_can_send(channel))
			conn_put(proxy->conn,
			    chan_put(CHAN_FAILURE, channel->peer));
		break;
	case CHAN_SUCCESS:
	case CHAN_FAILURE:
		window_answered(&channel->window, uv_hrtime() / 1000);
		channel_give_window(channel);
		break;
	default:
		break;
	}
	return 0;
}
