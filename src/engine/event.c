/*
 * The control engine: what happens to data connections, as it is told.
 */
#include <assert.h>
#include <stdio.h>

#include "engine/priv.h"

#define NO_ANSWER "the server's data port did not answer"

static void
on_listening(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	if (data->state != DATA_MAKING)
		return;
	assert(event->v4.family != AF_UNSPEC || event->v6.family != AF_UNSPEC);
	data->ends[event->peer].v4 = event->v4;
	data->ends[event->peer].v6 = event->v6;
	if (event->peer == ENGINE_CLIENT && data->server.lost)
		data_reset_client(engine, data);
}

static void
on_no_listener(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	if (data->state != DATA_MAKING) {
		data_close(engine, data);
		return;
	}
	snprintf(data->why, sizeof(data->why), "%s", event->why);
	data->passing = event->passing;
	data->ends[event->peer].failed = true;
}

static void
on_up(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	data->ends[event->peer].up = true;
	if (event->peer == ENGINE_SERVER)
		data->unproven = false;
	if (event->peer == ENGINE_SERVER && data->wait == WAIT_PROOF)
		data_set_timer(engine, data, WAIT_NONE, 0);
	if (event->peer == ENGINE_SERVER && !data->client.how.listens)
		data->expired = false;
	if (event->peer == ENGINE_CLIENT &&
	    (data->wait == WAIT_ACCEPT || data->wait == WAIT_DIAL ||
		data->wait == WAIT_CONNECT || data->wait == WAIT_UNKNOWN))
		data_set_timer(engine, data, WAIT_NONE, 0);
}

static void
lost_client(struct engine *engine, struct data *data, const char *why)
{
	struct exchange *transfer = data_transfer(engine, data);
	bool upload = transfer != NULL && exchange_is_upload(transfer);

	data->client.lost = true;
	if (data->delivered || (upload && data->server.shut) ||
	    (upload && data_file_ended(engine, data, ENGINE_CLIENT)) ||
	    (upload && data_is_aborted(data)))
		return;
	if (data->state == DATA_ENDING) {
		data_close(engine, data);
	} else if (upload) {
		data_cut_upload(engine, data, why);
	} else {
		data_set_cut(data, why);
		data_act(engine, data, ENGINE_DATA_DROP, ENGINE_SERVER);
	}
}

/* It has had its time, or is not believed. */
static void
drop_client(struct engine *engine, struct data *data, const char *why)
{
	data_act(engine, data, ENGINE_DATA_DROP, ENGINE_CLIENT);
	lost_client(engine, data, why);
}

/*
 * The end of an upload.  A client that was killed ends its data connection as
 * cleanly as one that has sent everything; but then its control connection
 * ends with it.  So the end waits a moment, and if control has ended too, the
 * client is probed: a dead one answers with a reset.  Twice, since sshd hears
 * of the first reset by the second write.  An end that is not proven waits for
 * longer: that the client's control connection outlives it is all that speaks
 * for it.
 */
static void
probe_client(struct engine *engine, struct data *data)
{
	unsigned open = reply_is_dropped(engine) ? 0 : engine_open_code(engine);

	if (data_user(engine, data) == NULL &&
	    line_reader_len(&engine->peers[ENGINE_CLIENT].input) == 0) {
		data_shut(engine, data, ENGINE_SERVER);
		return;
	}
	/* Else its turn may come, or the end of a long line. */
	if (data_transfer(engine, data) != NULL &&
	    !engine->peers[ENGINE_SERVER].fragment) {
		data->probes++;
		engine_sendf(engine, ENGINE_CLIENT,
		    "%03u%cWaiting for the server to store the file.",
		    open != 0 ? open : 150, open != 0 ? '-' : ' ');
	}
	data_set_timer(engine, data, WAIT_PROBE, LIMIT_PROBE_MS);
}

static uint64_t
upload_eof_ms(const struct engine *engine, const struct data *data)
{
	uint64_t least =
	    LIMIT_UPLOAD_EOF_MS + data->server.bytes / LIMIT_UPLOAD_EOF_BYTES;
	uint64_t ms = data->age_ms / LIMIT_UPLOAD_EOF_PART;

	if (data->client.eof == EOF_DOUBTED)
		return LIMIT_UNPROVEN_MS;
	/* Only sshd hides the address of a client. */
	if (least > LIMIT_UPLOAD_EOF_LONG_MS ||
	    engine->config.client.family == AF_UNSPEC)
		least = LIMIT_UPLOAD_EOF_LONG_MS;
	if (ms > LIMIT_UPLOAD_EOF_MAX_MS)
		return LIMIT_UPLOAD_EOF_MAX_MS;
	return ms > least ? ms : least;
}

/* waited: for signs of the client's death. */
static void
upload_eof(struct engine *engine, struct data *data, bool waited)
{
	struct exchange *transfer = data_transfer(engine, data);
	const char *doubt;

	if (data_is_called_off(data))
		return;
	if (transfer != NULL && (transfer->flags & VERB_SENDS) == 0) {
		data_shut(engine, data, ENGINE_SERVER);
		return;
	}
	if (transfer != NULL && exchange_is_upload(transfer) &&
	    report_size(engine, transfer) == SIZE_WHOLE)
		data->client.eof = EOF_CLEAN;
	/* Behind such an SSH server nothing of a client that has ended is there
	 * to be probed. */
	doubt = data_doubt_upload(engine, transfer, data);
	if (doubt != NULL)
		drop_client(engine, data, doubt);
	else if (engine->peers[ENGINE_CLIENT].eof)
		probe_client(engine, data);
	else if (waited)
		data_shut(engine, data, ENGINE_SERVER);
	else
		data_set_timer(engine, data, WAIT_UPLOAD_EOF,
		    upload_eof_ms(engine, data));
}

/*
 * The end of a file within its data (block mode, records), which may leave the
 * connection open.  Of a download the client has it when nothing is on its way
 * to it any more.
 */
static void
on_file_end(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	data->ends[event->peer].file_ends += event->files;
	data->ends[event->peer].end_at =
	    data->ends[data_other(event->peer)].bytes - event->behind;
	if (event->peer == ENGINE_SERVER)
		hold_file_end(engine, data);
}

/* Nobody was told of it yet: another variant may do. */
static void
fail_unproven(struct data *data, const char *why, bool passing)
{
	snprintf(data->why, sizeof(data->why), "%s", why);
	data->passing = passing;
	data->server.failed = true;
}

static void
lost_server(struct engine *engine, struct data *data, const char *why)
{
	const struct exchange *user = data_user(engine, data);
	bool upload = user != NULL && exchange_is_upload(user);

	if (!data->server.up)
		learn_failed(engine, data);
	/* After the end of an upload this means that not all of it has left
	 * us: an end of both directions is no loss. */
	data->server.lost = true;
	if (data->server.eof && !upload) {
		/* It had ended cleanly before; now nobody reads there. */
		if (data->state == DATA_NEXT && user == NULL)
			data_close(engine, data);
		return;
	}
	data_set_cut(data, why);
	/* A listener that is still being made: see on_listening(). */
	if (data_is_made(data))
		data_reset_client(engine, data);
	if (data->state == DATA_ENDING)
		data_close(engine, data);
}

/* Has the server been sent all of an upload, and its end? */
static bool
upload_is_sent(const struct engine *engine, const struct data *data)
{
	return data->server.shut ||
	    (data_file_ended(engine, data, ENGINE_CLIENT) && data->unsent == 0);
}

/*
 * An end of the server's that is not proven.  An upload that we have ended is
 * over with it.  A download waits for the server's word: data_settle_end();
 * also one that is behind another, which is not over for us yet.  All else has
 * been closed before its end.
 */
static void
unproven_eof(struct engine *engine, struct data *data, bool stalled)
{
	const struct exchange *user = data_user(engine, data);
	bool upload = user != NULL && exchange_is_upload(user);

	if (user == NULL || (upload && !upload_is_sent(engine, data))) {
		lost_server(engine, data,
		    "the SSH server closed the data connection before its end");
		return;
	}
	data->server.eof = EOF_CLEAN;
	if (upload || data->client.shut)
		return;
	data->server.eof = stalled ? EOF_DOUBTED_SIZE : EOF_DOUBTED;
	hold_watch_quiet(engine, data);
}

/* Of a download only; the server that ends an upload refuses the rest. */
static bool
early_eof(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	const struct exchange *user = data_user(engine, data);

	return event->end_early && user != NULL && !exchange_is_upload(user) &&
	    !data->client.shut;
}

/* Of an upload of a far client.  What it has sent may not all have come. */
static bool
is_cut_upload(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	const struct exchange *user = data_user(engine, data);

	return event->end_early && event->stalled && user != NULL &&
	    exchange_is_upload(user) &&
	    report_size(engine, user) != SIZE_WHOLE &&
	    !data_file_ended(engine, data, ENGINE_CLIENT);
}

static void
on_eof(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	if (event->peer == ENGINE_SERVER && !data_is_cut(data) &&
	    (event->end_unproven || early_eof(engine, data, event))) {
		unproven_eof(engine, data, event->stalled);
		return;
	}
	data->ends[event->peer].eof = EOF_CLEAN;
	if (event->peer == ENGINE_SERVER) {
		if (!data_is_cut(data))
			data_shut(engine, data, ENGINE_CLIENT);
	} else if (data->state == DATA_ENDING) {
		data_close(engine, data);
	} else if (is_cut_upload(engine, data, event)) {
		drop_client(engine, data,
		    "the SSH server closed the client's data connection before "
		    "its end");
	} else {
		if (event->end_unproven &&
		    !data_file_ended(engine, data, ENGINE_CLIENT))
			data->client.eof = EOF_DOUBTED;
		data->age_ms = event->age_ms;
		upload_eof(engine, data, false);
	}
}

/* It has ended, and closed the connection behind that: only who has something
 * to send to it has lost something.  The server of an upload has it all if the
 * file's end in the data is among it. */
static bool
may_end(struct engine *engine, const struct data *data,
    const struct engine_data_event *event)
{
	const struct exchange *transfer = data_transfer(engine, data);

	return event->ended && transfer != NULL &&
	    exchange_is_upload(transfer) &&
	    (event->peer == ENGINE_CLIENT ||
		data_file_ended(engine, data, ENGINE_CLIENT));
}

static void
on_lost(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	if (data->ends[event->peer].lost)
		return;
	if (may_end(engine, data, event))
		data->ends[event->peer].lost = true;
	else if (event->peer == ENGINE_CLIENT)
		lost_client(engine, data, event->why);
	else if (data->unproven)
		fail_unproven(data, event->why, event->passing);
	else
		lost_server(engine, data, event->why);
}

/*
 * Somebody else may have the first one, and the transfer with it, while the
 * right one was refused: the server's is made before its first reply (by
 * pyftpdlib already at the PORT), and comes about when that does.  A later one
 * is not the server's.
 */
static void
on_second(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	const struct exchange *transfer = data_transfer(engine, data);
	const char *why = "somebody else may have the data connection";

	if (transfer != NULL && transfer->begun && !event->recent)
		return;
	/* Also what has ended cleanly, and is delivered. */
	data_set_cut(data, why);
	data_act(engine, data, ENGINE_DATA_RESET, event->peer);
	if (event->peer == ENGINE_CLIENT)
		lost_client(engine, data, why);
	else if (data_is_made(data))
		data_reset_client(engine, data);
}

/*
 * Most likely it was the client, which has sent or wanted little and closed at
 * once.  A stranger must not be able to end the transfer by this: so the client
 * still has a moment.
 */
static void
on_unknown(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	if (event->peer != ENGINE_CLIENT || data->client.up ||
	    data->client.lost ||
	    (data->wait != WAIT_NONE && data->wait != WAIT_CONNECT))
		return;
	snprintf(data->unknown, sizeof(data->unknown), "%s", event->why);
	data_set_timer(engine, data, WAIT_UNKNOWN, LIMIT_UNKNOWN_MS);
}

static void
on_delivered(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	if (event->peer != ENGINE_CLIENT || !data->client.up ||
	    !data->client.shut)
		return;
	/* One who has ended control, and has not shown that he has the end of
	 * the file, was killed. */
	if (event->assumed && engine->peers[ENGINE_CLIENT].eof)
		data_set_cut(data, "the client is gone");
	data->delivered = true;
	if (data->state == DATA_ENDING)
		data_close(engine, data);
}

static void
abort_timeout(struct engine *engine, struct data *data)
{
	struct exchange *transfer = data_transfer(engine, data);

	data_set_cut(data, "the client aborted");
	if (transfer != NULL && exchange_is_upload(transfer)) {
		data_shut(engine, data, ENGINE_SERVER);
		return;
	}
	data_act(engine, data, ENGINE_DATA_DROP, ENGINE_SERVER);
	if (data->client.up)
		data_shut(engine, data, ENGINE_CLIENT);
}

/* The reply to its request does not come, or went elsewhere: wait no more. */
static void
be_sure(struct engine *engine, const struct data *data)
{
	struct exchange *exchange;

	TAILQ_FOREACH (exchange, &engine->exchanges, link)
		if (exchange->data == data)
			exchange->unsure = false;
}

/* The end of an upload has waited for signs of the client's death; one that is
 * about to be cut is left to that, see client_gone(). */
static void
upload_timeout(struct engine *engine, struct data *data, enum data_wait wait)
{
	if (engine->peers[ENGINE_CLIENT].lost)
		return;
	if (wait == WAIT_UPLOAD_EOF) {
		upload_eof(engine, data, true);
	} else if (data->probes + 1 < PROBES_MAX) {
		probe_client(engine, data);
	} else {
		data->probes = PROBES_MAX;
		data_shut(engine, data, ENGINE_SERVER);
	}
}

static void
on_timeout(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	struct exchange *transfer = data_transfer(engine, data);
	enum data_wait wait = data->wait;

	(void)event;
	data->wait = WAIT_NONE;
	switch (wait) {
	case WAIT_ACCEPT:
		data->expired = true;
		break;
	case WAIT_SILENT:
		hold_dial(engine, data);
		break;
	case WAIT_DIAL:
		drop_client(engine, data,
		    "the client's data port did not answer");
		break;
	case WAIT_CONNECT:
		if (transfer != NULL && data_end_is_told(engine, transfer))
			break;
		drop_client(engine, data, "the client did not connect");
		break;
	case WAIT_UNKNOWN:
		drop_client(engine, data, data->unknown);
		break;
	case WAIT_UPLOAD_EOF:
	case WAIT_PROBE:
		upload_timeout(engine, data, wait);
		break;
	case WAIT_ABORT:
		abort_timeout(engine, data);
		break;
	case WAIT_CUT:
		data_act(engine, data, ENGINE_DATA_RESET, ENGINE_SERVER);
		data_set_timer(engine, data, WAIT_CUT_END, LIMIT_CUT_UPLOAD_MS);
		break;
	case WAIT_REPLY:
		be_sure(engine, data);
		break;
	case WAIT_LAST_REPLY:
		/* Not within the reply to another command, or its own. */
		if (transfer != NULL && engine_open_code(engine) == 0 &&
		    engine->making == NULL &&
		    !engine->peers[ENGINE_SERVER].fragment)
			transfer_end_cut(engine, transfer);
		break;
	case WAIT_PROOF:
		fail_unproven(data, NO_ANSWER, false);
		break;
	case WAIT_CUT_END:
	case WAIT_NONE:
		break;
	}
}

static void
on_quiet(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	enum data_quiet quiet = data->quiet;
	struct exchange *transfer = data_transfer(engine, data);

	(void)event;
	if (quiet == QUIET_NOT)
		return;
	data->quiet = QUIET_NOT;
	if (data_file_ended(engine, data, ENGINE_SERVER)) {
		data->delivered |= !data->client.lost;
	} else if (quiet == QUIET_SHORT) { /* more has come behind that end */
		hold_watch_quiet(engine, data);
	} else if (!data->server.up) {
		data_act(engine, data, ENGINE_DATA_DROP, ENGINE_SERVER);
		lost_server(engine, data, NO_ANSWER);
	} else if (data->server.eof >= EOF_DOUBTED && !data_is_cut(data) &&
	    transfer != NULL) {
		data_attach(engine, transfer);
		data_settle_quiet(engine, transfer);
	} else if (!data->server.eof) {
		/* The client has all that came, and no end comes: a server
		 * that keeps its connection, or a link that stands still with
		 * the rest of the file, in whichever direction. */
		data_set_cut(data,
		    transfer != NULL && exchange_is_upload(transfer) ?
			"the server did not end the data connection" :
			"the data stopped before their end");
		data_reset_client(engine, data);
		data_act(engine, data, ENGINE_DATA_DROP, ENGINE_SERVER);
	}
}

/* A listener of which nobody has been told yet is dead, or has taken somebody
 * who can only be a stranger: it is none. */
static bool
fail_making(struct data *data, const struct engine_data_event *event)
{
	bool lost = event->type == ENGINE_DATA_LOST;

	if (data->state != DATA_MAKING ||
	    !data->ends[event->peer].how.listens ||
	    (!lost && event->type != ENGINE_DATA_EOF &&
		event->type != ENGINE_DATA_SECOND))
		return false;
	snprintf(data->why, sizeof(data->why), "%s",
	    lost ? event->why : "somebody else has connected");
	data->passing = event->passing || !lost;
	data->ends[event->peer].failed = true;
	return true;
}

/* An end that is dead, or was dropped, or never stood, has nothing to say. */
static bool
may_say(const struct data *data, const struct engine_data_event *event)
{
	switch (event->type) {
	case ENGINE_DATA_UP:
		return !data->ends[event->peer].lost;
	case ENGINE_DATA_EOF:
	case ENGINE_DATA_FILE_END:
	case ENGINE_DATA_DELIVERED:
		return !data->ends[event->peer].lost &&
		    data->ends[event->peer].up;
	case ENGINE_DATA_LISTENING:
	case ENGINE_DATA_NO_LISTENER:
	case ENGINE_DATA_LOST:
	case ENGINE_DATA_TIMEOUT:
	case ENGINE_DATA_IS_QUIET:
	case ENGINE_DATA_SECOND:
	case ENGINE_DATA_UNKNOWN:
	case ENGINE_DATA_MOVED:
		break;
	}
	return true;
}

void
engine_data(struct engine *engine, const struct engine_data_event *event)
{
	static void (*const handlers[])(struct engine *, struct data *,
	    const struct engine_data_event *) = {
		[ENGINE_DATA_LISTENING] = on_listening,
		[ENGINE_DATA_NO_LISTENER] = on_no_listener,
		[ENGINE_DATA_UP] = on_up,
		[ENGINE_DATA_EOF] = on_eof,
		[ENGINE_DATA_FILE_END] = on_file_end,
		[ENGINE_DATA_LOST] = on_lost,
		[ENGINE_DATA_DELIVERED] = on_delivered,
		[ENGINE_DATA_TIMEOUT] = on_timeout,
		[ENGINE_DATA_IS_QUIET] = on_quiet,
		[ENGINE_DATA_SECOND] = on_second,
		[ENGINE_DATA_UNKNOWN] = on_unknown,
	};
	struct data *data = data_find(engine, event->data);

	if (data == NULL || engine->ended)
		return;
	data->client.bytes = event->to_client;
	data->server.bytes = event->to_server;
	data->unsent = event->unsent;
	if (event->type != ENGINE_DATA_MOVED && may_say(data, event) &&
	    !fail_making(data, event))
		handlers[event->type](engine, data, event);
}
