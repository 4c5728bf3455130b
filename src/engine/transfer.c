/*
 * The control engine: transfers, as exchanges.  What a data connection does
 * with them: hold.c and event.c.
 */
#include "engine/priv.h"

/* ---- which replies are its own ---- */

/* Has a transfer begun whose data are still to come? */
bool
transfer_is_running(const struct exchange *exchange)
{
	const struct data *data = exchange->data;

	return exchange_is_transfer(exchange) && exchange->begun &&
	    data != NULL && !data->delivered && !data->server.shut &&
	    !data->server.lost;
}

/* Answers to a pipelined command, never the end of a transfer. */
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
	/* Never the first and last reply to a transfer. */
	static const unsigned not_only[] = { 211, 212, 213, 214, 215, 227, 228,
		229, 257, 331, 350, 0 };

	if (!transfer->begun)
		return !match_is_one_of(code, not_only);
	return !answers_others(code) &&
	    (!match_begins_transfer(code) || transfer_is_running(transfer));
}

bool
transfer_expects(const struct exchange *transfer, unsigned code)
{
	return code == 226 || code == 250 ||
	    (!transfer->begun && match_begins_transfer(code));
}

/* An announcement that nobody has asked for, unless something like SPSV has. */
static struct exchange *
stray_announcement(struct engine *engine)
{
	struct exchange *exchange;

	TAILQ_FOREACH (exchange, &engine->exchanges, link)
		if (exchange->type == EXCHANGE_COMMAND && !exchange->begun &&
		    exchange->verb == VERB_OTHER &&
		    (exchange->flags & VERB_IS_ORDINARY) == 0)
			return exchange;
	return NULL;
}

/* What does not end a transfer answers a command behind it. */
struct exchange *
transfer_misfit(struct engine *engine, struct exchange *transfer, unsigned code)
{
	struct exchange *other;

	if (match_announces(code))
		return stray_announcement(engine);
	other = match_behind(transfer, code);
	if (other != NULL)
		return other;
	/* What was left out in doubt may be answered yet. */
	return transfer->begun && engine->unfinished.late != 0 ? NULL :
								 transfer;
}

void
transfer_skip(struct engine *engine, struct exchange *transfer)
{
	data_transfer_over(engine, transfer, 0, 0);
}

/* ---- replies that cannot be true ---- */

/*
 * Does the server call a transfer good to which it has never connected?  An
 * upload has not gone anywhere.  Nor has a file, unless it is known to be
 * empty.  But there are servers that do not connect for an empty listing; and
 * of a data connection that does not come through us nothing is known.
 */
static bool
is_baseless(const struct engine *engine, const struct exchange *transfer,
    const struct data *data)
{
	if (data != NULL ? data->server.up : engine->foreign)
		return false;
	if (exchange_is_upload(transfer))
		return true;
	return transfer->verb == VERB_RETR &&
	    report_size(engine, transfer) != SIZE_WHOLE;
}

/* The server calls an upload good whose end it has not been told: what the
 * client still sends, or what waits here, would go nowhere. */
static bool
is_early(const struct engine *engine, const struct exchange *transfer,
    const struct data *data)
{
	bool ended =
	    data->server.shut || data_file_ended(engine, data, ENGINE_CLIENT);

	return exchange_is_upload(transfer) && !(ended && data->unsent == 0);
}

/* Takes the place of a good reply that is not to be believed. */
static void
refuse_good(struct engine *engine, unsigned code, const char *why)
{
	engine->reply.how = DROP;
	engine->reply.told = code;
	engine_sendf(engine, ENGINE_CLIENT, "%u Transfer not complete: %s.",
	    code, why);
}

/* A good reply that cannot be true.  Returns why, if there is no data
 * connection to tell it to. */
static const char *
cut_untrue(struct engine *engine, const struct exchange *transfer,
    struct data *data, unsigned code)
{
	const char *doubt = NULL;

	if (code < 200 || code >= 300 || (data != NULL && data_is_cut(data)))
		return NULL;
	if (data != NULL && exchange_is_upload(transfer))
		doubt = data_doubt_upload(engine, transfer, data);
	if (is_baseless(engine, transfer, data)) {
		if (data == NULL)
			return REPORT_NO_DATA;
		data_set_cut(data, REPORT_NO_DATA);
	} else if (data != NULL && is_early(engine, transfer, data)) {
		data_set_cut(data, "the server answered before the end");
	} else if (doubt != NULL) {
		data_set_cut(data, doubt);
	} else {
		return NULL;
	}
	data_reset_client(engine, data);
	return NULL;
}

static void
refuse_cut(struct engine *engine, const struct data *data)
{
	refuse_good(engine, data->client.up ? 426 : 425,
	    data->why[0] != '\0' ? data->why : "the data connection was cut");
}

bool
transfer_begin_reply(struct engine *engine, struct exchange *transfer,
    unsigned code, const uint8_t *line, size_t len)
{
	struct data *data = data_attach(engine, transfer);
	/* pure-ftpd's only word on a download that was cut: a second 150. */
	bool again = transfer->begun && (code == 125 || code == 150);
	const char *untrue;

	if (transfer->rest == NULL) {
		transfer->rest = engine->session.rest;
		engine->session.rest = NULL;
	}
	if (code == 425 && retry_is_possible(engine, transfer)) {
		engine->reply.how = DROP_RETRY;
		retry_begin(engine, transfer, line, len);
		return true;
	}
	data_settle_end(engine, transfer, code);
	if (data_holds_reply(engine, transfer, code))
		return false;
	learn_retried(engine, transfer, code);
	untrue = cut_untrue(engine, transfer, data, code);
	engine->reply.how = PASS;
	if (untrue != NULL)
		refuse_good(engine, 425, untrue);
	else if (data != NULL && data_is_cut(data) &&
	    (again || (code >= 200 && code < 300)))
		refuse_cut(engine, data);
	transfer->move.twice |= again;
	return true;
}

void
transfer_end_reply(struct engine *engine, struct exchange *transfer,
    unsigned code)
{
	unfinished_note_transfer(engine, code, engine->reply.told);
	data_transfer_over(engine, transfer, code, engine->reply.told);
}

void
transfer_end_cut(struct engine *engine, struct exchange *transfer)
{
	refuse_cut(engine, transfer->data);
	reply_end_command(engine, transfer, 150);
}
