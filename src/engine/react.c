/*
 * The control engine: the reactions to events of a data connection.
 */
#include <assert.h>
#include <stdio.h>

#include "engine/priv.h"
#include "engine/react.h"

void
ignore(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
}

/* ---- events that are only stored ---- */

void
note_listener(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	assert(event->v4.family != AF_UNSPEC || event->v6.family != AF_UNSPEC);
	data->ends[event->peer].v4 = event->v4;
	data->ends[event->peer].v6 = event->v6;
	if (event->peer == ENGINE_CLIENT && data->server.lost)
		data_reset_client(engine, data);
}

void
note_client(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	data->client.up = true;
	if (data->wait == WAIT_ACCEPT || data->wait == WAIT_DIAL ||
	    data->wait == WAIT_LOOK_UP || data->wait == WAIT_CONNECT ||
	    data->wait == WAIT_UNKNOWN)
		data_set_timer(engine, data, WAIT_NONE);
}

void
note_server(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	data->server.up = true;
	data->unproven = false;
	if (data->wait == WAIT_PROOF)
		data_set_timer(engine, data, WAIT_NONE);
	if (!data->client.how.listens)
		data->expired = false;
}

void
note_end(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	data->ends[event->peer].eof = EOF_CLEAN;
}

/*
 * An end-of-file marker (block mode, records), after which the connection may
 * stay open.  The client has a download when no more data are in transit to it.
 */
void
note_file_end(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	data->ends[event->peer].file_ends += event->files;
	data->ends[event->peer].end_at =
	    data->ends[data_other(event->peer)].bytes - event->behind;
	if (event->peer == ENGINE_SERVER)
		hold_file_end(engine, data);
}

void
note_loss(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	data->ends[event->peer].lost = true;
}

void
note_delivered(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	/* A client that has ended its control connection, and has not shown
	 * that it has the whole file, was killed. */
	if (event->assumed && engine->peers[ENGINE_CLIENT].eof)
		data_set_cut(data, "the client is gone");
	data->delivered = true;
	if (data->state == DATA_ENDING)
		data_close(engine, data);
}

void
note_file_delivered(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	data->delivered |= !data->client.lost;
}

/* ---- ends that cannot be made ---- */

void
react_fail(struct data *data, enum engine_peer peer, const char *why,
    bool transient)
{
	snprintf(data->why, sizeof(data->why), "%s", why);
	data->transient = transient;
	data->ends[peer].failed = true;
}

void
fail_request(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	react_fail(data, event->peer, event->why, event->transient);
}

void
fail_request_by_stranger(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	react_fail(data, event->peer,
	    "another program connected to the port first", true);
}

/* ---- EOF ---- */

void
pass_end_to_client(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	note_end(engine, data, event);
	data_shut(engine, data, ENGINE_CLIENT);
}

void
end_upload(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	data->client.eof = event->end_unproven &&
		!data_file_ended(engine, data, ENGINE_CLIENT) ?
	    EOF_DOUBTED :
	    EOF_CLEAN;
	data->age_ms = event->age_ms;
	upload_end(engine, data, false);
}

void
doubt_end(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	data->server.eof = event->stalled ? EOF_DOUBTED_SIZE : EOF_DOUBTED;
	hold_watch_quiet(engine, data);
}

/* No reply of the server has come, which would have decided. */
void
settle_doubt(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	struct exchange *transfer = data_transfer(engine, data);

	data_attach(engine, transfer);
	data->server.eof = EOF_CLEAN;
	if (size_check(engine, transfer) == SIZE_WHOLE) {
		data_shut(engine, data, ENGINE_CLIENT);
		return;
	}
	data_set_cut(data,
	    "the SSH server closed the data connection, and the FTP server's "
	    "reply does not show whether the data was complete");
	data_reset_client(engine, data);
}

/* ---- losses ---- */

void
cut_download(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	data->client.lost = true;
	data_set_cut(data, event->why);
	data_act(engine, data, ENGINE_DATA_DROP, ENGINE_SERVER);
}

void
settle_upload(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	data->client.lost = true;
	data_cut_upload(engine, data, event->why);
}

/* After the EOF of an upload: not all of it was sent; else the event would not
 * be a loss (upload_has_ended in event.c). */
void
cut_by_server(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	if (!data->server.up)
		learn_failed(engine, data);
	data->server.lost = true;
	data_set_cut(data, event->why);
	/* While its listener is being made, see note_listener(). */
	if (data_is_made(data))
		data_reset_client(engine, data);
	if (data->state == DATA_ENDING)
		data_close(engine, data);
}

/* The client has everything that came, and no EOF comes.  The server keeps its
 * connection open, or a link hangs that has the rest of the file, in either
 * direction. */
void
cut_standstill(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	const struct exchange *transfer = data_transfer(engine, data);

	data_set_cut(data,
	    transfer != NULL && exchange_is_upload(transfer) ?
		"the server did not end the data connection" :
		"the data stopped before its end");
	data_reset_client(engine, data);
	data_act(engine, data, ENGINE_DATA_DROP, ENGINE_SERVER);
}

/* The first connection may be a stranger's, and the right one was refused.  So
 * the transfer is cut, even if the first one has ended cleanly and is
 * delivered. */
#define SECOND_WHY "another program may have taken the data connection"

void
cut_by_second_client(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	data_set_cut(data, SECOND_WHY);
	data_act(engine, data, ENGINE_DATA_RESET, ENGINE_CLIENT);
	react_dropped(engine, data, ENGINE_CLIENT, SECOND_WHY);
}

void
cut_by_second_server(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	data_set_cut(data, SECOND_WHY);
	data_act(engine, data, ENGINE_DATA_RESET, ENGINE_SERVER);
	if (data_is_made(data))
		data_reset_client(engine, data);
}

/* ---- ends that we close ---- */

void
react_drop_client(struct engine *engine, struct data *data, const char *why)
{
	data_act(engine, data, ENGINE_DATA_DROP, ENGINE_CLIENT);
	react_dropped(engine, data, ENGINE_CLIENT, why);
}

void
cut_by_premature_end_of_client(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	note_end(engine, data, event);
	react_drop_client(engine, data,
	    "the SSH server closed the client's data connection before the end "
	    "of the data");
}

void
cut_by_premature_end(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	react_dropped(engine, data, ENGINE_SERVER,
	    "the SSH server closed the data connection before the end of the "
	    "data");
}

void
drop_server(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	data_act(engine, data, ENGINE_DATA_DROP, ENGINE_SERVER);
	react_dropped(engine, data, ENGINE_SERVER, DATA_NO_ANSWER);
}

void
close_connection(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	data_close(engine, data);
}

/* ---- waits ---- */

void
watch_again(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	hold_watch_quiet(engine, data);
}

/*
 * Most likely it was the client, which sent or wanted little and closed at
 * once.  But a stranger must not be able to end the transfer in this way, so
 * the client still has a moment to connect.
 */
void
await_unknown(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	snprintf(data->unknown, sizeof(data->unknown), "%s", event->why);
	data_set_timer(engine, data, WAIT_UNKNOWN);
}
