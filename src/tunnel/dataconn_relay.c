/*
 * A data connection: what comes from one end goes to the other, at its rate.
 * What one end has sent and may not go on yet is held, and that end is not read
 * meanwhile; so its own TCP connection, or its window, holds it back.  It is at
 * most what one read takes, but after ABOR, when LIMIT_ABORT_SLACK more is read
 * to no purpose but to free the server.
 */
#include "tunnel/dataconn_priv.h"

#include <errno.h>
#include <stddef.h>

#include "limits.h"

/* What comes at once is no more than STREAM_PIECES packets of a channel, or
 * LIMIT_READ_CHUNK of a socket, which is less. */
#define HELD_MAX (LIMIT_ABORT_SLACK + 2 * STREAM_PIECES * LIMIT_CHANNEL_PACKET)

static struct end *
dataconn_relay_other(struct end *end)
{
	return &end->conn->end[end->peer == ENGINE_CLIENT ? ENGINE_SERVER :
							    ENGINE_CLIENT];
}

/* Nothing may be missing in the middle: what cannot be sent on is a cut. */
void
dataconn_relay(struct end *from, const struct iovec *pieces, size_t n)
{
	struct end *to = dataconn_relay_other(from);
	size_t len = stream_len(pieces, n), ends = 0;
	int err = stream_writev(to->stream, pieces, n);

	if (err != 0) {
		if (err != -EPIPE)
			dataconn_lose(to, "out of memory");
		return; /* after -EPIPE closed() says why */
	}
	to->sent += len;
	to->conn->count[to->peer] += len;
	for (size_t i = 0; i < n && to->conn->digests; i++)
		sha256_update(&to->digest, pieces[i].iov_len,
		    pieces[i].iov_base);
	if (stream_queued(to->stream) > LIMIT_HIGH_WATER)
		from->paused = true;
	for (size_t i = 0; i < n; i++)
		ends += framing_feed(&from->framing, pieces[i].iov_base,
		    pieces[i].iov_len);
	if (ends > 0)
		dataconn_tell_file_end(from, ends);
}

void
dataconn_count_wait(struct end *end)
{
	bool waits = end->paused || dataconn_holds(end);
	uint64_t now = uv_now(end->conn->timer.loop);

	if (waits && end->waits_at == 0)
		end->waits_at = now;
	if (waits || end->waits_at == 0)
		return;
	end->waited_ms += now - end->waits_at;
	if (now - end->waits_at >= LIMIT_IDLE_END_MS) {
		end->stalled = true;
		end->since = 0;
	}
	end->waits_at = 0;
}

/* ---- the rate ---- */

bool
dataconn_holds(const struct end *from)
{
	return buf_len(&from->held) > 0;
}

void
dataconn_rate_drop(struct end *from)
{
	if (from->conn->throttle != NULL)
		throttle_leave(from->conn->throttle, &from->flow);
	buf_free(&from->held);
}

/* Waits for its turn, unless the other end is too slow. */
void
dataconn_rate_go_on(struct end *from)
{
	struct throttle *throttle = from->conn->throttle;

	if (!dataconn_holds(from))
		return;
	if (from->paused)
		throttle_leave(throttle, &from->flow);
	else
		throttle_wait(throttle, &from->flow, buf_len(&from->held));
}

/* So much of what is held may go. */
static void
dataconn_relay_on_granted(struct rate_flow *flow, size_t bytes)
{
	struct end *from =
	    (struct end *)(void *)((char *)flow - offsetof(struct end, flow));
	struct iovec piece = {
		(void *)(uintptr_t)buf_bytes(&from->held),
		bytes,
	};

	dataconn_relay(from, &piece, 1);
	/* An end that has gone has taken with it what was held. */
	if (!dataconn_holds(from))
		return;
	buf_consume(&from->held, bytes);
	dataconn_rate_go_on(from);
	if (!dataconn_holds(from))
		dataconn_released(from);
}

/* The first len bytes of the pieces; their number. */
static size_t
cut_pieces(struct iovec *to, const struct iovec *from, size_t n, size_t len)
{
	size_t i = 0;

	for (; i < n && len > 0; i++) {
		to[i] = from[i];
		if (to[i].iov_len > len)
			to[i].iov_len = len;
		len -= to[i].iov_len;
	}
	return i;
}

/* Holds all of the pieces behind their first skip bytes. */
static bool
dataconn_relay_hold(struct end *from, const struct iovec *pieces, size_t n,
    size_t skip)
{
	for (size_t i = 0; i < n; i++) {
		size_t over =
		    skip < pieces[i].iov_len ? skip : pieces[i].iov_len;

		skip -= over;
		if (over < pieces[i].iov_len &&
		    buf_append(&from->held,
			(const uint8_t *)pieces[i].iov_base + over,
			pieces[i].iov_len - over) != 0)
			return false;
	}
	return true;
}

bool
dataconn_rate_data(struct end *from, const struct iovec *pieces, size_t n)
{
	struct iovec now[STREAM_PIECES];
	size_t len = stream_len(pieces, n), may = 0;

	if (!dataconn_holds(from))
		may = throttle_take(from->conn->throttle, &from->flow, len);
	if (may < len && !dataconn_relay_hold(from, pieces, n, may))
		return false;
	if (may > 0)
		dataconn_relay(from, now, cut_pieces(now, pieces, n, may));
	dataconn_rate_go_on(from);
	return true;
}

void
dataconn_rate_init(struct dataconn *conn, struct throttle *throttle,
    struct rate *session)
{
	conn->throttle = throttle;
	for (int peer = 0; peer < 2; peer++) {
		buf_init(&conn->end[peer].held, HELD_MAX);
		conn->end[peer].flow.own = session;
		conn->end[peer].flow.granted = dataconn_relay_on_granted;
	}
}
