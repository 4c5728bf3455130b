/*
 * A client that has gone.  The server may never notice, or never say anything;
 * the session must end nevertheless.
 *
 * A socket that is read reports a reset.  A socket whose peer has ended its
 * direction, or that is not read because the server is too slow, reports
 * nothing.  So culvert looks at it from time to time, and the client counts as
 * gone if its connection
 *
 *	was reset		at once
 *	was closed by the	if nothing has moved since the last look: its
 *	client (loopback only)	data connections may belong to another process
 *	was half-closed		if nothing has moved for a long time: scripts
 *				with nc half-close it, and wait for replies
 *	is not read		the same: its EOF comes after what it has sent,
 *				and sshd may not report a far client's reset
 *
 * What moves are replies of the server, and bytes of data connections.  If a
 * client on another host has closed or has vanished, TCP's keepalive resets its
 * connection (RFC 1122 section 4.2.3.6).
 */
#include "tunnel/session.h"

/* A number that stays the same while nothing moves and no data connection is
 * opened or closed. */
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

	if (progress == session->progress.sum)
		return false;
	session->progress.sum = progress;
	session->progress.at = uv_now(session->options->loop);
	return true;
}

void
session_client_look(struct session *session)
{
	const struct control *client = &session->control[ENGINE_CLIENT];
	uint64_t quiet_ms, limit_ms = LIMIT_HALF_CLOSED_MS;
	static const char ended[] =
	    "it half-closed the control connection, and no data is transferred "
	    "any more";
	static const char unread[] =
	    "it sent more commands than the server reads, and no data is "
	    "transferred any more";

	if (client->stream != NULL && !stream_alive(client->stream)) {
		session_client_lost(session, "its control connection is dead");
		return;
	}
	if (has_progress(session))
		return;
	/* The stream was closed if the client does not read any more. */
	if (client->stream == NULL ||
	    policy_has_closed(session->options->policy, &session->client)) {
		session_client_lost(session,
		    "it has closed its control connection");
		return;
	}
	/* Draining waits for a client that is not read: it may be alive, and
	 * its transfer may be running. */
	if (session->drain_why[0] != '\0' && client->ended)
		limit_ms = LIMIT_DRAIN_MS;
	quiet_ms = uv_now(session->options->loop) - session->progress.at;
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
		session->progress.at = uv_now(session->options->loop);
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
