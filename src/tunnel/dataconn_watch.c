/*
 * A data connection: its timers, and how culvert finds out that the client has
 * all of a download.
 */
#include <errno.h>
#include <string.h>

#include "limits.h"
#include "tunnel/session.h"

/* No event reports delivery, so it is polled, at intervals that double. */
#define DELIVERY_FIRST_MS 1
#define DELIVERY_LAST_MS 64

/* ---- ENGINE_DATA_TIMER ---- */

static void
dataconn_watch_on_timer(uv_timer_t *timer)
{
	struct dataconn *conn = timer->data;

	if (session_is_paused(conn->session)) {
		uv_timer_start(timer, dataconn_watch_on_timer, SESSION_PAUSE_MS,
		    0);
		return;
	}
	session_notice_dead_client(conn->session);
	dataconn_tell(&conn->end[ENGINE_CLIENT], .type = ENGINE_DATA_TIMEOUT);
}

/* The loop runs a timer that is due before it reads what has come meanwhile.
 * On a busy machine, or after SIGSTOP, that may be much, and the engine must
 * get it before the time-out.  So the timer runs once more, for 1 ms. */
static void
dataconn_watch_on_timer_due(uv_timer_t *timer)
{
	uv_timer_start(timer, dataconn_watch_on_timer, 1, 0);
}

void
dataconn_timer(struct dataconn *conn, const struct engine_action *action)
{
	uv_timer_t *timer = &conn->timers[DATACONN_ENGINE];

	if (action->ms == 0)
		uv_timer_stop(timer);
	else
		uv_timer_start(timer, dataconn_watch_on_timer_due, action->ms,
		    0);
}

/* ---- ENGINE_DATA_QUIET ---- */

uint64_t
dataconn_moved(const struct dataconn *conn)
{
	uint64_t sum = 0;

	for (int peer = 0; peer < 2; peer++) {
		sum += conn->end[peer].out.sent;
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
	struct dataconn_end *client = &conn->end[ENGINE_CLIENT];
	bool has_all = client->stream == NULL ||
	    (stream_undelivered(client->stream) == 0 &&
		!dataconn_holds(&conn->end[ENGINE_SERVER]));

	/* A client that has not read everything may only be pausing. */
	if (dataconn_moved(conn) == conn->quiet.moved && has_all &&
	    !session_is_paused(conn->session))
		dataconn_tell(client, .type = ENGINE_DATA_IS_QUIET);
	else
		watch_quiet(conn);
}

/* If this timer is late, ssh may have been stopped, too, and must still read
 * what has come: wait once more, for as long as the timer is late. */
static void
dataconn_watch_on_quiet_due(uv_timer_t *timer)
{
	struct dataconn *conn = timer->data;
	uint64_t late = uv_now(timer->loop) - conn->quiet.due;

	uv_timer_start(timer, dataconn_watch_on_quiet,
	    1 + (late < conn->quiet.ms ? late : conn->quiet.ms), 0);
}

static void
watch_quiet(struct dataconn *conn)
{
	uv_timer_t *timer = &conn->timers[DATACONN_QUIET];

	conn->quiet.moved = dataconn_moved(conn);
	conn->quiet.due = uv_now(timer->loop) + conn->quiet.ms;
	uv_timer_start(timer, dataconn_watch_on_quiet_due, conn->quiet.ms, 0);
}

void
dataconn_quiet(struct dataconn *conn, const struct engine_action *action)
{
	conn->quiet.ms = action->ms;
	if (action->ms == 0)
		uv_timer_stop(&conn->timers[DATACONN_QUIET]);
	else
		watch_quiet(conn);
}

/* ---- delivery ---- */

/* How long culvert waits for a far client to end its direction: see limits.h.
 * If the SSH server closes the connection after our EOF, but sends no EOF, it
 * has passed everything on, or the client was killed.  In the latter case the
 * control connection soon ends, too. */
static uint64_t
far_delivery_ms(const struct dataconn *conn)
{
	const struct dataconn_end *client = &conn->end[ENGINE_CLIENT];
	uint64_t sent = client->out.sent;
	uint64_t ms = conn->end[ENGINE_SERVER].in.waited_ms;

	if (client->eof.after_ours && client->eof.unproven)
		return LIMIT_UNPROVEN_MS;
	if (sent > LIMIT_FAR_HELD)
		ms = (uint64_t)((double)ms * LIMIT_FAR_HELD / (double)sent);
	if (ms < LIMIT_FAR_DELIVERY_MS)
		return LIMIT_FAR_DELIVERY_MS;
	return ms < LIMIT_FAR_DELIVERY_MAX_MS ? ms : LIMIT_FAR_DELIVERY_MAX_MS;
}

/*
 * Does the client have every byte and the EOF?  Of a far client it is only
 * known that ssh has them; sshd may hold some for a slow client, and lose them
 * with the link.  But nearly every client ends its direction once it has seen
 * our EOF.  If a client does not, delivery is assumed after a while.
 */
static bool
is_delivered(struct dataconn *conn, bool *ret_assumed)
{
	const struct dataconn_end *client = &conn->end[ENGINE_CLIENT];
	uint64_t now = uv_now(conn->session->options->loop);

	*ret_assumed = false;
	if (stream_undelivered(client->stream) > 0)
		return false;
	if (client->side->sees_delivery || dataconn_eof_has_all(&client->eof))
		return true;
	*ret_assumed = true;
	if (conn->delivery.since == 0)
		conn->delivery.since = now;
	return now - conn->delivery.since >= far_delivery_ms(conn);
}

static void
dataconn_watch_on_delivery(uv_timer_t *timer)
{
	struct dataconn *conn = timer->data;
	struct dataconn_end *client = &conn->end[ENGINE_CLIENT];
	bool assumed;

	if (client->stream == NULL)
		return;
	if (is_delivered(conn, &assumed)) {
		dataconn_tell(client, .type = ENGINE_DATA_DELIVERED,
		    .assumed = assumed);
		return;
	}
	/* If both directions had ended, nothing else reports a reset. */
	if (client->side->sees_delivery && !stream_alive(client->stream)) {
		dataconn_lose(client, strerror(ECONNRESET));
		return;
	}
	if (conn->delivery.ms < DELIVERY_LAST_MS)
		conn->delivery.ms *= 2;
	uv_timer_start(timer, dataconn_watch_on_delivery, conn->delivery.ms, 0);
}

void
dataconn_watch_delivery(struct dataconn *conn)
{
	conn->delivery.ms = DELIVERY_FIRST_MS;
	uv_timer_start(&conn->timers[DATACONN_DELIVERY],
	    dataconn_watch_on_delivery, 0, 0);
}

/* ---- a listener that nobody uses ---- */

static void
dataconn_watch_on_unused(uv_timer_t *timer)
{
	struct dataconn *conn = timer->data;
	struct dataconn_end *client = &conn->end[ENGINE_CLIENT];

	side_listener_close(client->listener, false);
	client->listener = NULL;
	dataconn_tell(client, .type = ENGINE_DATA_LOST,
	    .why = "nobody connected");
}

void
dataconn_watch_unused(struct dataconn *conn)
{
	uv_timer_start(&conn->timers[DATACONN_UNUSED], dataconn_watch_on_unused,
	    LIMIT_LISTENER_MS, 0);
}
