/*
 * A data connection: two ends and the relay between them.
 */
#include "tunnel/dataconn_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "limits.h"

static const char closed_words[] = "the connection was closed";

static struct end *
dataconn_other(struct end *end)
{
	return &end->conn->end[end->peer == ENGINE_CLIENT ? ENGINE_SERVER :
							    ENGINE_CLIENT];
}

/* ---- the relay ---- */

static bool
is_held_back(const struct end *end)
{
	return end->paused || dataconn_holds(end);
}

static void
dataconn_read_or_not(struct end *end)
{
	dataconn_count_wait(end);
	if (end->stream == NULL)
		return;
	if ((end->slack == 0 && is_held_back(end)) || end->ended ||
	    dataconn_other(end)->stream == NULL)
		stream_read_stop(end->stream);
	else
		stream_read_start(end->stream);
}

static void
drop_held(struct dataconn *conn)
{
	dataconn_rate_drop(&conn->end[ENGINE_CLIENT]);
	dataconn_rate_drop(&conn->end[ENGINE_SERVER]);
}

/* The answer would be about a stream that is gone. */
static void
dataconn_cancel_check(struct end *end)
{
	if (end->check != NULL)
		side_check_cancel(end->side, end->check);
	end->check = NULL;
}

/* This end is dead: whoever is there sees a reset. */
void
dataconn_lose(struct end *end, const char *why)
{
	dataconn_cancel_check(end);
	stream_reset(end->stream);
	end->stream = NULL;
	drop_held(end->conn);
	dataconn_read_or_not(dataconn_other(end));
	dataconn_tell_lost(end, why);
}

static void
note_moved(struct dataconn *conn)
{
	conn->moved_at = uv_now(conn->timer.loop);
}

static void
note_up(struct end *end)
{
	note_moved(end->conn);
	end->was_up = true;
	end->up_at = end->conn->moved_at;
}

static void
dataconn_on_data(void *ctx, const struct iovec *pieces, size_t n)
{
	struct end *from = ctx, *to = dataconn_other(from);
	size_t len = stream_len(pieces, n);

	if (to->stream == NULL)
		return;
	if (is_held_back(from))
		from->slack -= from->slack < len ? from->slack : len;
	note_moved(from->conn);
	from->since += len;
	if (from->conn->throttle == NULL)
		dataconn_relay(from, pieces, n);
	else if (!dataconn_rate_data(from, pieces, n))
		dataconn_lose(to, "out of memory");
	if (is_held_back(from))
		dataconn_read_or_not(from);
}

static void
dataconn_on_drained(void *ctx)
{
	struct end *to = ctx, *from = dataconn_other(to);

	from->paused = false;
	dataconn_rate_go_on(from);
	dataconn_read_or_not(from);
}

static void
end_is_clean(void *ctx, bool clean)
{
	struct end *end = ctx;

	end->check = NULL;
	if (!clean) {
		dataconn_lose(end, "the SSH connection was lost");
		return;
	}
	if (end->accepted && end->listener != NULL && end->stream != NULL)
		end->end_unproven = !side_end_is_proven(end->listener,
		    end->behind_ours ? NULL : end->stream);
	end->took_end = end->behind_ours && !end->end_unproven;
	/* Of its control connection the end may be on the way. */
	if (end->peer == ENGINE_CLIENT && end->behind_ours)
		end->conn->taken_at = 0;
	if (end->peer == ENGINE_CLIENT && end->shut)
		dataconn_watch_delivery(end->conn);
	end->end_early = !end->shut && end->stream != NULL &&
	    !side_sees_delivery(end->side) && !stream_alive(end->stream);
	if (end->accepted && end->end_early)
		dataconn_tell_idle_end(end);
	dataconn_tell_eof(end);
	if (end->closed_behind)
		dataconn_tell_ended(end, closed_words);
}

static void
take_end(struct end *end)
{
	enum side_end answer = SIDE_END_CLEAN;

	end->behind_ours = end->shut;
	if (end->accepted)
		answer = side_check_end(end->listener, end_is_clean, end,
		    &end->check);
	if (answer != SIDE_END_ASKED)
		end_is_clean(end, answer == SIDE_END_CLEAN);
}

static void
dataconn_on_eof(void *ctx)
{
	struct end *end = ctx;

	end->ended = true;
	end->idle_ms = uv_now(end->conn->timer.loop) - end->conn->moved_at;
	end->end_unproven = !stream_end_is_proven(end->stream);
	end->end_doubtful = stream_end_is_doubtful(end->stream);
	end->end_held = dataconn_holds(end);
	if (!end->end_held)
		take_end(end);
}

void
dataconn_released(struct end *from)
{
	bool ended = from->end_held;

	from->end_held = false;
	dataconn_count_wait(from);
	if (ended)
		take_end(from);
	else
		dataconn_read_or_not(from);
}

static void
dataconn_on_opened(void *ctx)
{
	struct end *end = ctx;

	note_up(end);
	dataconn_tell(end, ENGINE_DATA_UP);
}

/* The host of the control connection, unless the user trusts the reply's. */
static const char *
server_host(const struct end *end, char text[ADDR_TEXT_MAX])
{
	const struct addr *to = &end->how.to;

	if (!end->conn->dial_reply || to->family == AF_UNSPEC ||
	    addr_is_any(to))
		return end->conn->server_host;
	return addr_format_ip(to, text);
}

/* Does who dials again get the same answer?  Not so when the SSH connection was
 * lost, or something has run out. */
static bool
dataconn_is_refusal(int err)
{
	return err == -ECONNREFUSED || err == -EACCES || err == -EPERM ||
	    err == -EHOSTUNREACH || err == -ENETUNREACH || err == -ETIMEDOUT;
}

/* Behind its end, of which the engine is told first. */
static void
end_closed(struct end *end)
{
	stream_close(end->stream);
	end->stream = NULL;
	dataconn_rate_drop(dataconn_other(end));
	dataconn_read_or_not(dataconn_other(end));
	end->closed_behind = end->end_held;
	if (!end->end_held)
		dataconn_tell_ended(end, closed_words);
}

static void
dataconn_on_closed(void *ctx, int err, const char *why)
{
	struct end *end = ctx;
	bool delivered = end->shut && stream_undelivered(end->stream) == 0 &&
	    (end->took_end || side_sees_delivery(end->side));
	char text[600], host[ADDR_TEXT_MAX];
	struct engine_data_event event = {
		.type = ENGINE_DATA_LOST,
		.peer = end->peer,
		.passing = !dataconn_is_refusal(err),
	};

	if (err == -ESHUTDOWN) {
		dataconn_tell_idle_end(end);
		end_closed(end);
		return;
	}
	if (end->peer == ENGINE_SERVER && !end->was_up) {
		snprintf(text, sizeof(text),
		    "the data connection from %s to the server's port %u (at "
		    "%s) failed: %s",
		    side_name(end->side), end->how.to.port,
		    server_host(end, host), why);
		why = text;
	}
	dataconn_cancel_check(end);
	stream_close(end->stream);
	end->stream = NULL;
	drop_held(end->conn);
	dataconn_read_or_not(dataconn_other(end));
	if (delivered)
		dataconn_tell_delivered(end, false);
	event.why = why;
	dataconn_emit(end->conn, &event);
}

static const struct stream_handler stream_handler = {
	.opened = dataconn_on_opened,
	.data = dataconn_on_data,
	.eof = dataconn_on_eof,
	.drained = dataconn_on_drained,
	.closed = dataconn_on_closed,
};

/* ---- the ends ---- */

/* All of the callbacks come from the loop. */
static void
dataconn_on_dial_failed(uv_timer_t *timer)
{
	struct dataconn *conn = timer->data;

	struct engine_data_event event = {
		.type = ENGINE_DATA_LOST,
		.passing = true,
		.why = "the connection cannot be made now",
	};

	for (int peer = 0; peer < 2; peer++) {
		event.peer = (enum engine_peer)peer;
		if (conn->end[peer].undialled)
			dataconn_emit(conn, &event);
	}
}

static void
start_relay(struct dataconn *conn)
{
	dataconn_read_or_not(&conn->end[ENGINE_CLIENT]);
	dataconn_read_or_not(&conn->end[ENGINE_SERVER]);
}

static void
dataconn_dial_end(struct end *end)
{
	char text[ADDR_TEXT_MAX];
	struct side_to to = {
		.host = end->peer == ENGINE_CLIENT ?
		    addr_format_ip(&end->how.to, text) :
		    server_host(end, text),
		.port = end->how.to.port,
		.from = end->from.family == AF_UNSPEC ? NULL : &end->from,
		.use = SIDE_DATA,
	};

	end->stream = side_dial(end->side, &to, &stream_handler, end);
	end->undialled = end->stream == NULL;
	if (end->undialled)
		uv_timer_start(&end->conn->failed, dataconn_on_dial_failed, 0,
		    0);
	start_relay(end->conn);
}

/* What the user has said the client is to be told instead. */
static void
put_announced(const struct dataconn *conn, struct engine_data_event *event)
{
	uint16_t port =
	    event->v4.family != AF_UNSPEC ? event->v4.port : event->v6.port;
	struct addr *addr =
	    conn->announce.family == AF_INET ? &event->v4 : &event->v6;

	*addr = conn->announce;
	addr->port = port;
}

static void
dataconn_on_listening(void *ctx, const struct addr *v4, const struct addr *v6)
{
	struct end *end = ctx;
	struct engine_data_event event = {
		.type = ENGINE_DATA_LISTENING,
		.peer = end->peer,
		.v4 = *v4,
		.v6 = *v6,
	};

	end->listening = true;
	if (end->peer == ENGINE_CLIENT &&
	    end->conn->announce.family != AF_UNSPEC)
		put_announced(end->conn, &event);
	dataconn_emit(end->conn, &event);
}

/* Somebody came who may have been the right one, and will not come again. */
static void
tell_unknown(struct end *end, const char *why)
{
	struct engine_data_event event = {
		.type = ENGINE_DATA_UNKNOWN,
		.peer = end->peer,
		.why = why,
	};

	dataconn_emit(end->conn, &event);
}

static void
dataconn_on_vanished(void *ctx)
{
	tell_unknown(ctx, "the data connection was reset at once");
}

static bool
dataconn_on_accepted(void *ctx, struct stream *stream, const struct addr *local,
    const struct addr *peer)
{
	struct end *end = ctx;
	struct dataconn *conn = end->conn;
	struct end *client = &conn->end[ENGINE_CLIENT];
	enum policy_answer answer =
	    conn->owner->admit(conn->ctx, end->peer, local, peer);

	if (answer != POLICY_ADMITTED) {
		stream_reset(stream);
		if (answer == POLICY_UNKNOWN)
			tell_unknown(end,
			    "the data connection was closed before its user "
			    "could be looked up");
		return false;
	}
	end->stream = stream;
	end->accepted = true;
	note_up(end);
	stream_set_handler(stream, &stream_handler, end);
	if (end->peer == ENGINE_CLIENT)
		uv_timer_stop(&conn->unused);
	/* In active mode the client is dialled once the server has come. */
	else if (!client->how.listens && client->stream == NULL)
		dataconn_dial_end(client);
	start_relay(conn);
	dataconn_tell(end, ENGINE_DATA_UP);
	return true;
}

static void
dataconn_on_second(void *ctx, const char *place)
{
	struct end *end = ctx;
	struct engine_data_event event = {
		.type = ENGINE_DATA_SECOND,
		.peer = end->peer,
		.why = place,
	};

	dataconn_emit(end->conn, &event);
}

static void
dataconn_on_failed(void *ctx, int err, const char *why)
{
	struct end *end = ctx;
	struct engine_data_event event = {
		.type = ENGINE_DATA_NO_LISTENER,
		.peer = end->peer,
		.why = why,
		/* sshd's refusals last. */
		.passing = err != -EACCES && err != -EADDRNOTAVAIL &&
		    err != -EOPNOTSUPP,
	};

	if (!end->listening)
		dataconn_emit(end->conn, &event);
	else if (!end->accepted)
		dataconn_tell_lost(end, why);
	else if (end->stream != NULL && !end->ended)
		/* It would say so itself, but not while nobody reads it. */
		dataconn_lose(end, why);
}

/* ---- the calls ---- */

static void
init_timer(struct dataconn *conn, uv_loop_t *loop, uv_timer_t *timer)
{
	uv_timer_init(loop, timer);
	timer->data = conn;
	conn->n_timers++;
}

static void
dataconn_on_timer_closed(uv_handle_t *handle)
{
	struct dataconn *conn = handle->data;

	if (--conn->n_timers > 0)
		return;
	free(conn->server_host);
	free(conn);
}

static bool
open_end(struct end *end, const struct dataconn_options *options)
{
	static const struct side_listener_handler handler = {
		.listening = dataconn_on_listening,
		.accepted = dataconn_on_accepted,
		.vanished = dataconn_on_vanished,
		.second = dataconn_on_second,
		.failed = dataconn_on_failed,
	};
	struct side_at at = { .host = options->end[end->peer].at };

	if (!end->how.listens) {
		if (end->peer == ENGINE_SERVER)
			dataconn_dial_end(end);
		return true;
	}
	if (end->peer == ENGINE_CLIENT)
		at.ports = options->ports;
	end->listener = side_listen(end->side, &at, &handler, end);
	return end->listener != NULL;
}

struct dataconn *
dataconn_open(uv_loop_t *loop, const struct dataconn_options *options,
    const struct dataconn_owner *owner, void *ctx)
{
	struct dataconn *conn = calloc(1, sizeof(*conn));
	bool good;

	if (conn == NULL)
		return NULL;
	conn->number = options->number;
	conn->owner = owner;
	conn->ctx = ctx;
	conn->dial_reply = options->dial_reply;
	conn->unproven = options->unproven;
	conn->digests = options->digests;
	conn->count = options->count;
	conn->announce = options->announce;
	conn->server_host = strdup(options->server_host);
	dataconn_rate_init(conn, options->throttle, options->session_rate);
	init_timer(conn, loop, &conn->timer);
	init_timer(conn, loop, &conn->quiet);
	init_timer(conn, loop, &conn->delivery);
	init_timer(conn, loop, &conn->unused);
	init_timer(conn, loop, &conn->failed);
	for (int peer = 0; peer < 2; peer++) {
		conn->end[peer].conn = conn;
		sha256_init(&conn->end[peer].digest);
		conn->end[peer].peer = (enum engine_peer)peer;
		conn->end[peer].side = options->end[peer].side;
		conn->end[peer].how = options->end[peer].how;
		conn->end[peer].from = options->end[peer].from;
	}
	good = conn->server_host != NULL &&
	    open_end(&conn->end[ENGINE_CLIENT], options) &&
	    open_end(&conn->end[ENGINE_SERVER], options);
	if (!good) {
		dataconn_close(conn);
		return NULL;
	}
	if (conn->end[ENGINE_CLIENT].how.listens)
		dataconn_watch_unused(conn);
	return conn;
}

void
dataconn_dial(struct dataconn *conn)
{
	struct end *client = &conn->end[ENGINE_CLIENT];

	if (client->stream == NULL && !client->was_up)
		dataconn_dial_end(client);
}

void
dataconn_read_on(struct dataconn *conn, enum engine_peer peer)
{
	conn->end[peer].slack = LIMIT_ABORT_SLACK;
	dataconn_read_or_not(&conn->end[peer]);
}

void
dataconn_shut(struct dataconn *conn, enum engine_peer peer)
{
	struct end *end = &conn->end[peer];

	if (end->stream == NULL)
		return;
	end->shut = true;
	/* If the other has not ended, the transfer is called off. */
	dataconn_rate_drop(dataconn_other(end));
	stream_shutdown(end->stream);
	if (peer == ENGINE_CLIENT) {
		dataconn_watch_delivery(conn);
	}
}

static void
dataconn_let_go(struct end *end, void (*how)(struct stream *))
{
	dataconn_cancel_check(end);
	side_listener_close(end->listener, true);
	end->listener = NULL;
	if (end->stream != NULL)
		how(end->stream);
	end->stream = NULL;
	drop_held(end->conn);
	/* What the other still sends has nowhere to go. */
	dataconn_read_or_not(dataconn_other(end));
}

void
dataconn_drop(struct dataconn *conn, enum engine_peer peer)
{
	dataconn_let_go(&conn->end[peer], stream_close);
}

void
dataconn_reset(struct dataconn *conn, enum engine_peer peer)
{
	dataconn_let_go(&conn->end[peer], stream_reset);
}

void
dataconn_close(struct dataconn *conn)
{
	conn->closed = true;
	dataconn_let_go(&conn->end[ENGINE_CLIENT], stream_finish);
	dataconn_let_go(&conn->end[ENGINE_SERVER], stream_close);
	uv_close((uv_handle_t *)&conn->timer, dataconn_on_timer_closed);
	uv_close((uv_handle_t *)&conn->quiet, dataconn_on_timer_closed);
	uv_close((uv_handle_t *)&conn->delivery, dataconn_on_timer_closed);
	uv_close((uv_handle_t *)&conn->unused, dataconn_on_timer_closed);
	uv_close((uv_handle_t *)&conn->failed, dataconn_on_timer_closed);
}
