/*
 * The control engine: lines of the server.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "engine/priv.h"

/* Three digits, and a blank or a hyphen. */
#define CODE_LEN 4

/* ---- the beginning of a reply ---- */

/* Decides at the first line what is done with a reply.  Returns STEP_WAIT if
 * that cannot be decided yet. */
static enum step
begin_reply(struct engine *engine, struct exchange *exchange, unsigned code,
    const uint8_t *line, size_t len)
{
	enum step (*begin)(struct engine * engine, struct exchange * exchange,
	    unsigned code, const uint8_t *line, size_t len);

	engine->reply.how = PASS;
	engine->reply.told = code;
	engine->reply.rewritten = false;
	if (exchange != NULL) {
		begin = exchange_ops(exchange)->begin;
		return (begin != NULL ? begin : effect_begin)(engine, exchange,
		    code, line, len);
	}
	if (unfinished_claim_reply(engine, code))
		engine->reply.how = DROP;
	cwd_stray(engine, code);
	effect_stray_announcement(engine, code, line, len);
	return STEP_DONE;
}

/* ---- the end of a reply ---- */

/* Is it a reply to USER, PASS or ACCT? */
static bool
is_about_login(const struct exchange *exchange)
{
	return exchange_is_of(exchange, PARTY_CLIENT) &&
	    (exchange->verb == VERB_USER || exchange->verb == VERB_PASS ||
		exchange->verb == VERB_ACCT);
}

void
reply_end_command(struct engine *engine, struct exchange *exchange,
    unsigned code)
{
	const struct exchange_ops *ops = exchange_ops(exchange);
	bool transferred =
	    exchange_is_transfer(exchange) && engine->reply.told < 300;

	if (ops->repeats) {
		ops->end(engine, exchange, code);
		return;
	}
	engine->session.follows = code >= 300 && code < 400;
	size_note_command(engine, exchange, code);
	if (exchange->verb == VERB_USER && code < 400)
		owner_note_user(engine, exchange);
	cwd_moved(engine, exchange, code);
	if (transferred || (is_about_login(exchange) && code < 300))
		owner_login(engine);
	if (ops->end != NULL)
		ops->end(engine, exchange, code);
	exchange_drop(engine, exchange);
}

void
engine_end_reply(struct engine *engine, unsigned code)
{
	struct exchange *exchange = engine->reply.exchange, *other;

	engine->reply.exchange = NULL;
	TAILQ_FOREACH (other, &engine->exchanges, link)
		other->fresh = false;
	if (exchange == NULL)
		return;
	if (engine->reply.how == REWRITE && !engine->reply.rewritten) {
		engine->conns.foreign = true;
		engine_logf(engine, ENGINE_WARN,
		    "found no address and port in a %u reply, passed it "
		    "unchanged: the data connection will bypass SSH",
		    code);
	}
	if (engine->reply.told < 200) {
		if (exchange_is_transfer(exchange) &&
		    !exchange_has_begun(exchange)) {
			engine->unfinished.owed = false;
			report_begin(engine, exchange);
		}
		if (!exchange_has_begun(exchange))
			exchange->stage = STAGE_BEGUN;
		/* Some servers need no login. */
		if (exchange_is_transfer(exchange))
			owner_login(engine);
		/* The final reply is held for its own time. */
		if (exchange->data != NULL)
			exchange->data->expired = false;
		return;
	}
	if (engine->reply.how == DROP_RETRY)
		return;
	reply_end_command(engine, exchange, code);
}

/* ---- the lines of a reply ---- */

static enum step
pass_line(struct engine *engine, unsigned code, enum reply_place place,
    const uint8_t *line, size_t len)
{
	if (engine->reply.how == REWRITE || engine->reply.how == TRANSLATE)
		return announce_line(engine, code, place, line, len);
	if (reply_is_dropped(engine) ||
	    (engine->reply.how == FILTER_FEAT && place == REPLY_INNER &&
		reply_is_tls_feature(line, len)))
		return STEP_DONE;
	hostport_pass(engine, code, line, len);
	return STEP_DONE;
}

/* Handles one line. */
static enum step
take_line(struct engine *engine, const uint8_t *line, size_t len)
{
	struct reply_reader next = engine->reply.reader;
	unsigned code;
	enum reply_place place = reply_next(&next, line, len, &code);
	bool begins;

	if (place == REPLY_LAST && engine->conns.making == NULL)
		unfinished_last_line(engine, code);
	else if (place == REPLY_INNER && engine->conns.making == NULL &&
	    unfinished_judge(engine, line, len) == UNFINISHED_WAIT)
		return STEP_WAIT;
	if (engine_open_code(engine) == 0) {
		next = engine->reply.reader;
		place = reply_next(&next, line, len, &code);
	}
	begins = place == REPLY_ONLY || place == REPLY_FIRST;
	if (place == REPLY_STRAY) {
		if (greeting_examine(engine, line, len))
			return STEP_DONE;
		engine->reply.how = greeting_is_hidden(engine) ? DROP : PASS;
		if (!reply_is_dropped(engine))
			hostport_pass(engine, 0, line, len);
		return STEP_DONE;
	}
	/* While a listener is being made, the first line was handled before. */
	if (begins && engine->conns.making == NULL) {
		engine->reply.exchange = match_assign(engine, code);
		if (code == 421 && engine->reply.exchange == NULL)
			exchange_be_sure(engine, true);
		if (begin_reply(engine, engine->reply.exchange, code, line,
			len) == STEP_WAIT)
			return STEP_WAIT;
		if (engine->reply.exchange != NULL)
			size_note_reply(engine->reply.exchange, code, line,
			    len);
	}
	if (pass_line(engine, code, place, line, len) == STEP_WAIT)
		return STEP_WAIT;
	if (engine->reply.exchange != NULL && code >= 200 &&
	    !reply_is_dropped(engine))
		engine->reply.exchange->move.told |=
		    !engine_has_gone(engine, ENGINE_CLIENT);
	engine->reply.reader = next;
	if (place == REPLY_ONLY || place == REPLY_LAST)
		engine_end_reply(engine, code);
	return STEP_DONE;
}

/* Passes the rest of an over-long line, or bytes under TLS. */
static enum step
pass_rest(struct engine *engine, const uint8_t *line, size_t len,
    enum line_result result)
{
	if (engine->tls == TLS_ACTIVE)
		engine_send(engine, ENGINE_CLIENT, line, len);
	else if (!reply_is_dropped(engine))
		hostport_pass(engine, 0, line, len);
	engine->peers[ENGINE_SERVER].fragment = result != LINE_READY;
	line_reader_consume(&engine->peers[ENGINE_SERVER].input, len);
	return STEP_DONE;
}

enum step
engine_step_server(struct engine *engine)
{
	struct line_reader *input = &engine->peers[ENGINE_SERVER].input;
	bool ended = engine_has_gone(engine, ENGINE_SERVER);
	const uint8_t *line;
	size_t len, n_exchanges = engine->n_exchanges;
	enum line_result result = line_reader_peek(input, &line, &len);

	if (engine->tls == TLS_ACTIVE)
		len = line_reader_len(input);
	/* What came before the EOF is a line, even without a line end. */
	if (len == 0 ||
	    (result == LINE_MORE && engine->tls != TLS_ACTIVE && !ended))
		return STEP_IDLE;
	if (engine->tls == TLS_ACTIVE || engine->peers[ENGINE_SERVER].fragment)
		return pass_rest(engine, line, len, result);
	/* Part of a code, and the connection was lost: no reply. */
	if (result == LINE_MORE && engine->peers[ENGINE_SERVER].lost &&
	    engine_open_code(engine) == 0 && len < CODE_LEN) {
		line_reader_consume(input, len);
		return STEP_DONE;
	}
	/* If an exchange was removed, a line of the client may go on. */
	if (take_line(engine, line, len) == STEP_WAIT)
		return engine->n_exchanges != n_exchanges ? STEP_DONE :
							    STEP_WAIT;
	engine->peers[ENGINE_SERVER].fragment =
	    result != LINE_READY && !engine->stopping;
	engine->reply.bare_code = reply_is_bare_code(line, len);
	engine->n_lines++;
	line_reader_consume(input, len);
	return STEP_DONE;
}
