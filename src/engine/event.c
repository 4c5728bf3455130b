/*
 * The control engine: the events of data connections, and the table of the
 * reactions to them.
 */
#include "engine/priv.h"
#include "engine/react.h"

/* ---- cases ---- */

#define CASE(name)                                                             \
	static bool name(const struct engine *engine, const struct data *data, \
	    const struct engine_data_event *event)

CASE(always)
{
	return true;
}

CASE(end_is_dead)
{
	return data->ends[event->peer].lost;
}

CASE(end_is_not_connected)
{
	return data->ends[event->peer].lost || !data->ends[event->peer].up;
}

CASE(data_is_being_made)
{
	return data->state == DATA_MAKING;
}

/* The listener is not announced yet, and was lost, or has accepted a
 * connection, which can only be a stranger's. */
CASE(its_listener_is_being_made)
{
	return data->state == DATA_MAKING &&
	    data->ends[event->peer].how.listens;
}

CASE(transfer_is_over)
{
	return data->state == DATA_ENDING;
}

CASE(transfer_is_cut)
{
	return data_is_cut(data);
}

CASE(it_is_an_upload)
{
	const struct exchange *transfer = data_transfer(engine, data);

	return transfer != NULL && exchange_is_upload(transfer);
}

/* ---- ... of the server's end ---- */

/* Will an upload use it, even after other transfers? */
static bool
data_is_for_upload(const struct engine *engine, const struct data *data)
{
	const struct exchange *user = data_user(engine, data);

	return user != NULL && exchange_is_upload(user);
}

/*
 * The SSH server has sent EOF.  If it has closed the channel together with EOF,
 * this may be a loss in a download; in an upload, the FTP server refuses the
 * rest of the file.
 */
CASE(end_is_certain)
{
	bool early = event->end_early && !data->client.shut &&
	    data_user(engine, data) != NULL &&
	    !data_is_for_upload(engine, data);

	return !event->end_unproven && !early;
}

/* No transfer was requested yet, or not all of an upload has been sent. */
CASE(end_is_premature)
{
	bool all_sent = data->server.shut ||
	    (data_file_ended(engine, data, ENGINE_CLIENT) && data->unsent == 0);

	return data_user(engine, data) == NULL ||
	    (data_is_for_upload(engine, data) && !all_sent);
}

CASE(we_have_ended)
{
	return data_is_for_upload(engine, data) || data->client.shut;
}

/* The server had sent EOF, so all of a download has come. */
CASE(server_had_ended_download)
{
	return data->server.eof != EOF_NOT && !data_is_for_upload(engine, data);
}

CASE(server_had_ended_without_transfer)
{
	return server_had_ended_download(engine, data, event) &&
	    data->state == DATA_NEXT && data_user(engine, data) == NULL;
}

CASE(client_does_not_know_the_port)
{
	return data->unproven;
}

/* ---- ... of the client's end ---- */

/* The SSH server closed the connection of a far client in an upload.  Not
 * everything that the client has sent may have come. */
CASE(upload_was_cut_by_ssh_server)
{
	return event->end_early && event->stalled &&
	    data_is_for_upload(engine, data) &&
	    size_check(engine, data_user(engine, data)) != SIZE_WHOLE &&
	    !data_file_ended(engine, data, ENGINE_CLIENT);
}

/* A download is delivered; an upload has been received completely, or was
 * aborted. */
CASE(client_is_not_needed)
{
	return data->delivered ||
	    (it_is_an_upload(engine, data, event) &&
		(data->server.shut || data_is_aborted(data) ||
		    data_file_ended(engine, data, ENGINE_CLIENT)));
}

/* The first line of the transfer's 2xx has passed, and the rest will follow:
 * too late for a cut. */
CASE(client_was_told_of_success)
{
	const struct exchange *transfer = data_transfer(engine, data);

	return transfer != NULL && data_end_is_told(engine, transfer) &&
	    engine->reply.told / 100 == 2;
}

CASE(client_was_shut)
{
	return data->client.shut;
}

CASE(client_is_awaited)
{
	return !data->client.up && !data->client.lost &&
	    (data->wait == WAIT_NONE || data->wait == WAIT_LOOK_UP ||
		data->wait == WAIT_CONNECT);
}

/* ---- ... of both ---- */

/*
 * The peer closed the connection after its EOF: this is a loss only if
 * something is still to be sent to it.  The server of an upload has everything
 * if the end-of-file marker in the data was relayed.
 */
CASE(upload_has_ended)
{
	return event->ended && it_is_an_upload(engine, data, event) &&
	    (event->peer == ENGINE_CLIENT ||
		data_file_ended(engine, data, ENGINE_CLIENT));
}

/*
 * The transfer has begun, and the last reply is older than LIMIT_SECOND_MS.
 * The server connects before its first reply (pyftpdlib already at the PORT),
 * and its connection arrives at about the same time as that reply.  So a later
 * connection is not the server's.
 */
CASE(transfer_began_before)
{
	const struct exchange *transfer = data_transfer(engine, data);

	return transfer != NULL && exchange_has_begun(transfer) &&
	    !event->recent;
}

/* ---- ... when no data have moved for a while ---- */

CASE(quiet_is_old)
{
	return data->quiet == QUIET_NOT;
}

CASE(file_has_ended)
{
	return data_file_ended(engine, data, ENGINE_SERVER);
}

/* More data have come after the end-of-file marker, so it was a part of the
 * file. */
CASE(file_goes_on)
{
	return data->quiet == QUIET_SHORT;
}

CASE(server_never_came)
{
	return !data->server.up;
}

CASE(end_is_doubted)
{
	return data->server.eof >= EOF_DOUBTED && !data_is_cut(data) &&
	    data_transfer(engine, data) != NULL;
}

CASE(server_has_not_ended)
{
	return data->server.eof == EOF_NOT;
}

/* ---- the table ---- */

/*
 * Reactions: on that event, of that end, the first row whose case holds
 * decides.  If none holds, nothing is done.  scripts/state-tables puts these
 * rows into doc/design.md.
 */
#define ON(event) (1U << (ENGINE_DATA_##event))
#define DROPPED (1U << 31) /* we have closed the end: react_dropped() */
#define CLIENT (1U << ENGINE_CLIENT)
#define SERVER (1U << ENGINE_SERVER)
#define EITHER (CLIENT | SERVER)

static const struct {
	unsigned on, of;
	bool (*when)(const struct engine *engine, const struct data *data,
	    const struct engine_data_event *event);
	reaction *then;
} rules[] = {
	/* clang-format off */
	{ ON(LISTENING), EITHER, data_is_being_made, note_listener },

	{ ON(NO_LISTENER), EITHER, data_is_being_made, fail_request },
	{ ON(NO_LISTENER), EITHER, always, close_connection },

	{ ON(UP), EITHER, end_is_dead, ignore },
	{ ON(UP), CLIENT, always, note_client },
	{ ON(UP), SERVER, always, note_server },

	{ ON(EOF), EITHER, end_is_not_connected, ignore },
	{ ON(EOF), EITHER, its_listener_is_being_made, fail_request_by_stranger },
	{ ON(EOF), SERVER, transfer_is_cut, note_end },
	{ ON(EOF), SERVER, end_is_certain, pass_end_to_client },
	{ ON(EOF), SERVER, end_is_premature, cut_by_premature_end },
	{ ON(EOF), SERVER, we_have_ended, note_end },
	{ ON(EOF), SERVER, always, doubt_end },
	{ ON(EOF), CLIENT, transfer_is_over, close_connection },
	{ ON(EOF), CLIENT, upload_was_cut_by_ssh_server, cut_by_premature_end_of_client },
	{ ON(EOF), CLIENT, always, end_upload },

	{ ON(FILE_END), EITHER, end_is_not_connected, ignore },
	{ ON(FILE_END), EITHER, always, note_file_end },

	{ ON(LOST), EITHER, its_listener_is_being_made, fail_request },
	{ ON(LOST), EITHER, end_is_dead, ignore },
	{ ON(LOST), EITHER, upload_has_ended, note_loss },
	{ ON(LOST) | DROPPED, EITHER, client_was_told_of_success, note_loss },
	{ ON(LOST) | DROPPED, CLIENT, client_is_not_needed, note_loss },
	{ ON(LOST) | DROPPED, CLIENT, transfer_is_over, close_connection },
	{ ON(LOST) | DROPPED, CLIENT, it_is_an_upload, settle_upload },
	{ ON(LOST) | DROPPED, CLIENT, always, cut_download },
	{ ON(LOST), SERVER, client_does_not_know_the_port, fail_request },
	{ ON(LOST) | DROPPED, SERVER, server_had_ended_without_transfer,
	    close_connection },
	{ ON(LOST) | DROPPED, SERVER, server_had_ended_download, note_loss },
	{ ON(LOST) | DROPPED, SERVER, always, cut_by_server },

	{ ON(DELIVERED), EITHER, end_is_not_connected, ignore },
	{ ON(DELIVERED), CLIENT, client_was_shut, note_delivered },

	{ ON(TIMEOUT), EITHER, always, end_wait },

	{ ON(IS_QUIET), EITHER, quiet_is_old, ignore },
	{ ON(IS_QUIET), EITHER, client_was_told_of_success, ignore },
	{ ON(IS_QUIET), EITHER, file_has_ended, note_file_delivered },
	{ ON(IS_QUIET), EITHER, file_goes_on, watch_again },
	{ ON(IS_QUIET), EITHER, server_never_came, drop_server },
	{ ON(IS_QUIET), EITHER, end_is_doubted, settle_doubt },
	{ ON(IS_QUIET), EITHER, server_has_not_ended, cut_standstill },
	{ ON(IS_QUIET), EITHER, always, ignore },

	{ ON(SECOND), EITHER, its_listener_is_being_made, fail_request_by_stranger },
	{ ON(SECOND), EITHER, transfer_began_before, ignore },
	{ ON(SECOND), EITHER, client_was_told_of_success, ignore },
	{ ON(SECOND), CLIENT, always, cut_by_second_client },
	{ ON(SECOND), SERVER, always, cut_by_second_server },

	{ ON(UNKNOWN), CLIENT, client_is_awaited, await_unknown },
	/* clang-format on */
};

static void
event_apply(struct engine *engine, struct data *data, unsigned on,
    const struct engine_data_event *event)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		if ((rules[i].on & on) == 0 ||
		    (rules[i].of & (1U << event->peer)) == 0 ||
		    !rules[i].when(engine, data, event))
			continue;
		if (on == ON(IS_QUIET))
			data->quiet = QUIET_NOT;
		rules[i].then(engine, data, event);
		return;
	}
}

void
react_dropped(struct engine *engine, struct data *data, enum engine_peer peer,
    const char *why)
{
	struct engine_data_event event = { .peer = peer, .why = why };

	event_apply(engine, data, DROPPED, &event);
}

void
engine_data(struct engine *engine, const struct engine_data_event *event)
{
	struct data *data = data_find(engine, event->data);

	if (data == NULL || engine->ended)
		return;
	data->client.bytes = event->to_client;
	data->server.bytes = event->to_server;
	data->unsent = event->unsent;
	event_apply(engine, data, 1U << event->type, event);
}
