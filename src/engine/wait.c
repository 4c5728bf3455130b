/*
 * The control engine: what data connections wait for, each for a limited time.
 */
#include "engine/priv.h"
#include "engine/react.h"

static void
accept_expires(struct engine *engine, struct data *data)
{
	data->expired = true;
}

static void
dial_expires(struct engine *engine, struct data *data)
{
	react_drop_client(engine, data,
	    "the client's data port did not answer");
}

static void
silence_expires(struct engine *engine, struct data *data)
{
	data_act(engine, data, ENGINE_DATA_DIAL, ENGINE_CLIENT);
	data_set_timer(engine, data, WAIT_DIAL);
}

static void
connect_expires(struct engine *engine, struct data *data)
{
	const struct exchange *transfer = data_transfer(engine, data);

	if (transfer == NULL || !data_end_is_told(engine, transfer))
		react_drop_client(engine, data, "the client did not connect");
}

static void
unknown_expires(struct engine *engine, struct data *data)
{
	react_drop_client(engine, data, data->unknown);
}

static void
abort_expires(struct engine *engine, struct data *data)
{
	const struct exchange *transfer = data_transfer(engine, data);

	data_set_cut(data, "the client aborted");
	if (transfer != NULL && exchange_is_upload(transfer)) {
		/* A clean end would be that of the file. */
		if (engine->config.stores_whole)
			data_act(engine, data, ENGINE_DATA_RESET,
			    ENGINE_SERVER);
		else
			data_shut(engine, data, ENGINE_SERVER);
		return;
	}
	data_act(engine, data, ENGINE_DATA_DROP, ENGINE_SERVER);
	if (data->client.up)
		data_shut(engine, data, ENGINE_CLIENT);
}

static void
cut_expires(struct engine *engine, struct data *data)
{
	data_act(engine, data, ENGINE_DATA_RESET, ENGINE_SERVER);
	data_set_timer(engine, data, WAIT_CUT_END);
}

/* The reply to the request does not come, or was matched to another command. */
static void
reply_expires(struct engine *engine, struct data *data)
{
	struct exchange *exchange;

	TAILQ_FOREACH (exchange, &engine->exchanges, link)
		if (exchange->data == data)
			exchange->unsure = false;
}

/* Our reply must not be sent within another reply. */
static void
last_reply_expires(struct engine *engine, struct data *data)
{
	struct exchange *transfer = data_transfer(engine, data);

	if (transfer != NULL && engine_open_code(engine) == 0 &&
	    engine->conns.making == NULL &&
	    !engine->peers[ENGINE_SERVER].fragment)
		transfer_end_cut(engine, transfer);
}

static void
proof_expires(struct engine *engine, struct data *data)
{
	react_fail(data, ENGINE_SERVER, DATA_NO_ANSWER, false);
}

/* How long each wait lasts, in ms, and what is done if the time runs out.  Enum
 * data_wait says what is awaited.  scripts/state-tables puts these rows into
 * doc/design.md. */
static const struct {
	uint64_t ms;
	void (*expire)(struct engine *engine, struct data *data);
} waits[] = {
	/* clang-format off */
	[WAIT_ACCEPT] = { LIMIT_HOLD_ACCEPT_MS, accept_expires },
	[WAIT_DIAL] = { LIMIT_HOLD_DIAL_MS, dial_expires },
	[WAIT_SILENT] = { LIMIT_HOLD_ACCEPT_MS, silence_expires },
	[WAIT_LOOK_UP] = { LIMIT_HOLD_LOOK_UP_MS, accept_expires },
	[WAIT_CONNECT] = { LIMIT_CLIENT_CONNECT_MS, connect_expires },
	[WAIT_UNKNOWN] = { LIMIT_UNKNOWN_MS, unknown_expires },
	[WAIT_UPLOAD_EOF] = { 0 /* upload_wait_ms() */, upload_waited },
	[WAIT_PROBE] = { LIMIT_PROBE_MS, upload_probed },
	[WAIT_ABORT] = { LIMIT_ABORT_MS, abort_expires },
	[WAIT_CUT] = { LIMIT_CUT_UPLOAD_MS, cut_expires },
	[WAIT_REPLY] = { LIMIT_UNSURE_MS, reply_expires },
	[WAIT_CUT_END] = { LIMIT_CUT_UPLOAD_MS, NULL },
	[WAIT_LAST_REPLY] = { LIMIT_LAST_REPLY_MS, last_reply_expires },
	[WAIT_PROOF] = { LIMIT_HOLD_DIAL_MS, proof_expires },
	/* clang-format on */
};

void
data_set_timer(struct engine *engine, struct data *data, enum data_wait wait)
{
	struct engine_action *action;

	if (wait == WAIT_NONE && data->wait == WAIT_NONE)
		return;
	data->wait = wait;
	action = engine_act(engine, ENGINE_DATA_TIMER);
	action->data = data->number;
	if (wait == WAIT_UPLOAD_EOF)
		action->ms = upload_wait_ms(engine, data);
	else if (wait != WAIT_NONE)
		action->ms = waits[wait].ms;
}

void
end_wait(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	enum data_wait wait = data->wait;

	data->wait = WAIT_NONE;
	if (wait != WAIT_NONE && waits[wait].expire != NULL)
		waits[wait].expire(engine, data);
}
