/*
 * A data connection: its two ends.  How each is opened, what its listener and
 * its stream report, and how it is closed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "limits.h"
#include "tunnel/session.h"

static const char closed_words[] = "the connection was closed";

static uint64_t
dataconn_now(const struct dataconn_end *end)
{
	return uv_now(end->conn->session->options->loop);
}

/* ---- closing ---- */

static void
close_stream(struct dataconn_end *end, void (*how)(struct stream *))
{
	/* The check is about the EOF of this stream. */
	if (end->check != NULL)
		side_check_cancel(end->side, end->check);
	end->check = NULL;
	if (end->stream != NULL)
		how(end->stream);
	end->stream = NULL;
	dataconn_discard(end);
	dataconn_discard(dataconn_other(end));
	/* This stops reading from the other end. */
	dataconn_read_or_not(dataconn_other(end));
}

void
dataconn_let_go(struct dataconn_end *end, void (*how)(struct stream *))
{
	side_listener_close(end->listener, true);
	end->listener = NULL;
	close_stream(end, how);
}

void
dataconn_lose(struct dataconn_end *end, const char *why)
{
	close_stream(end, stream_reset);
	dataconn_tell(end, .type = ENGINE_DATA_LOST, .why = why);
}

/* ---- the end of what a peer sends ---- */

/* After its EOF, the peer or sshd has closed the connection, before we had
 * ended our direction.  If there was no traffic for a while before, this may be
 * sshd's ChannelTimeout. */
static void
hint_idle_end(const struct dataconn_end *end)
{
	if (!end->out.shut && end->eof.idle_ms >= LIMIT_IDLE_END_MS &&
	    !end->conn->closed)
		session_hint_idle(end->conn->session, end->peer,
		    "the data connection to", end->state == END_ACCEPTED,
		    end->eof.idle_ms);
}

static void
tell_closed(struct dataconn_end *end)
{
	dataconn_tell(end, .type = ENGINE_DATA_LOST, .ended = true,
	    .why = closed_words);
}

/* Handles an EOF.  clean: it came from the peer; else ssh was killed. */
static void
end_is_clean(void *ctx, bool clean)
{
	struct dataconn_end *end = ctx;
	struct data_eof *eof = &end->eof;
	bool accepted = end->state == END_ACCEPTED, early;

	end->check = NULL;
	if (!clean) {
		dataconn_lose(end, "the SSH connection was lost");
		return;
	}
	if (accepted && end->listener != NULL && end->stream != NULL)
		eof->unproven = !side_end_is_proven(end->listener,
		    eof->after_ours ? NULL : end->stream);
	eof->state = EOF_HANDLED;
	/* Wait again for delivery: if the client was killed, the end of its
	 * control connection may be on the way. */
	if (end->peer == ENGINE_CLIENT && eof->after_ours)
		end->conn->delivery.since = 0;
	if (end->peer == ENGINE_CLIENT && end->out.shut)
		dataconn_watch_delivery(end->conn);
	early = !end->out.shut && end->stream != NULL &&
	    !end->side->sees_delivery && !stream_alive(end->stream);
	if (accepted && early)
		hint_idle_end(end);
	dataconn_tell(end, .type = ENGINE_DATA_EOF,
	    .end_unproven = eof->unproven, .end_early = early,
	    .stalled = eof->doubtful ||
		(accepted && end->in.stalled &&
		    end->in.since_stall <= LIMIT_BEHIND_STALL),
	    .age_ms = dataconn_now(end) - end->up_at);
	if (eof->closed)
		tell_closed(end);
}

void
dataconn_take_eof(struct dataconn_end *end)
{
	enum side_end answer = SIDE_END_CLEAN;

	end->eof.state = EOF_CHECKING;
	end->eof.after_ours = end->out.shut;
	if (end->state == END_ACCEPTED)
		answer = side_check_end(end->listener, end_is_clean, end,
		    &end->check);
	if (answer != SIDE_END_ASKED)
		end_is_clean(end, answer == SIDE_END_CLEAN);
}

static void
dataconn_on_eof(void *ctx)
{
	struct dataconn_end *end = ctx;

	end->eof = (struct data_eof) {
		.state = EOF_HELD,
		.unproven = !stream_end_is_proven(end->stream),
		.doubtful = stream_end_is_doubtful(end->stream),
		.idle_ms = dataconn_now(end) - end->conn->moved_at,
	};
	if (!dataconn_holds(end))
		dataconn_take_eof(end);
}

/* ---- what else a stream reports ---- */

static void
note_up(struct dataconn_end *end, enum dataconn_end_state state)
{
	end->conn->moved_at = dataconn_now(end);
	end->state = state;
	end->up_at = end->conn->moved_at;
}

static void
dataconn_on_opened(void *ctx)
{
	struct dataconn_end *end = ctx;

	note_up(end, END_CONNECTED);
	dataconn_tell(end, .type = ENGINE_DATA_UP);
}

static void
dataconn_on_data(void *ctx, const struct iovec *pieces, size_t n)
{
	struct dataconn_end *from = ctx;

	if (dataconn_other(from)->stream == NULL)
		return;
	from->conn->moved_at = dataconn_now(from);
	dataconn_relay_data(from, pieces, n);
}

static void
dataconn_on_drained(void *ctx)
{
	dataconn_relay_drained(dataconn_other(ctx));
}

/* The peer has closed the connection after its EOF. */
static void
closed_after_eof(struct dataconn_end *end)
{
	hint_idle_end(end);
	stream_close(end->stream);
	end->stream = NULL;
	dataconn_discard(dataconn_other(end));
	dataconn_read_or_not(dataconn_other(end));
	end->eof.closed = end->eof.state == EOF_HELD;
	if (!end->eof.closed)
		tell_closed(end);
}

/* Would another attempt have the same result?  Not if the SSH connection was
 * lost, or something has run out. */
static bool
dataconn_is_refusal(int err)
{
	return err == -ECONNREFUSED || err == -EACCES || err == -EPERM ||
	    err == -EHOSTUNREACH || err == -ENETUNREACH || err == -ETIMEDOUT;
}

/* The host of the data connection to the server: that of the control
 * connection, unless the user trusts the server's reply. */
static const char *
server_host(const struct dataconn_end *end, char text[ADDR_TEXT_MAX])
{
	const struct session *session = end->conn->session;
	const struct addr *to = &end->how.to;

	if (session->options->policy->server_data_host_reply &&
	    to->family != AF_UNSPEC && !addr_is_any(to))
		return addr_format_ip(to, text);
	/* The address, because a name may have several. */
	if (session->server.family != AF_UNSPEC)
		return addr_format_ip(&session->server, text);
	return session->target.host;
}

static void
dataconn_on_closed(void *ctx, int err, const char *why)
{
	struct dataconn_end *end = ctx;
	bool delivered = end->out.shut &&
	    stream_undelivered(end->stream) == 0 &&
	    (dataconn_eof_has_all(&end->eof) || end->side->sees_delivery);
	char text[600], host[ADDR_TEXT_MAX];

	if (err == -ESHUTDOWN) {
		closed_after_eof(end);
		return;
	}
	if (end->peer == ENGINE_SERVER && !dataconn_was_up(end)) {
		snprintf(text, sizeof(text),
		    "the data connection from %s to the server's port %u (at "
		    "%s) failed: %s",
		    end->side->name, end->how.to.port, server_host(end, host),
		    why);
		why = text;
	}
	close_stream(end, stream_close);
	if (delivered)
		dataconn_tell(end, .type = ENGINE_DATA_DELIVERED);
	dataconn_tell(end, .type = ENGINE_DATA_LOST, .why = why,
	    .transient = !dataconn_is_refusal(err));
}

static const struct stream_handler stream_handler = {
	.opened = dataconn_on_opened,
	.data = dataconn_on_data,
	.eof = dataconn_on_eof,
	.drained = dataconn_on_drained,
	.closed = dataconn_on_closed,
};

/* ---- connecting ---- */

static void
start_relay(struct dataconn *conn)
{
	dataconn_read_or_not(&conn->end[ENGINE_CLIENT]);
	dataconn_read_or_not(&conn->end[ENGINE_SERVER]);
}

static void
dataconn_on_dial_failed(uv_timer_t *timer)
{
	struct dataconn *conn = timer->data;

	for (int peer = 0; peer < 2; peer++)
		if (conn->end[peer].state == END_DIAL_FAILED)
			dataconn_tell(&conn->end[peer],
			    .type = ENGINE_DATA_LOST, .transient = true,
			    .why = "the connection cannot be opened at the "
				   "moment");
}

void
dataconn_dial_end(struct dataconn_end *end)
{
	struct dataconn *conn = end->conn;
	/* The address of the control connection on our side (RFC 959 section
	 * 3.3; lftp checks it). */
	const struct addr *from = &conn->session->local[end->peer];
	char text[ADDR_TEXT_MAX];
	struct side_to to = {
		.host = end->peer == ENGINE_CLIENT ?
		    addr_format_ip(&end->how.to, text) :
		    server_host(end, text),
		.port = end->how.to.port,
		.from = from->family == AF_UNSPEC ? NULL : from,
		.use = SIDE_DATA,
		.client = &conn->session->client,
	};

	end->stream = side_dial(end->side, &to, &stream_handler, end);
	end->state = end->stream == NULL ? END_DIAL_FAILED : END_NOT_UP;
	/* To be reported after this function has returned. */
	if (end->state == END_DIAL_FAILED)
		uv_timer_start(&conn->timers[DATACONN_FAILED],
		    dataconn_on_dial_failed, 0, 0);
	start_relay(conn);
}

/* ---- listening ---- */

static void
dataconn_on_listening(void *ctx, const struct addr *v4, const struct addr *v6)
{
	struct dataconn_end *end = ctx;
	const struct session *session = end->conn->session;
	const struct addr *announce = &session->known_as;
	struct engine_data_event event = {
		.type = ENGINE_DATA_LISTENING,
		.v4 = *v4,
		.v6 = *v6,
	};
	struct addr *told;

	end->listening = true;
	end->port = v4->family != AF_UNSPEC ? v4->port : v6->port;
	if (announce->family == AF_UNSPEC)
		announce = &session->options->policy->client_address;
	if (end->peer == ENGINE_CLIENT)
		tunnel_note_data_port(session->tunnel, end->port);
	/* --client-address: the address that the client gets instead. */
	if (end->peer == ENGINE_CLIENT && announce->family != AF_UNSPEC) {
		told = announce->family == AF_INET ? &event.v4 : &event.v6;
		*told = *announce;
		told->port = end->port;
	}
	dataconn_tell_event(end, event);
}

/* Reports that a connection was lost which may have been the expected one.  Its
 * peer may not connect again. */
static void
tell_unknown(struct dataconn_end *end, const char *why)
{
	dataconn_tell(end, .type = ENGINE_DATA_UNKNOWN, .why = why);
}

static void
dataconn_on_vanished(void *ctx)
{
	tell_unknown(ctx, "the data connection was reset at once");
}

/* Does a connection from *peer to *local belong to the session?  If not, logs
 * why. */
static enum policy_answer
dataconn_admit(const struct dataconn_end *end, const struct addr *local,
    const struct addr *peer)
{
	struct session *session = end->conn->session;
	enum policy_answer answer = POLICY_STRANGER;
	char text[ADDR_TEXT_MAX], why[200];

	if (end->peer == ENGINE_SERVER) {
		/* FTP servers make the same check of their clients. */
		if (session->server.family == AF_UNSPEC ||
		    peer->family == AF_UNSPEC ||
		    addr_same_ip(&session->server, peer))
			return POLICY_ADMITTED;
		snprintf(why, sizeof(why),
		    "it does not come from the address of the session's FTP "
		    "server");
	} else {
		answer = policy_admits(session->options->policy,
		    &session->client, local, peer, why, sizeof(why));
	}
	if (answer != POLICY_ADMITTED && session_may_warn(session))
		session_say(session, LOG_LEVEL_WARN,
		    "refused a data connection from %s: %s",
		    addr_format(peer, text), why);
	return answer;
}

static bool
dataconn_on_accepted(void *ctx, struct stream *stream, const struct addr *local,
    const struct addr *peer)
{
	struct dataconn_end *end = ctx;
	struct dataconn *conn = end->conn;
	struct dataconn_end *client = &conn->end[ENGINE_CLIENT];
	enum policy_answer answer = dataconn_admit(end, local, peer);

	if (answer != POLICY_ADMITTED) {
		stream_reset(stream);
		if (answer == POLICY_UNKNOWN)
			tell_unknown(end,
			    "the data connection was closed before its user "
			    "could be looked up");
		return false;
	}
	end->stream = stream;
	note_up(end, END_ACCEPTED);
	stream_set_handler(stream, &stream_handler, end);
	if (end->peer == ENGINE_CLIENT)
		uv_timer_stop(&conn->timers[DATACONN_UNUSED]);
	/* In active mode, connect to the client when the server has. */
	else if (!client->how.listens && client->stream == NULL)
		dataconn_dial_end(client);
	start_relay(conn);
	dataconn_tell(end, .type = ENGINE_DATA_UP);
	return true;
}

/* sshd does not say who connects, so nothing more can be logged. */
static void
dataconn_on_second(void *ctx, const char *place)
{
	struct dataconn_end *end = ctx;
	struct session *session = end->conn->session;
	uint64_t heard_at = session->control[ENGINE_SERVER].heard_at;

	if (session_may_warn(session))
		session_say(session, LOG_LEVEL_WARN,
		    "possible theft of a data connection: refused a second "
		    "connection to %s, where one was expected",
		    place);
	dataconn_tell(end, .type = ENGINE_DATA_SECOND, .why = place,
	    .recent = dataconn_now(end) - heard_at < LIMIT_SECOND_MS);
}

static void
dataconn_on_failed(void *ctx, int err, const char *why)
{
	struct dataconn_end *end = ctx;

	if (!end->listening)
		/* A refusal by sshd is permanent. */
		dataconn_tell(end, .type = ENGINE_DATA_NO_LISTENER, .why = why,
		    .transient = err != -EACCES && err != -EADDRNOTAVAIL &&
			err != -EOPNOTSUPP);
	else if (end->state != END_ACCEPTED)
		dataconn_tell(end, .type = ENGINE_DATA_LOST, .why = why);
	else if (end->stream != NULL && end->eof.state == EOF_NONE)
		/* The stream would report it, but not while it is not read. */
		dataconn_lose(end, why);
}

/*
 * The address of the listener toward a peer.  On sshd's loopback it is never
 * "localhost": sshd might get the port in one family only, without reporting
 * that, while another program has it in the other.
 */
static const char *
dataconn_listens_at(const struct dataconn_end *end, char text[ADDR_TEXT_MAX])
{
	const struct session *session = end->conn->session;
	const char *at = session->listen_at[end->peer];
	const struct addr *local = &session->local[end->peer];

	if (at != NULL)
		return at;
	if (local->family == AF_UNSPEC)
		return end->how.family == AF_INET6 ? "::1" : "127.0.0.1";
	return addr_format_ip(local, text);
}

bool
dataconn_open_end(struct dataconn_end *end)
{
	static const struct side_listener_handler handler = {
		.listening = dataconn_on_listening,
		.accepted = dataconn_on_accepted,
		.vanished = dataconn_on_vanished,
		.second = dataconn_on_second,
		.failed = dataconn_on_failed,
	};
	char text[ADDR_TEXT_MAX];
	struct side_at at = {
		.host = dataconn_listens_at(end, text),
		.client = &end->conn->session->client,
	};

	if (!end->how.listens) {
		if (end->peer == ENGINE_SERVER)
			dataconn_dial_end(end);
		return true;
	}
	if (end->peer == ENGINE_CLIENT) {
		at.ports = end->conn->session->ports;
		at.foreign = end->conn->session->foreign;
	}
	end->listener = side_listen(end->side, &at, &handler, end);
	return end->listener != NULL;
}
