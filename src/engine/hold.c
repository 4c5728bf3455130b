/*
 * The control engine: waits for replies to a transfer, and what the final reply
 * does to the data connection.
 */
#include "engine/priv.h"

/*
 * The client is dialled at the first reply, because the transfer may be
 * refused.  But a server that replies only when it has the file would then wait
 * for ever.
 */
enum step
hold_step(struct engine *engine)
{
	struct exchange *transfer = TAILQ_FIRST(&engine->exchanges);
	struct data *data = NULL;

	/* Only for the oldest exchange: the server may not handle the transfer
	 * yet if others are before it. */
	if (transfer != NULL && exchange_is_transfer(transfer))
		data = data_of(engine, transfer);
	if (data == NULL || data->client.lost ||
	    transfer->stage == STAGE_UNSENT || data->wait != WAIT_NONE ||
	    data->client.how.listens || data->server.how.listens ||
	    data->dialled || !data->server.up || data_is_cut(data) ||
	    data_is_aborted(data))
		return STEP_IDLE;
	data_set_timer(engine, data, WAIT_SILENT);
	return STEP_WAIT;
}

/*
 * To a cut download, pure-ftpd sends no final reply but a second 150, which may
 * have passed before culvert knew of the cut.
 */
enum step
hold_last_reply(struct engine *engine)
{
	struct exchange *transfer = TAILQ_FIRST(&engine->exchanges);
	struct data *data = transfer != NULL ? transfer->data : NULL;

	if (data == NULL || transfer->stage != STAGE_AGAIN ||
	    !data_is_cut(data) || data->wait != WAIT_NONE)
		return STEP_IDLE;
	data_set_timer(engine, data, WAIT_LAST_REPLY);
	return STEP_WAIT;
}

/* Is there another transfer, whose file may follow on the same connection? */
static bool
is_followed(const struct engine *engine, const struct data *data)
{
	const struct exchange *exchange;
	unsigned n = 0;

	if (engine->conns.next != NULL && engine->conns.next != data)
		return false;
	TAILQ_FOREACH (exchange, &engine->exchanges, link) {
		n += exchange_is_transfer(exchange);
		if (n > 1)
			return true;
		if (n == 1 &&
		    (exchange->flags & (VERB_IS_ACTIVE | VERB_IS_PASSIVE)) != 0)
			break;
	}
	return false;
}

/* If more data come after the marker, it was a part of the file; unless another
 * transfer follows on the same connection. */
bool
data_file_ended(const struct engine *engine, const struct data *data,
    enum engine_peer peer)
{
	return data->ends[peer].file_ends > data->ends[peer].files &&
	    (data->ends[data_other(peer)].bytes == data->ends[peer].end_at ||
		is_followed(engine, data));
}

void
hold_watch_quiet(struct engine *engine, struct data *data)
{
	struct engine_action *action;

	if (data->quiet != QUIET_NOT)
		return;
	data->quiet = data_file_ended(engine, data, ENGINE_SERVER) ?
	    QUIET_SHORT :
	    QUIET_LONG;
	action = engine_act(engine, ENGINE_DATA_QUIET);
	action->data = data->number;
	action->ms = data->quiet == QUIET_SHORT ? LIMIT_FILE_END_MS :
						  LIMIT_HOLD_QUIET_MS;
}

void
hold_file_end(struct engine *engine, struct data *data)
{
	if (data->quiet == QUIET_NOT)
		return;
	data->quiet = QUIET_NOT;
	hold_watch_quiet(engine, data);
}

/* ---- the end of a transfer ---- */

uint64_t
data_relayed(const struct data *data, enum engine_peer peer)
{
	return data->ends[peer].bytes - data->ends[peer].before;
}

static bool
untouched(const struct data *data)
{
	return data_relayed(data, ENGINE_CLIENT) == 0 &&
	    data_relayed(data, ENGINE_SERVER) == 0 && !data->client.eof &&
	    !data->server.eof && !data->client.lost && !data->server.lost;
}

/* Keeps it for the next transfer, as the server may do (RFC 959: in block mode,
 * one connection carries several files; some servers keep it after a 550). */
static void
data_keep(struct engine *engine, struct data *data)
{
	data->expired = false;
	data->quiet = QUIET_NOT;
	data->delivered = false;
	for (int peer = 0; peer < 2; peer++)
		if (is_followed(engine, data) &&
		    data->ends[peer].file_ends > data->ends[peer].files)
			data->ends[peer].files++;
		else
			data->ends[peer].files = data->ends[peer].file_ends;
	data->client.before = data->client.bytes;
	data->server.before = data->server.bytes;
	if (engine->conns.next == NULL)
		data_make_next(engine, data);
	else
		data_close(engine, data);
}

/* The server has reacted to our ABOR, so it knows the command and will not
 * reply 500 to it. */
static void
note_abort_worked(struct engine *engine)
{
	struct exchange *exchange;

	TAILQ_FOREACH (exchange, &engine->exchanges, link)
		if (exchange->type == EXCHANGE_OWN_ABORT)
			exchange->worked = true;
}

/*
 * The transfer has failed, and its sender has not sent EOF.  The bytes that
 * still come must not become a part of the next file, which the server may send
 * or expect on the same connection.
 */
static bool
breaks_off(const struct engine *engine, const struct exchange *transfer,
    const struct data *data)
{
	if (!exchange_has_begun(transfer) && !data->client.up)
		return false;
	if (exchange_is_upload(transfer))
		return !data->client.eof;
	return engine_is_framed(engine) && !data->server.eof;
}

void
data_doubt_end(const struct engine *engine, const struct exchange *transfer,
    struct data *data)
{
	if (data == NULL || !exchange_is_upload(transfer))
		return;
	if (data->probes < PROBES_MAX && !transfer->move.told &&
	    engine_has_gone(engine, ENGINE_CLIENT))
		data_set_cut(data,
		    "the client disconnected before the server's reply");
	else if (data->unsent > 0)
		data_set_cut(data,
		    "the server replied before the end of the data");
}

void
data_transfer_over(struct engine *engine, struct exchange *transfer,
    unsigned server_code, unsigned client_code)
{
	struct data *data = data_attach(engine, transfer);
	bool good = server_code >= 200 && server_code < 300;

	if (data != NULL && !data->server.up &&
	    (server_code == 425 || data->server.lost))
		learn_forget(engine, data);
	data_doubt_end(engine, transfer, data);
	report_end(engine, transfer, data, server_code, client_code);
	if (data != NULL && data->course == COURSE_CUT_SETTLING &&
	    server_code >= 400)
		note_abort_worked(engine);
	transfer->data = NULL;
	if (data == NULL)
		return;
	data_set_timer(engine, data, WAIT_NONE);
	if (data_is_cut(data) || data_is_aborted(data) || server_code == 0) {
		data_close(engine, data);
	} else if (good) {
		if (engine_is_framed(engine) && !data->client.eof &&
		    !data->server.eof)
			data_keep(engine, data);
		else
			data_close(engine, data);
	} else if (!exchange_has_begun(transfer) && untouched(data)) {
		/* A connection that was dialled early may end while it is kept,
		 * and the server would take that for an empty file. */
		if (data->dialled)
			data_close(engine, data);
		else
			data_keep(engine, data);
	} else if (breaks_off(engine, transfer, data)) {
		data_reset_client(engine, data);
		data_close(engine, data);
	} else {
		/* An end that was never connected sends no EOF. */
		data_enter(data, DATA_ENDING);
		if (data->delivered || !data->client.up || !data->server.up)
			data_close(engine, data);
	}
}
