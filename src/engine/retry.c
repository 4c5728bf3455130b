/*
 * The control engine: sends a refused transfer again.
 *
 * A server may accept a PORT, and find out only at RETR that it cannot connect
 * to the address: 425.  Then culvert sends a passive request of its own, and
 * after it the transfer again, with its REST.
 */
#include <stdlib.h>

#include "engine/priv.h"

static void
send_again(struct engine *engine, struct exchange *transfer)
{
	transfer->stage = STAGE_SENT;
	engine_send(engine, ENGINE_SERVER, transfer->line.bytes,
	    transfer->line.len);
	exchange_to_end(engine, transfer);
}

bool
retry_is_possible(const struct engine *engine, const struct exchange *transfer)
{
	const struct data *data = transfer->data;

	/* STOU would leave an empty file under another name.  And commands that
	 * were sent after the transfer would be executed before it. */
	return data != NULL && data->server.how.listens &&
	    !data->client.how.listens && !data->server.up &&
	    !data_is_cut(data) && !data_is_aborted(data) &&
	    !exchange_has_begun(transfer) && transfer->line.bytes != NULL &&
	    transfer->verb != VERB_STOU && transfer->verb != VERB_OTHER &&
	    !engine_is_framed(engine) && TAILQ_NEXT(transfer, link) == NULL &&
	    !engine_has_gone(engine, ENGINE_CLIENT) &&
	    variant_has_passive(engine);
}

void
retry_begin(struct engine *engine, struct exchange *transfer,
    const uint8_t *line, size_t len)
{
	struct exchange *request =
	    exchange_add(engine, EXCHANGE_OWN_REQUEST, VERB_PORT);

	if (request == NULL)
		return;
	exchange_keep_refusal(engine, request, line, len);
	exchange_keep_refusal(engine, transfer, line, len);
	transfer->stage = STAGE_UNSENT;
	/* No connection that comes late may be taken for the transfer's. */
	data_act(engine, transfer->data, ENGINE_DATA_DROP, ENGINE_SERVER);
	request->flags = VERB_IS_PASSIVE;
	request->transfer = transfer;
	request->request.own = VARIANT_PORT;
	request->request.to = transfer->data->client.how.to;
	request->request.tried = VARIANTS_ACTIVE;
	request_next_variant(engine, request);
}

void
retry_go_on(struct engine *engine, struct exchange *request)
{
	struct exchange *rest, *transfer = request->transfer;

	transfer->move.again = request->request.variant;
	transfer->move.again_tried = request->request.tried;
	if (transfer->data != NULL)
		data_close(engine, transfer->data);
	transfer->data = request->data;
	data_enter(transfer->data, DATA_CURRENT);
	request->data = NULL;
	if (transfer->rest == NULL) {
		send_again(engine, transfer);
		return;
	}
	rest = exchange_add(engine, EXCHANGE_OWN_REST, VERB_REST);
	if (rest == NULL)
		return;
	rest->transfer = transfer;
	engine_sendf(engine, ENGINE_SERVER, "REST %s", transfer->rest);
	exchange_time(engine, rest);
}

void
retry_rest_answered(struct engine *engine, struct exchange *rest, unsigned code)
{
	if (rest->transfer == NULL) { /* REST 0 */
		free(engine->session.rest);
		engine->session.rest = NULL;
	} else if (code >= 300 && code < 400)
		send_again(engine, rest->transfer);
	else
		retry_refuse(engine, rest->transfer);
}

void
retry_refuse(struct engine *engine, struct exchange *transfer)
{
	data_transfer_over(engine, transfer, 425, 425);
	exchange_answer(transfer);
}

void
retry_abandon(struct engine *engine, struct exchange *ours)
{
	if (ours->transfer == NULL) /* REST 0 */
		return;
	retry_refuse(engine, ours->transfer);
	ours->transfer = NULL;
	if (ours->stage == STAGE_UNSENT) { /* it will get no reply */
		exchange_drop(engine, ours);
		return;
	}
	/* Its reply, or the rest of it, may still come, and must be dropped. */
	if (engine->reply.exchange == ours)
		engine->reply.how = DROP;
	if (ours->data != NULL)
		data_close(engine, ours->data);
	ours->type = EXCHANGE_OWN_OVER;
	ours->flags = 0;
	/* The REST must not apply to the next transfer. */
	if (ours->verb == VERB_REST) {
		engine_sendf(engine, ENGINE_SERVER, "REST 0");
		exchange_add(engine, EXCHANGE_OWN_REST, VERB_REST);
	}
}
