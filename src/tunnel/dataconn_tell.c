/*
 * A data connection: what its owner is told, and may ask.
 */
#include "tunnel/dataconn_priv.h"

#include <stdio.h>

#include "limits.h"

/* ---- events to the engine ---- */

/* The owner may close the connection in it; the memory stays for a while. */
void
dataconn_emit(struct dataconn *conn, struct engine_data_event *event)
{
	if (conn->closed)
		return;
	event->data = conn->number;
	event->to_client = conn->end[ENGINE_CLIENT].sent;
	event->to_server = conn->end[ENGINE_SERVER].sent;
	event->unsent = dataconn_unsent(conn, ENGINE_SERVER);
	conn->owner->event(conn->ctx, event);
}

void
dataconn_tell(struct end *end, enum engine_data_event_type type)
{
	struct engine_data_event event = { .type = type, .peer = end->peer };

	dataconn_emit(end->conn, &event);
}

void
dataconn_tell_delivered(struct end *end, bool assumed)
{
	struct engine_data_event event = {
		.type = ENGINE_DATA_DELIVERED,
		.peer = end->peer,
		.assumed = assumed,
	};

	dataconn_emit(end->conn, &event);
}

void
dataconn_tell_eof(struct end *end)
{
	struct engine_data_event event = {
		.type = ENGINE_DATA_EOF,
		.peer = end->peer,
		.end_unproven = end->end_unproven,
		.end_early = end->end_early,
		.stalled = end->end_doubtful ||
		    (end->accepted && end->stalled &&
			end->since <= LIMIT_BEHIND_STALL),
		.age_ms = uv_now(end->conn->timer.loop) - end->up_at,
	};

	dataconn_emit(end->conn, &event);
}

void
dataconn_tell_file_end(struct end *end, size_t files)
{
	struct engine_data_event event = {
		.type = ENGINE_DATA_FILE_END,
		.peer = end->peer,
		.files = files,
		.behind = end->framing.behind,
	};

	dataconn_emit(end->conn, &event);
}

void
dataconn_tell_ended(struct end *end, const char *why)
{
	struct engine_data_event event = {
		.type = ENGINE_DATA_LOST,
		.peer = end->peer,
		.ended = true,
		.why = why,
	};

	dataconn_emit(end->conn, &event);
}

void
dataconn_tell_lost(struct end *end, const char *why)
{
	struct engine_data_event event = {
		.type = ENGINE_DATA_LOST,
		.peer = end->peer,
		.why = why,
	};

	dataconn_emit(end->conn, &event);
}

void
dataconn_tell_idle_end(const struct end *end)
{
	if (!end->shut && end->idle_ms >= LIMIT_IDLE_END_MS &&
	    !end->conn->closed)
		end->conn->owner->idle_end(end->conn->ctx, end->peer,
		    end->accepted, end->idle_ms);
}

/* ---- what the owner may ask ---- */

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

bool
dataconn_is_unproven(const struct dataconn *conn)
{
	return conn->unproven;
}

uint64_t
dataconn_sent(const struct dataconn *conn, enum engine_peer peer)
{
	return conn->end[peer].sent;
}

uint64_t
dataconn_unsent(const struct dataconn *conn, enum engine_peer peer)
{
	const struct stream *stream = conn->end[peer].stream;

	return stream == NULL ? 0 : stream_queued(stream);
}

const char *
dataconn_digest(struct dataconn *conn, enum engine_peer peer,
    char text[DATACONN_DIGEST_MAX])
{
	uint8_t digest[SHA256_DIGEST_SIZE];

	if (!conn->digests)
		return NULL;
	sha256_digest(&conn->end[peer].digest, sizeof(digest), digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(text + 2 * i, 3, "%02x", digest[i]);
	return text;
}
