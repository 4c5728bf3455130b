/*
 * The control engine: transfers as exchanges.  For their data connections see
 * hold.c and event.c.
 */
#include "engine/priv.h"

/* ---- which replies are its own ---- */

bool
transfer_is_running(const struct exchange *exchange)
{
	const struct data *data = exchange->data;

	return exchange_is_transfer(exchange) && exchange_has_begun(exchange) &&
	    data != NULL && !data->delivered && !data->server.shut &&
	    !data->server.lost;
}

/* Does the code answer a pipelined command, but never end a transfer? */
static bool
answers_others(unsigned code)
{
	static const unsigned codes[] = { 200, 202, 211, 212, 213, 214, 215,
		220, 221, 227, 228, 229, 230, 234, 257, 331, 334, 335, 350, 500,
		501, 502, 503, 504, 0 };

	return match_is_one_of(code, codes);
}

bool
transfer_fits(const struct exchange *transfer, unsigned code)
{
	/* These are never the only reply to a transfer. */
	static const unsigned not_only[] = { 211, 212, 213, 214, 215, 227, 228,
		229, 257, 331, 350, 0 };

	if (!exchange_has_begun(transfer))
		return !match_is_one_of(code, not_only);
	return !answers_others(code) &&
	    (!match_begins_transfer(code) || transfer_is_running(transfer));
}

bool
transfer_expects(const struct exchange *transfer, unsigned code)
{
	return code == 226 || code == 250 ||
	    (!exchange_has_begun(transfer) && match_begins_transfer(code));
}

/* Returns the command that a 227 to 229 without a request may answer: one that
 * culvert does not know, as SPSV; or NULL. */
static struct exchange *
stray_announcement(struct engine *engine)
{
	struct exchange *exchange;

	TAILQ_FOREACH (exchange, &engine->exchanges, link)
		if (exchange->type == EXCHANGE_COMMAND &&
		    !exchange_has_begun(exchange) &&
		    exchange->verb == VERB_OTHER &&
		    (exchange->flags & VERB_IS_ORDINARY) == 0)
			return exchange;
	return NULL;
}

/* A reply that does not end a transfer answers a command after it. */
struct exchange *
transfer_misfit(struct engine *engine, struct exchange *transfer, unsigned code)
{
	struct exchange *other;

	if (match_announces(code))
		return stray_announcement(engine);
	other = match_behind(transfer, code);
	if (other != NULL)
		return other;
	/* The command of a reply that culvert took for ended in doubt may still
	 * be answered. */
	return exchange_has_begun(transfer) && engine->unfinished.late != 0 ?
	    NULL :
	    transfer;
}

void
transfer_skip(struct engine *engine, struct exchange *transfer)
{
	data_transfer_over(engine, transfer, 0, 0);
}

void
transfer_end_reply(struct engine *engine, struct exchange *transfer,
    unsigned code)
{
	unfinished_note_transfer(engine, code, engine->reply.told);
	data_transfer_over(engine, transfer, code, engine->reply.told);
}
