/*
 * A data connection: how it is made and closed, the engine's actions, and the
 * events that the engine gets.
 */
#include <stdlib.h>
#include <string.h>

#include "limits.h"
#include "tunnel/session.h"

struct dataconn *
dataconn_find(const struct session *session, uint32_t number)
{
	struct dataconn *conn;

	LIST_FOREACH (conn, &session->data, link)
		if (conn->number == number)
			break;
	return conn;
}

/* ---- events ---- */

/* The client sees only that it cannot connect; the log says why. */
static void
log_failed_dial(const struct dataconn_end *end, const char *why)
{
	struct session *session = end->conn->session;
	char escaped[LOG_ESCAPED_MAX];

	log_escape(escaped, sizeof(escaped), why, strlen(why));
	/* If the data connection is unproven, the engine logs the reason. */
	if (end->conn->unproven)
		session_say(session, LOG_LEVEL_VERBOSE, "%s", escaped);
	else if (session_may_warn(session))
		session_say(session, LOG_LEVEL_WARN, "%s", escaped);
}

static void
tell_engine(struct dataconn *conn, struct engine_data_event *event)
{
	const struct stream *to_server = conn->end[ENGINE_SERVER].stream;

	event->data = conn->number;
	event->to_client = conn->end[ENGINE_CLIENT].out.sent;
	event->to_server = conn->end[ENGINE_SERVER].out.sent;
	event->unsent = to_server != NULL ? stream_queued(to_server) : 0;
	engine_data(conn->session->engine, event);
}

void
dataconn_tell_event(struct dataconn_end *end, struct engine_data_event event)
{
	struct dataconn *conn = end->conn;

	if (conn->closed)
		return;
	if (event.type == ENGINE_DATA_LOST && end->peer == ENGINE_SERVER &&
	    !dataconn_was_up(end))
		log_failed_dial(end, event.why);
	event.peer = end->peer;
	tell_engine(conn, &event);
	session_pump(conn->session);
}

void
dataconn_tell_counts(struct session *session)
{
	struct engine_data_event event = { .type = ENGINE_DATA_MOVED };
	struct dataconn *conn;

	LIST_FOREACH (conn, &session->data, link)
		tell_engine(conn, &event);
}

/* ---- its life ---- */

static bool
dataconn_open_ends(struct dataconn *conn)
{
	return dataconn_open_end(&conn->end[ENGINE_CLIENT]) &&
	    dataconn_open_end(&conn->end[ENGINE_SERVER]);
}

static void
init_end(struct dataconn *conn, enum engine_peer peer,
    const struct engine_data_end *how)
{
	struct dataconn_end *end = &conn->end[peer];

	end->conn = conn;
	end->peer = peer;
	end->side = side_for_data(conn->session->side[peer],
	    conn->session->control[peer].stream);
	end->how = *how;
	sha256_init(&end->out.digest);
	dataconn_relay_init(end);
}

static struct dataconn *
dataconn_new(struct session *session, const struct engine_action *action)
{
	struct dataconn *conn = calloc(1, sizeof(*conn));

	if (conn == NULL)
		return NULL;
	conn->session = session;
	conn->number = action->data;
	conn->unproven = action->unproven;
	for (int i = 0; i < DATACONN_TIMERS; i++) {
		uv_timer_init(session->options->loop, &conn->timers[i]);
		conn->timers[i].data = conn;
		conn->open_timers++;
	}
	init_end(conn, ENGINE_CLIENT, &action->client);
	init_end(conn, ENGINE_SERVER, &action->server);
	LIST_INSERT_HEAD(&session->data, conn, link);
	return conn;
}

void
dataconn_open(struct session *session, const struct engine_action *action)
{
	struct engine_data_event failed = {
		.type = ENGINE_DATA_NO_LISTENER,
		.peer = action->client.listens ? ENGINE_CLIENT : ENGINE_SERVER,
		.data = action->data,
		.why = "out of memory",
		.transient = true,
	};
	struct dataconn *conn = dataconn_new(session, action);

	if (conn != NULL && dataconn_open_ends(conn)) {
		if (action->client.listens)
			dataconn_watch_unused(conn);
		return;
	}
	if (conn != NULL)
		dataconn_close(conn, NULL);
	if (!action->client.listens && !action->server.listens)
		failed.type = ENGINE_DATA_LOST;
	engine_data(session->engine, &failed);
}

static void
dataconn_on_timer_closed(uv_handle_t *handle)
{
	struct dataconn *conn = handle->data;

	if (--conn->open_timers == 0)
		free(conn);
}

void
dataconn_close(struct dataconn *conn, const struct engine_action *action)
{
	conn->closed = true;
	LIST_REMOVE(conn, link);
	transfer_forget(&conn->transfer);
	dataconn_let_go(&conn->end[ENGINE_CLIENT], stream_finish);
	dataconn_let_go(&conn->end[ENGINE_SERVER], stream_close);
	for (int i = 0; i < DATACONN_TIMERS; i++)
		uv_close((uv_handle_t *)&conn->timers[i],
		    dataconn_on_timer_closed);
}

/* ---- the engine's actions ---- */

void
dataconn_dial(struct dataconn *conn, const struct engine_action *action)
{
	struct dataconn_end *client = &conn->end[ENGINE_CLIENT];

	if (client->stream == NULL && !dataconn_was_up(client))
		dataconn_dial_end(client);
}

void
dataconn_framing(struct dataconn *conn, const struct engine_action *action)
{
	framing_init(&conn->end[ENGINE_CLIENT].in.framing, action->framing);
	framing_init(&conn->end[ENGINE_SERVER].in.framing, action->framing);
}

void
dataconn_read_on(struct dataconn *conn, const struct engine_action *action)
{
	struct dataconn_end *end = &conn->end[action->peer];

	end->in.slack = LIMIT_ABORT_SLACK;
	dataconn_read_or_not(end);
}

void
dataconn_ending(struct dataconn *conn, const struct engine_action *action)
{
	struct dataconn_end *end = &conn->end[action->peer];

	if (end->stream != NULL)
		stream_announce_end(end->stream);
}

void
dataconn_shut(struct dataconn *conn, const struct engine_action *action)
{
	struct dataconn_end *end = &conn->end[action->peer];

	if (end->stream == NULL)
		return;
	end->out.shut = true;
	/* If bytes of the other end still wait for the rate, the transfer is
	 * aborted. */
	dataconn_discard(dataconn_other(end));
	stream_shutdown(end->stream);
	if (end->peer == ENGINE_CLIENT)
		dataconn_watch_delivery(conn);
}

void
dataconn_drop(struct dataconn *conn, const struct engine_action *action)
{
	dataconn_let_go(&conn->end[action->peer], stream_close);
}

void
dataconn_reset(struct dataconn *conn, const struct engine_action *action)
{
	dataconn_let_go(&conn->end[action->peer], stream_reset);
}
