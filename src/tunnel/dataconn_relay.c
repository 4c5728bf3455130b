/*
 * A data connection: the relay from each end to the other, and its rate.  Bytes
 * that must wait for the rate are held.  Meanwhile the end that has sent them
 * is not read, so that TCP or the channel's window stops the peer.  No more is
 * held than one read brings, except after ABOR: then LIMIT_ABORT_SLACK more is
 * read, so that the server can finish its write and see the ABOR.
 */
#include <errno.h>
#include <stddef.h>

#include "limits.h"
#include "tunnel/session.h"

/* One read brings at most STREAM_PIECES packets of a channel, or, which is
 * less, LIMIT_READ_CHUNK of a socket.  Two reads may be held besides the slack:
 * the first one, and the one that exceeds the slack. */
#define HELD_MAX (LIMIT_ABORT_SLACK + 2 * STREAM_PIECES * LIMIT_CHANNEL_PACKET)

/* ---- reading ---- */

static bool
is_held_back(const struct dataconn_end *end)
{
	return end->in.paused || dataconn_holds(end);
}

static void
count_wait(struct dataconn_end *end)
{
	struct dataconn_in *in = &end->in;
	uint64_t now = uv_now(end->conn->session->options->loop);
	bool waits = is_held_back(end);

	if (waits && in->waits_at == 0)
		in->waits_at = now;
	if (waits || in->waits_at == 0)
		return;
	in->waited_ms += now - in->waits_at;
	if (now - in->waits_at >= LIMIT_IDLE_END_MS) {
		in->stalled = true;
		in->since_stall = 0;
	}
	in->waits_at = 0;
}

void
dataconn_read_or_not(struct dataconn_end *end)
{
	count_wait(end);
	if (end->stream == NULL)
		return;
	if ((end->in.slack == 0 && is_held_back(end)) ||
	    end->eof.state != EOF_NONE || dataconn_other(end)->stream == NULL)
		stream_read_stop(end->stream);
	else
		stream_read_start(end->stream);
}

/* ---- the relay ---- */

/* Sends the pieces to the other end.  If that fails, the transfer is cut,
 * because nothing may be missing in the middle. */
static void
relay(struct dataconn_end *from, const struct iovec *pieces, size_t n)
{
	struct tunnel *tunnel = from->conn->session->tunnel;
	struct dataconn_end *to = dataconn_other(from);
	size_t len = stream_len(pieces, n), files = 0;
	int err = stream_writev(to->stream, pieces, n);

	if (err != 0) {
		if (err != -EPIPE)
			dataconn_lose(to, "out of memory");
		return; /* after -EPIPE closed() says why */
	}
	to->out.sent += len;
	tunnel->stats.bytes[to->peer] += len;
	for (size_t i = 0; i < n && tunnel->options.log != NULL; i++)
		sha256_update(&to->out.digest, pieces[i].iov_len,
		    pieces[i].iov_base);
	if (stream_queued(to->stream) > LIMIT_HIGH_WATER)
		from->in.paused = true;
	for (size_t i = 0; i < n; i++)
		files += framing_feed(&from->in.framing, pieces[i].iov_base,
		    pieces[i].iov_len);
	if (files > 0)
		dataconn_tell(from, .type = ENGINE_DATA_FILE_END,
		    .files = files, .behind = from->in.framing.behind);
}

/* ---- the rate ---- */

/* The bytes that are held wait for their turn, unless the other end is too
 * slow. */
static void
wait_for_turn(struct dataconn_end *from)
{
	struct throttle *throttle = from->conn->session->tunnel->throttle;

	if (!dataconn_holds(from))
		return;
	if (from->in.paused)
		throttle_leave(throttle, &from->in.flow);
	else
		throttle_wait(throttle, &from->in.flow,
		    buf_len(&from->in.held));
}

/* Of the bytes that are held, so many may be sent now. */
static void
dataconn_on_granted(struct rate_flow *flow, size_t bytes)
{
	struct dataconn_end *from =
	    (struct dataconn_end *)(void *)((char *)flow -
		offsetof(struct dataconn_end, in.flow));
	struct iovec piece = {
		(void *)(uintptr_t)buf_bytes(&from->in.held),
		bytes,
	};

	relay(from, &piece, 1);
	/* If an end was closed in that call, nothing is held any more. */
	if (!dataconn_holds(from))
		return;
	buf_consume(&from->in.held, bytes);
	wait_for_turn(from);
	if (dataconn_holds(from))
		return;
	if (from->eof.state != EOF_HELD) {
		dataconn_read_or_not(from);
		return;
	}
	count_wait(from);
	dataconn_take_eof(from);
}

/* Relays the first may bytes of the pieces, and holds the others.  False: out
 * of memory. */
static bool
relay_and_hold(struct dataconn_end *from, const struct iovec *pieces, size_t n,
    size_t may)
{
	struct iovec now[STREAM_PIECES];
	size_t n_now = 0, left = may, part;

	for (size_t i = 0; i < n; i++) {
		part = left < pieces[i].iov_len ? left : pieces[i].iov_len;
		left -= part;
		if (part > 0)
			now[n_now++] =
			    (struct iovec) { pieces[i].iov_base, part };
		if (part < pieces[i].iov_len &&
		    buf_append(&from->in.held,
			(const uint8_t *)pieces[i].iov_base + part,
			pieces[i].iov_len - part) != 0)
			return false;
	}
	if (may > 0)
		relay(from, now, n_now);
	wait_for_turn(from);
	return true;
}

void
dataconn_relay_data(struct dataconn_end *from, const struct iovec *pieces,
    size_t n)
{
	struct throttle *throttle = from->conn->session->tunnel->throttle;
	size_t len = stream_len(pieces, n), may = 0;

	if (is_held_back(from))
		from->in.slack -= from->in.slack < len ? from->in.slack : len;
	from->in.since_stall += len;
	if (!dataconn_holds(from))
		may = throttle_take(throttle, &from->in.flow, len);
	if (!relay_and_hold(from, pieces, n, may))
		dataconn_lose(dataconn_other(from), "out of memory");
	if (is_held_back(from))
		dataconn_read_or_not(from);
}

void
dataconn_relay_drained(struct dataconn_end *from)
{
	from->in.paused = false;
	wait_for_turn(from);
	dataconn_read_or_not(from);
}

void
dataconn_discard(struct dataconn_end *from)
{
	throttle_leave(from->conn->session->tunnel->throttle, &from->in.flow);
	buf_free(&from->in.held);
}

void
dataconn_relay_init(struct dataconn_end *end)
{
	buf_init(&end->in.held, HELD_MAX);
	end->in.flow.own = &end->conn->session->rate;
	end->in.flow.granted = dataconn_on_granted;
}
