/*
 * A data connection: two ends and the relay between them.
 */
#include "tunnel/dataconn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "limits.h"

/* Delivery has no event: it is asked for, soon and then less often. */
#define DELIVERY_FIRST_MS 1
#define DELIVERY_LAST_MS 64

struct end {
	struct dataconn *conn;
	enum engine_peer peer;
	struct side *side;
	struct engine_data_end how;
	struct side_listener *listener;
	struct stream *stream;
	struct side_check *check; /* of its clean end, while asked */
	bool accepted;		  /* the stream came through the listener */
	bool was_up;		  /* the stream has stood */
	bool stopped;		  /* by the engine */
	size_t slack;		  /* bytes still read after that */
	bool paused;		  /* by the queue of the other end */
	bool ended;		  /* its EOF came */
	bool shut;		  /* we have ended toward it */
	uint64_t sent;		  /* bytes relayed toward this peer */
};

struct dataconn {
	uint32_t number;
	const struct dataconn_owner *owner;
	void *ctx;
	struct end end[2];
	struct addr client_local;
	const char *server_host;
	uv_timer_t timer; /* the engine's */
	uv_timer_t quiet; /* the engine's */
	uv_timer_t delivery;
	uv_timer_t unused; /* the listener toward the client expires */
	unsigned n_timers; /* handles that are not closed yet */
	bool closed;	   /* given up; only the handles keep it */
	uint64_t quiet_ms;
	uint64_t seen; /* what had moved when quiet was started */
	uint64_t delivery_ms;
};

static struct end *
other(struct end *end)
{
	return &end->conn->end[end->peer == ENGINE_CLIENT ? ENGINE_SERVER :
							    ENGINE_CLIENT];
}

/* ---- events to the engine ---- */

/* The owner may close the connection in it; the memory stays for a while. */
static void
emit(struct dataconn *conn, struct engine_data_event *event)
{
	if (conn->closed)
		return;
	event->data = conn->number;
	event->to_client = conn->end[ENGINE_CLIENT].sent;
	event->to_server = conn->end[ENGINE_SERVER].sent;
	conn->owner->event(conn->ctx, event);
}

static void
tell(struct end *end, enum engine_data_event_type type)
{
	struct engine_data_event event = { .type = type, .peer = end->peer };

	emit(end->conn, &event);
}

static void
tell_lost(struct end *end, const char *why)
{
	struct engine_data_event event = {
		.type = ENGINE_DATA_LOST,
		.peer = end->peer,
		.why = why,
	};

	emit(end->conn, &event);
}

/* ---- the relay ---- */

static void
read_or_not(struct end *end)
{
	if (end->stream == NULL)
		return;
	if ((end->stopped ? end->slack == 0 : end->paused) || end->ended ||
	    other(end)->stream == NULL)
		stream_read_stop(end->stream);
	else
		stream_read_start(end->stream);
}

/* The answer would be about a stream that is gone. */
static void
cancel_check(struct end *end)
{
	if (end->check != NULL)
		side_check_cancel(end->side, end->check);
	end->check = NULL;
}

/* This end is dead: whoever is there sees a reset. */
static void
lose(struct end *end, const char *why)
{
	cancel_check(end);
	stream_reset(end->stream);
	end->stream = NULL;
	read_or_not(other(end));
	tell_lost(end, why);
}

/* Nothing may be missing in the middle: what cannot be sent on is a cut. */
static void
on_data(void *ctx, const uint8_t *bytes, size_t len)
{
	struct end *from = ctx, *to = other(from);
	int err;

	if (to->stream == NULL)
		return;
	err = stream_write(to->stream, bytes, len);
	if (err != 0) {
		if (err != -EPIPE)
			lose(to, "out of memory");
		return; /* after -EPIPE closed() says why */
	}
	to->sent += len;
	from->slack -= from->slack < len ? from->slack : len;
	if (stream_queued(to->stream) > LIMIT_HIGH_WATER)
		from->paused = true;
	if (from->paused || from->stopped)
		read_or_not(from);
}

static void
on_drained(void *ctx)
{
	struct end *to = ctx;

	other(to)->paused = false;
	read_or_not(other(to));
}

static void
end_is_clean(void *ctx, bool clean)
{
	struct end *end = ctx;

	end->check = NULL;
	if (clean) {
		tell(end, ENGINE_DATA_EOF);
		return;
	}
	lose(end, "the SSH connection was lost");
}

static void
on_eof(void *ctx)
{
	struct end *end = ctx;
	enum side_end answer = SIDE_END_CLEAN;

	end->ended = true;
	if (end->accepted)
		answer =
		    side_check_end(end->side, end_is_clean, end, &end->check);
	if (answer != SIDE_END_ASKED)
		end_is_clean(end, answer == SIDE_END_CLEAN);
}

static void
on_opened(void *ctx)
{
	struct end *end = ctx;

	end->was_up = true;
	tell(end, ENGINE_DATA_UP);
}

/* A dial of the server's data port has failed: at whose fault? */
static void
describe_failure(const struct end *end, int err, const char *why, char *text,
    size_t size)
{
	if (err == -EACCES)
		snprintf(text, size,
		    "sshd forbids the data connection to port %u (%s), see "
		    "PermitOpen (sshd_config) and permitopen "
		    "(authorized_keys)",
		    end->how.to.port, why);
	else
		snprintf(text, size,
		    "the data connection to the server's port %u failed: %s",
		    end->how.to.port, why);
}

static void
on_closed(void *ctx, int err, const char *why)
{
	struct end *end = ctx;
	bool delivered = end->shut && stream_undelivered(end->stream) == 0;
	char text[256];

	if (end->peer == ENGINE_SERVER && !end->was_up) {
		describe_failure(end, err, why, text, sizeof(text));
		why = text;
	}
	cancel_check(end);
	stream_close(end->stream);
	end->stream = NULL;
	read_or_not(other(end));
	if (delivered)
		tell(end, ENGINE_DATA_DELIVERED);
	tell_lost(end, why);
}

static const struct stream_handler stream_handler = {
	.opened = on_opened,
	.data = on_data,
	.eof = on_eof,
	.drained = on_drained,
	.closed = on_closed,
};

/* ---- the ends ---- */

static void
start_relay(struct dataconn *conn)
{
	read_or_not(&conn->end[ENGINE_CLIENT]);
	read_or_not(&conn->end[ENGINE_SERVER]);
}

static void
dial(struct end *end)
{
	struct dataconn *conn = end->conn;
	char text[ADDR_TEXT_MAX];
	const char *host = conn->server_host;
	const struct addr *from = NULL;

	if (end->peer == ENGINE_CLIENT) {
		host = addr_format_ip(&end->how.to, text);
		from = &conn->client_local;
	}
	end->stream = side_dial(end->side, host, end->how.to.port, from,
	    &stream_handler, end);
	start_relay(conn);
}

static void
on_listening(void *ctx, const struct addr *v4, const struct addr *v6)
{
	struct end *end = ctx;
	struct engine_data_event event = {
		.type = ENGINE_DATA_LISTENING,
		.peer = end->peer,
		.v4 = *v4,
		.v6 = *v6,
	};

	emit(end->conn, &event);
	/* A dial that could not be tried fails now that the engine listens. */
	if (!other(end)->how.listens && other(end)->peer == ENGINE_SERVER &&
	    other(end)->stream == NULL)
		tell_lost(other(end), "it cannot be dialled");
}

/* In active mode the client is dialled once the server has come. */
static void
accept_is_up(struct end *end)
{
	struct end *client = &end->conn->end[ENGINE_CLIENT];
	bool dials = end->peer == ENGINE_SERVER && !client->how.listens;

	if (dials)
		dial(client);
	tell(end, ENGINE_DATA_UP);
	if (dials && client->stream == NULL)
		tell_lost(client, "it cannot be dialled");
}

static void
on_accepted(void *ctx, struct stream *stream, const struct addr *local,
    const struct addr *peer)
{
	struct end *end = ctx;
	struct dataconn *conn = end->conn;

	if (end->stream != NULL ||
	    (end->peer == ENGINE_CLIENT &&
		!conn->owner->admit(conn->ctx, local, peer))) {
		stream_reset(stream);
		return;
	}
	end->stream = stream;
	end->accepted = true;
	end->was_up = true;
	stream_set_handler(stream, &stream_handler, end);
	uv_timer_stop(&conn->unused);
	/* The far listener stays ours until the end, and refuses others. */
	if (end->peer == ENGINE_CLIENT) {
		side_listener_close(end->listener, true);
		end->listener = NULL;
	}
	start_relay(conn);
	accept_is_up(end);
}

static void
on_failed(void *ctx, int err, const char *why)
{
	struct end *end = ctx;
	struct engine_data_event event = {
		.type = ENGINE_DATA_NO_LISTENER,
		.peer = end->peer,
		.why = why,
	};

	(void)err;
	emit(end->conn, &event);
}

/* ---- timers ---- */

static void
on_timer(uv_timer_t *timer)
{
	struct dataconn *conn = timer->data;

	tell(&conn->end[ENGINE_CLIENT], ENGINE_DATA_TIMEOUT);
}

/* Grows with every byte that has arrived somewhere. */
static uint64_t
moved(const struct dataconn *conn)
{
	uint64_t sum = 0;

	for (int peer = 0; peer < 2; peer++) {
		sum += conn->end[peer].sent;
		if (conn->end[peer].stream != NULL)
			sum -= stream_undelivered(conn->end[peer].stream);
	}
	return sum;
}

static void
on_quiet(uv_timer_t *timer)
{
	struct dataconn *conn = timer->data;
	struct end *client = &conn->end[ENGINE_CLIENT];
	bool has_all =
	    client->stream == NULL || stream_undelivered(client->stream) == 0;

	/* A client that pauses, however long, is not the end of a file. */
	if (moved(conn) == conn->seen && has_all) {
		tell(&conn->end[ENGINE_CLIENT], ENGINE_DATA_IS_QUIET);
		return;
	}
	conn->seen = moved(conn);
	uv_timer_start(timer, on_quiet, conn->quiet_ms, 0);
}

static void
on_delivery(uv_timer_t *timer)
{
	struct dataconn *conn = timer->data;
	struct end *client = &conn->end[ENGINE_CLIENT];

	if (client->stream == NULL)
		return;
	if (stream_undelivered(client->stream) == 0) {
		tell(client, ENGINE_DATA_DELIVERED);
		return;
	}
	if (conn->delivery_ms < DELIVERY_LAST_MS)
		conn->delivery_ms *= 2;
	uv_timer_start(timer, on_delivery, conn->delivery_ms, 0);
}

static void
on_unused(uv_timer_t *timer)
{
	struct dataconn *conn = timer->data;
	struct end *client = &conn->end[ENGINE_CLIENT];

	side_listener_close(client->listener, false);
	client->listener = NULL;
	tell_lost(client, "nobody connected");
}

static void
init_timer(struct dataconn *conn, uv_loop_t *loop, uv_timer_t *timer)
{
	uv_timer_init(loop, timer);
	timer->data = conn;
	conn->n_timers++;
}

static void
on_timer_closed(uv_handle_t *handle)
{
	struct dataconn *conn = handle->data;

	if (--conn->n_timers == 0)
		free(conn);
}

/* ---- the calls ---- */

static bool
open_end(struct end *end)
{
	static const struct side_listener_handler handler = {
		.listening = on_listening,
		.accepted = on_accepted,
		.failed = on_failed,
	};
	struct addr at = end->conn->client_local;

	if (!end->how.listens) {
		/* Toward the client: not before the server has come. */
		if (end->peer == ENGINE_SERVER)
			dial(end);
		return true;
	}
	at.port = 0;
	end->listener = side_listen(end->side,
	    end->peer == ENGINE_CLIENT ? &at : NULL, &handler, end);
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
	conn->client_local = options->client_local;
	conn->server_host = options->server_host;
	init_timer(conn, loop, &conn->timer);
	init_timer(conn, loop, &conn->quiet);
	init_timer(conn, loop, &conn->delivery);
	init_timer(conn, loop, &conn->unused);
	for (int peer = 0; peer < 2; peer++) {
		conn->end[peer].conn = conn;
		conn->end[peer].peer = (enum engine_peer)peer;
		conn->end[peer].side = options->side[peer];
		conn->end[peer].how = options->end[peer];
	}
	good = open_end(&conn->end[ENGINE_CLIENT]) &&
	    open_end(&conn->end[ENGINE_SERVER]);
	if (!good) {
		dataconn_close(conn);
		return NULL;
	}
	if (conn->end[ENGINE_CLIENT].how.listens)
		uv_timer_start(&conn->unused, on_unused, LIMIT_LISTENER_MS, 0);
	return conn;
}

uint32_t
dataconn_number(const struct dataconn *conn)
{
	return conn->number;
}

bool
dataconn_was_up(const struct dataconn *conn, enum engine_peer peer)
{
	return conn->end[peer].was_up;
}

uint64_t
dataconn_sent(const struct dataconn *conn, enum engine_peer peer)
{
	return conn->end[peer].sent;
}

void
dataconn_timer(struct dataconn *conn, uint64_t ms)
{
	if (ms == 0)
		uv_timer_stop(&conn->timer);
	else
		uv_timer_start(&conn->timer, on_timer, ms, 0);
}

void
dataconn_quiet(struct dataconn *conn, uint64_t ms)
{
	conn->quiet_ms = ms;
	conn->seen = moved(conn);
	if (ms == 0)
		uv_timer_stop(&conn->quiet);
	else
		uv_timer_start(&conn->quiet, on_quiet, ms, 0);
}

void
dataconn_stop(struct dataconn *conn, enum engine_peer peer)
{
	conn->end[peer].stopped = true;
	conn->end[peer].slack = LIMIT_ABORT_SLACK;
	read_or_not(&conn->end[peer]);
}

void
dataconn_start(struct dataconn *conn, enum engine_peer peer)
{
	conn->end[peer].stopped = false;
	read_or_not(&conn->end[peer]);
}

void
dataconn_shut(struct dataconn *conn, enum engine_peer peer)
{
	struct end *end = &conn->end[peer];

	if (end->stream == NULL)
		return;
	end->shut = true;
	stream_shutdown(end->stream);
	if (peer == ENGINE_CLIENT) {
		conn->delivery_ms = DELIVERY_FIRST_MS;
		uv_timer_start(&conn->delivery, on_delivery, 0, 0);
	}
}

static void
let_go(struct end *end, void (*how)(struct stream *))
{
	cancel_check(end);
	side_listener_close(end->listener, true);
	end->listener = NULL;
	if (end->stream != NULL)
		how(end->stream);
	end->stream = NULL;
	/* What the other still sends has nowhere to go. */
	read_or_not(other(end));
}

void
dataconn_drop(struct dataconn *conn, enum engine_peer peer)
{
	let_go(&conn->end[peer], stream_close);
}

void
dataconn_reset(struct dataconn *conn, enum engine_peer peer)
{
	let_go(&conn->end[peer], stream_reset);
}

void
dataconn_close(struct dataconn *conn)
{
	conn->closed = true;
	let_go(&conn->end[ENGINE_CLIENT], stream_finish);
	let_go(&conn->end[ENGINE_SERVER], stream_close);
	uv_close((uv_handle_t *)&conn->timer, on_timer_closed);
	uv_close((uv_handle_t *)&conn->quiet, on_timer_closed);
	uv_close((uv_handle_t *)&conn->delivery, on_timer_closed);
	uv_close((uv_handle_t *)&conn->unused, on_timer_closed);
}
