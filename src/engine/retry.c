/*
 * The control engine: a transfer again.
 *
 * A server may take PORT and find out only at RETR that there is no way to the
 * address in it: 425.  Then passive mode is asked for, by an ask of our own,
 * and the transfer is sent again behind it, with its REST.
 */
#include "engine/priv.h"

static void
send_again(struct engine *engine, struct pending *transfer)
{
	transfer->waits = false;
	engine_send(engine, ENGINE_SERVER, transfer->line, transfer->line_len);
	pending_to_end(engine, transfer);
}

bool
retry_is_possible(struct engine *engine, const struct pending *transfer)
{
	const struct data *data = transfer->data;

	/* STOU would leave an empty file under another name; and what is sent
	 * behind it already would come before it. */
	return data != NULL && data->end[ENGINE_SERVER].listens &&
	    !data->end[ENGINE_CLIENT].listens && !data->up[ENGINE_SERVER] &&
	    !data->cut && !data->aborting && !transfer->begun &&
	    transfer->line != NULL && transfer->verb != VERB_STOU &&
	    transfer->verb != VERB_OTHER && !engine_is_framed(engine) &&
	    TAILQ_NEXT(transfer, link) == NULL && !engine->eof[ENGINE_CLIENT] &&
	    !engine->lost[ENGINE_CLIENT] && form_has_passive(engine);
}

void
retry_begin(struct engine *engine, struct pending *transfer,
    const uint8_t *line, size_t len)
{
	struct pending *ask = pending_add(engine, PENDING_OURS, VERB_PORT);

	if (ask == NULL)
		return;
	pending_keep_refusal(engine, ask, line, len);
	pending_keep_refusal(engine, transfer, line, len);
	transfer->waits = true;
	/* Nobody may come late, and be the transfer's. */
	data_act(engine, transfer->data, ENGINE_DATA_DROP, ENGINE_SERVER);
	ask->flags = VERB_IS_PASSIVE;
	ask->is_ask = true;
	ask->transfer = transfer;
	ask->own = FORM_PORT;
	ask->to = transfer->data->end[ENGINE_CLIENT].to;
	ask->tried = FORMS_ACTIVE;
	ask_next_form(engine, ask);
}

void
retry_go_on(struct engine *engine, struct pending *ask)
{
	struct pending *rest, *transfer = ask->transfer;

	transfer->again = ask->form;
	transfer->again_tried = ask->tried;
	if (transfer->data != NULL)
		data_close(engine, transfer->data);
	transfer->data = ask->data;
	transfer->data->state = DATA_CURRENT;
	ask->data = NULL;
	if (transfer->rest == NULL) {
		send_again(engine, transfer);
		return;
	}
	rest = pending_add(engine, PENDING_OURS, VERB_REST);
	if (rest == NULL)
		return;
	rest->transfer = transfer;
	engine_sendf(engine, ENGINE_SERVER, "REST %s", transfer->rest);
	pending_time(engine, rest);
}

void
retry_rest_answered(struct engine *engine, struct pending *rest, unsigned code)
{
	if (code >= 300 && code < 400)
		send_again(engine, rest->transfer);
	else
		retry_refuse(engine, rest->transfer);
}

void
retry_refuse(struct engine *engine, struct pending *transfer)
{
	data_transfer_over(engine, transfer, 425, 425);
	pending_answer(engine, transfer, NULL);
}

void
retry_abandon(struct engine *engine, struct pending *ours)
{
	retry_refuse(engine, ours->transfer);
	ours->transfer = NULL;
	if (ours->waits) { /* for no reply any more */
		pending_drop(engine, ours);
		return;
	}
	/* Its reply may come yet, or the rest of it, and is nobody's. */
	if (engine->replying == ours)
		engine->how = DROP;
	if (ours->data != NULL)
		data_close(engine, ours->data);
	ours->is_ask = false;
	ours->flags = 0;
	/* A REST must not be there for the next transfer. */
	if (ours->verb == VERB_REST) {
		engine_sendf(engine, ENGINE_SERVER, "REST 0");
		pending_add(engine, PENDING_OURS, VERB_REST);
	}
}
