/*
 * A channel: what the peer sends.
 */
#include "ssh/channel_priv.h"

#include <errno.h>
#include <stdio.h>

/* The probe of window.h: a request that no server supports, so that each
 * answers it with CHAN_FAILURE. */
#define CHANNEL_PROBE "keepalive@openssh.com"

/* ---- the window ---- */

/* Sends what is due: CHAN_WINDOW_ADJUST, then a probe. */
static void
channel_give_window(struct channel *channel)
{
	struct proxy *proxy = channel->proxy;
	uint32_t grant;

	if (!channel_can_send(channel) || channel->in.state != IN_OPEN ||
	    channel->err != 0)
		return;
	grant = window_grant(&channel->in.window);
	if (grant > 0)
		conn_put(proxy->conn,
		    chan_put_window_adjust(channel->peer, grant));
	if (window_must_probe(&channel->in.window, uv_hrtime() / 1000))
		conn_put(proxy->conn,
		    chan_put_request(channel->peer, CHANNEL_PROBE, NULL));
}

void
channel_consumed(struct channel *channel, size_t len)
{
	window_consume(&channel->in.window, (uint32_t)len);
	channel_give_window(channel);
}

void
channel_discard(struct channel *channel)
{
	size_t len = buf_len(&channel->in.buf);

	buf_free(&channel->in.buf);
	channel_consumed(channel, len);
}

/* ---- opening ---- */

/* What waits may go. */
static void
channel_opened(struct channel *channel)
{
	channel_flush(channel);
	if (channel->owner == OWNER_OPEN)
		channel->stream.handler->opened(channel->stream.ctx);
	channel_tell(channel);
}

/* The reply to the request for the subsystem. */
static void
channel_got_sftp(struct channel *channel, bool started)
{
	channel->sftp = SFTP_STARTED;
	if (started) {
		channel_opened(channel);
		return;
	}
	channel_fail(channel, -EACCES,
	    "the SSH server does not offer SFTP (Subsystem in sshd_config)");
	channel_send_close(channel);
	channel_tell(channel);
}

static void
channel_confirmed(struct channel *channel, const struct chan_message *message)
{
	if (channel->sftp == SFTP_NOT)
		reason_forwarded(channel->reason);
	channel->open = true;
	window_opened(&channel->in.window, uv_hrtime() / 1000);
	channel->peer = message->sender;
	channel->out.window = message->window;
	channel->out.packet = message->packet < LIMIT_CHANNEL_PACKET ?
	    message->packet :
	    LIMIT_CHANNEL_PACKET;
	if (channel->close_sent) { /* only noted: peer was not known */
		channel->close_sent = false;
		channel_send_close(channel);
		return;
	}
	if (channel->sftp == SFTP_NOT)
		channel_opened(channel);
	else
		conn_put(channel->proxy->conn,
		    chan_put_request(channel->peer, "subsystem", "sftp"));
}

/* Reports a refusal: sshd's words, which are in channel->why, and what a
 * session may have explained. */
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

/* The refusal is reported when reason.h knows whether a session explains it. */
static void
channel_prohibited(struct channel *channel, const char *why)
{
	bool owned = channel->owner == OWNER_OPEN;

	channel_set_why(channel, why);
	channel_detach(channel); /* which frees it if it has no owner */
	if (owned &&
	    !reason_await(channel->reason, &channel->wait, channel_explained,
		channel))
		channel_explained(channel);
}

static void
channel_refused(struct channel *channel, const struct chan_message *message)
{
	/* For each reason code (RFC 4254 section 5.1), the error, and the text
	 * in front of sshd's words. */
	static const struct {
		int err;
		const char *name;
	} reasons[] = {
		{ -ECONNREFUSED, "" }, /* for any other code */
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
	if (channel->sftp != SFTP_NOT) {
		snprintf(why, sizeof(why),
		    "the SSH server refuses a session for SFTP: %s "
		    "(MaxSessions in sshd_config)",
		    words[0] != '\0' ? words : "open failed");
		reason = CHAN_UNKNOWN_CHANNEL_TYPE; /* -EACCES */
	}
	if (reason == CHAN_ADMINISTRATIVELY_PROHIBITED) {
		channel_prohibited(channel, why);
		return;
	}
	/* sshd has permitted the connection, although it then failed. */
	if (reason == CHAN_CONNECT_FAILED)
		reason_forwarded(channel->reason);
	channel_fail(channel, reasons[reason].err, why);
	channel_detach(channel);
	channel_tell(channel);
}

/* ---- data ---- */

/* The peer has violated the protocol on this channel only, so the link
 * continues. */
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
	const char *wrong = NULL;

	if (channel->close_sent) /* but the peer had not received it */
		return;
	if (channel->in.state != IN_OPEN)
		wrong = "the SSH server sent data after EOF";
	else if (len > UINT32_MAX ||
	    !window_receive(&channel->in.window, (uint32_t)len))
		wrong = "the SSH server sent more than the window allows";
	if (wrong != NULL) {
		channel_deliver(channel->proxy);
		channel_violated(channel, wrong);
		return;
	}
	channel->in.exhausted = channel->in.window.left == 0;
	channel->in.heard_at = uv_now(channel->idle.loop);
	if (channel->owner != OWNER_OPEN || channel->err != 0 || len == 0 ||
	    message->type == CHAN_EXTENDED_DATA) {
		channel_consumed(channel, len);
	} else if (channel->in.reading && buf_len(&channel->in.buf) == 0) {
		channel_gather(channel, message->data, len);
	} else if (buf_append(&channel->in.buf, message->data, len) != 0) {
		channel_consumed(channel, len);
		channel_fail(channel, -ENOMEM, "out of memory");
		channel_send_close(channel);
		channel_tell(channel);
	}
}

static void
channel_got_adjust(struct channel *channel, const struct chan_message *message)
{
	if (message->window > UINT32_MAX - channel->out.window) {
		channel_violated(channel,
		    "the SSH server opened a window of more than 4 GiB");
		return;
	}
	channel->out.window += message->window;
	channel_flush(channel);
}

static void
channel_got_eof(struct channel *channel)
{
	if (channel->in.state != IN_OPEN)
		return;
	channel->in.state = IN_ENDED;
	channel->in.eof_at = uv_now(channel->idle.loop);
	channel->proxy->info->sends_eof = true;
	channel_end_finish(channel);
	/* eof() comes later: if CLOSE follows at once, channel_doubt() must
	 * see it first. */
	channel_schedule(channel);
}

/*
 * EOF and CLOSE have come before our own EOF.  OpenSSH closes a channel so
 * early only for ChannelTimeout: it had no window for a while, and drops the
 * bytes that it could not send.  If the window was used up for that
 * long, channel_got_close() reports a loss.  But if culvert was
 * itself late, it does not know how long that was.  So any such end with a
 * used-up window is doubtful, unless the SSH server closes all channels so
 * early.
 */
static void
channel_doubt(struct channel *channel)
{
	struct proxy *proxy = channel->proxy;
	uint64_t now = uv_now(channel->idle.loop);

	if (channel->in.state != IN_ENDED || channel->out.state != OUT_OPEN)
		return;
	if (channel->in.exhausted && !proxy->closes_early)
		channel->in.end = END_DOUBTFUL;
	/* Not if the channel was idle before EOF or CLOSE: then this may be
	 * ChannelTimeout, too. */
	if (!channel->in.exhausted &&
	    now - channel->in.eof_at < LIMIT_AT_ONCE_MS &&
	    channel->in.eof_at - channel->in.heard_at < LIMIT_AT_ONCE_MS)
		proxy->closes_early = true;
}

/*
 * OpenSSH always sends EOF first (RFC 4254 section 5.3 only recommends it), so
 * a CLOSE without EOF is a loss.  But some servers never send EOF: while none
 * has come on this link, a CLOSE may be the end of the data.
 */
static void
channel_got_close(struct channel *channel)
{
	bool unsent = channel_undelivered(&channel->stream) > 0;
	/* It waited for us for so long that it cannot have been at its end. */
	bool dropped = channel->in.state == IN_ENDED &&
	    channel->out.state == OUT_OPEN && channel->in.exhausted &&
	    channel->in.eof_at - channel->in.heard_at >= LIMIT_IDLE_END_MS;

	channel_doubt(channel);
	channel_send_close(channel);
	if (dropped)
		channel->in.state = IN_OPEN;
	if (channel->in.state == IN_OPEN && !channel->proxy->info->sends_eof) {
		channel->in.state = IN_ENDED;
		channel->in.end = END_UNPROVEN;
	}
	if (channel->in.state == IN_OPEN)
		channel_fail(channel, -ECONNRESET,
		    dropped ?
			"the SSH server closed the channel before the end of "
			"the data, after it had to wait (ChannelTimeout in "
			"sshd_config)" :
			"the SSH server closed the channel before the end of "
			"the data");
	else if (unsent || channel->out.state == OUT_OPEN)
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
	/* A callback may have detached the channel. */
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
		/* None is supported.  eow@openssh.com, for example, wants no
		 * reply. */
		if (message->want_reply && channel_can_send(channel))
			conn_put(proxy->conn,
			    chan_put(CHAN_FAILURE, channel->peer));
		break;
	case CHAN_SUCCESS:
	case CHAN_FAILURE:
		/* Requests are answered in order (RFC 4254 section 5.4). */
		if (channel->sftp == SFTP_STARTING) {
			channel_got_sftp(channel,
			    message->type == CHAN_SUCCESS);
			break;
		}
		window_answered(&channel->in.window, uv_hrtime() / 1000);
		channel_give_window(channel);
		break;
	default:
		break;
	}
	return 0;
}
