/*
 * A data connection: what it waits for, and how it sees that the client has all
 * of a download.
 */
#include "limits.h"
#include "tunnel/dataconn_priv.h"

/* Delivery has no event: it is asked for, soon and then less often. */
#define DELIVERY_FIRST_MS 1
#define DELIVERY_LAST_MS 64

static void
dataconn_watch_on_timer(uv_timer_t *timer)
{
	struct dataconn *conn = timer->data;

	dataconn_tell(&conn->end[ENGINE_CLIENT], ENGINE_DATA_TIMEOUT);
}

/* Timers run before what has come meanwhile is read; the engine is to know of
 * that first.  On a busy machine, or after a stop, it may be much. */
static void
dataconn_watch_on_timer_due(uv_timer_t *timer)
{
	uv_timer_start(timer, dataconn_watch_on_timer, 1, 0);
}

uint64_t
dataconn_moved(const struct dataconn *conn)
{
	uint64_t sum = 0;

	for (int peer = 0; peer < 2; peer++) {
		sum += conn->end[peer].sent;
		if (conn->end[peer].stream != NULL)
			sum -= stream_undelivered(conn->end[peer].stream);
	}
	return sum;
}

static void watch_quiet(struct dataconn *conn);

static void
dataconn_watch_on_quiet(uv_timer_t *timer)
{
	struct dataconn *conn = timer->data;
	struct end *client = &conn->end[ENGINE_CLIENT];
	bool has_all = client->stream == NULL ||
	    (stream_undelivered(client->stream) == 0 &&
		!dataconn_holds(&conn->end[ENGINE_SERVER]));

	/* A client that pauses, however long, is not the end of a file. */
	if (dataconn_moved(conn) == conn->seen && has_all) {
		dataconn_tell(&conn->end[ENGINE_CLIENT], ENGINE_DATA_IS_QUIET);
		return;
	}
	watch_quiet(conn);
}

/* After a stop ssh, too, may have something that it had no time for: as long
 * again as this timer is late. */
static void
dataconn_watch_on_quiet_due(uv_timer_t *timer)
{
	struct dataconn *conn = timer->data;
	uint64_t late = uv_now(timer->loop) - conn->quiet_due;

	uv_timer_start(timer, dataconn_watch_on_quiet,
	    1 + (late < conn->quiet_ms ? late : conn->quiet_ms), 0);
}

static void
watch_quiet(struct dataconn *conn)
{
	conn->seen = dataconn_moved(conn);
	conn->quiet_due = uv_now(conn->quiet.loop) + conn->quiet_ms;
	uv_timer_start(&conn->quiet, dataconn_watch_on_quiet_due,
	    conn->quiet_ms, 0);
}

/* How long a far client has to end its direction; see limits.h.  Behind our end
 * an SSH server may close the connection without saying whose end that was:
 * then it has passed all on, or the client was killed, which is soon seen. */
static uint64_t
far_delivery_ms(const struct dataconn *conn)
{
	const struct end *client = &conn->end[ENGINE_CLIENT];
	uint64_t sent = client->sent;
	uint64_t ms = conn->end[ENGINE_SERVER].waited_ms;

	if (client->behind_ours && client->end_unproven)
		return LIMIT_UNPROVEN_MS;
	if (sent > LIMIT_FAR_HELD)
		ms = (uint64_t)((double)ms * LIMIT_FAR_HELD / (double)sent);
	if (ms < LIMIT_FAR_DELIVERY_MS)
		return LIMIT_FAR_DELIVERY_MS;
	return ms < LIMIT_FAR_DELIVERY_MAX_MS ? ms : LIMIT_FAR_DELIVERY_MAX_MS;
}

/*
 * Has the client every byte and the end?  On the far side all that is known is
 * that ssh has them; sshd may hold some for a slow client, and lose them with
 * the link.  But nearly every client ends its direction once it has seen the
 * end of ours.  Of one that does not it is assumed after a while.
 */
static bool
is_delivered(struct dataconn *conn, bool *ret_assumed)
{
	const struct end *client = &conn->end[ENGINE_CLIENT];
	uint64_t now = uv_now(conn->delivery.loop);

	*ret_assumed = false;
	if (stream_undelivered(client->stream) > 0)
		return false;
	if (side_sees_delivery(client->side) || client->took_end)
		return true;
	*ret_assumed = true;
	if (conn->taken_at == 0)
		conn->taken_at = now;
	return now - conn->taken_at >= far_delivery_ms(conn);
}

static void
dataconn_watch_on_delivery(uv_timer_t *timer)
{
	struct dataconn *conn = timer->data;
	struct end *client = &conn->end[ENGINE_CLIENT];
	bool assumed;

	if (client->stream == NULL)
		return;
	if (is_delivered(conn, &assumed)) {
		dataconn_tell_delivered(client, assumed);
		return;
	}
	if (conn->delivery_ms < DELIVERY_LAST_MS)
		conn->delivery_ms *= 2;
	uv_timer_start(timer, dataconn_watch_on_delivery, conn->delivery_ms, 0);
}

static void
dataconn_watch_on_unused(uv_timer_t *timer)
{
	struct dataconn *conn = timer->data;
	struct end *client = &conn->end[ENGINE_CLIENT];

	side_listener_close(client->listener, false);
	client->listener = NULL;
	dataconn_tell_lost(client, "nobody connected");
}

void
dataconn_watch_delivery(struct dataconn *conn)
{
	conn->delivery_ms = DELIVERY_FIRST_MS;
	uv_timer_start(&conn->delivery, dataconn_watch_on_delivery, 0, 0);
}

void
dataconn_watch_unused(struct dataconn *conn)
{
	uv_timer_start(&conn->unused, dataconn_watch_on_unused,
	    LIMIT_LISTENER_MS, 0);
}

void
dataconn_timer(struct dataconn *conn, uint64_t ms)
{
	if (ms == 0)
		uv_timer_stop(&conn->timer);
	else
		uv_timer_start(&conn->timer, dataconn_watch_on_timer_due, ms,
		    0);
}

void
dataconn_framing(struct dataconn *conn, enum framing framing)
{
	framing_init(&conn->end[ENGINE_CLIENT].framing, framing);
	framing_init(&conn->end[ENGINE_SERVER].framing, framing);
}

void
dataconn_quiet(struct dataconn *conn, uint64_t ms)
{
	conn->quiet_ms = ms;
	if (ms == 0)
		uv_timer_stop(&conn->quiet);
	else
		watch_quiet(conn);
}
