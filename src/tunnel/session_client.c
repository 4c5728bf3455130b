/*
 * A client that has gone.  The server may never notice, or be silent for ever;
 * the session must end all the same.
 *
 * A socket that is read says by itself that it was reset.  One whose peer has
 * ended its direction, or that is not read since the server does not keep up,
 * says nothing: so it is looked at from time to time.
 *
 *	it was reset		the client is lost
 *	its owner has closed	so it is when nothing has moved since the last
 *	it (loopback only)	look: its data connections may be others'
 *	it has half-closed	so it is when nothing has moved for long, as
 *				scripts with nc do and wait for their replies
 *	it is not read		the same: its end would be behind what it has
 *				sent, and sshd may not tell that of a far one
 *
 * What moves: replies of the server, and bytes of data connections.  TCP's
 * keepalive makes a reset of a client on another host that has closed, or is
 * no more (RFC 1122 section 4.2.3.6).
 */
#include "tunnel/session_priv.h"

/* What stays the same while nothing moves and no data connection begins or
 * ends. */
static uint64_t
progress_of(const struct session *session)
{
	uint64_t sum = session->control[ENGINE_SERVER].heard_at;
	const struct dataconn *conn;

	LIST_FOREACH (conn, &session->data, link)
		sum += dataconn_moved(conn) + conn->number;
	return sum;
}

static bool
has_progress(struct session *session)
{
	uint64_t progress = progress_of(session);

	if (progress == session->progress)
		return false;
	session->progress = progress;
	session->progress_at = uv_now(session->options->loop);
	return true;
}

void
session_client_look(struct session *session)
{
	const struct control *client = &session->control[ENGINE_CLIENT];
	uint64_t quiet_ms, limit_ms = LIMIT_HALF_CLOSED_MS;
	static const char ended[] =
	    "it has half-closed the control connection, and no data move any "
	    "more";
	static const char unread[] =
	    "it has sent more than the server reads, and no data move any "
	    "more";

	if (client->stream != NULL && !stream_alive(client->stream)) {
		session_client_lost(session, "its control connection is dead");
		return;
	}
	if (has_progress(session))
		return;
	/* Without a stream it reads no more of what it is sent. */
	if (client->stream == NULL ||
	    policy_has_closed(session->options->policy, &session->client)) {
		session_client_lost(session,
		    "it has closed its control connection");
		return;
	}
	/* Who is not read may live, and drain waits for its transfer. */
	if (session->drain_why[0] != '\0' && client->ended)
		limit_ms = LIMIT_DRAIN_MS;
	quiet_ms = uv_now(session->options->loop) - session->progress_at;
	if (quiet_ms >= limit_ms)
		session_client_lost(session, client->ended ? ended : unread);
}

void
session_client_watch(struct session *session)
{
	const struct control *client = &session->control[ENGINE_CLIENT];
	uv_timer_t *timer = &session->timers[CLOCK_CLIENT];

	if (client->lost || (!client->ended && !client->unread)) {
		uv_timer_stop(timer);
	} else if (!uv_is_active((uv_handle_t *)timer)) {
		has_progress(session);
		session->progress_at = uv_now(session->options->loop);
		session_clock_set(session, CLOCK_CLIENT, LIMIT_CLIENT_LOOK_MS,
		    LIMIT_CLIENT_LOOK_MS);
	}
}

void
session_notice_dead_client(struct session *session)
{
	const struct control *client = &session->control[ENGINE_CLIENT];

	if (client->stream != NULL && client->ended &&
	    !stream_alive(client->stream))
		engine_lost(session->engine, ENGINE_CLIENT, "reset");
}
