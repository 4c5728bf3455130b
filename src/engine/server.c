/*
 * The control engine: lines of the server.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "engine/priv.h"
#include "ftp/hostport.h"

/* Three digits, and a blank or a hyphen. */
#define CODE_LEN 4

/* ---- the beginning of a reply ---- */

/* Decides what becomes of a reply at its first line; false: not yet. */
static bool
begin_reply(struct engine *engine, struct exchange *exchange, unsigned code,
    const uint8_t *line, size_t len)
{
	engine->reply.how = PASS;
	engine->reply.told = code;
	engine->reply.rewritten = false;
	if (exchange != NULL)
		return exchange_ops(exchange)->begin(engine, exchange, code,
		    line, len);
	if (unfinished_owns_reply(engine, code))
		engine->reply.how = DROP;
	cwd_stray(engine, code);
	effect_stray_announcement(engine, code, line, len);
	return true;
}

/* ---- the end of a reply ---- */

/* An answer to one of the three with which people log in. */
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

	engine->session.follows = code >= 300 && code < 400;
	report_command(engine, exchange, code);
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
		engine->foreign = true;
		engine_logf(engine, ENGINE_WARN,
		    "no host-port was found in a %u reply; it was passed as "
		    "it is, the data connection will not go through SSH",
		    code);
	}
	if (engine->reply.told < 200) {
		if (exchange_is_transfer(exchange) && !exchange->begun) {
			engine->unfinished.owed = false;
			report_begin(engine, exchange);
		}
		exchange->begun = true;
		/* There are servers that ask nobody who he is. */
		if (exchange_is_transfer(exchange))
			owner_login(engine);
		/* The last reply is held as the first one was. */
		if (exchange->data != NULL)
			exchange->data->expired = false;
		return;
	}
	if (engine->reply.how == DROP_RETRY)
		return;
	if (exchange_is_request(exchange))
		request_end_reply(engine, exchange, code);
	else
		reply_end_command(engine, exchange, code);
}

/* ---- the lines of a reply ---- */

static void
send_rewritten(struct engine *engine, const struct data *data, unsigned code,
    const uint8_t *line, size_t len, const struct hostport *hostport)
{
	char text[HOSTPORT_TEXT_MAX];
	uint8_t rewritten[LIMIT_REPLY_LINE + HOSTPORT_TEXT_MAX];
	size_t text_len, at = hostport->at, rest = at + hostport->len;

	hostport_format_reply(code, data_told(data), text);
	text_len = strlen(text);
	memcpy(rewritten, line, at);
	memcpy(rewritten + at, text, text_len);
	memcpy(rewritten + at + text_len, line + rest, len - rest);
	/* Another one beside it. */
	hostport_check(engine, code, line, at, false);
	hostport_check(engine, code, line + rest, len - rest,
	    line[len - 1] != '\n');
	engine_send(engine, ENGINE_CLIENT, rewritten,
	    len - hostport->len + text_len);
}

/* Takes the place of a line with a host-port. */
static void
refuse_passive(struct engine *engine, unsigned code, enum reply_place place,
    const char *why)
{
	/* Inside a reply of several lines its code is given. */
	engine_logf(engine, ENGINE_WARN,
	    "no data connection for a %u reply: %s", code, why);
	engine_sendf(engine, ENGINE_CLIENT, "%u%cNo data connection: %s.",
	    place == REPLY_ONLY ? 425 : code,
	    place == REPLY_ONLY || place == REPLY_LAST ? ' ' : '-', why);
	engine->reply.rewritten = true;
}

/* The listener toward the client, and if that is to be seen our connection to
 * the server, are there, or are not. */
static bool
finish_passive(struct engine *engine, unsigned code, enum reply_place place,
    const uint8_t *line, size_t len, const struct hostport *hostport)
{
	struct data *data = engine->making;

	if (!data_is_ready(data) && !data_has_failed(data))
		return false;
	engine->reply.rewritten = true;
	if (data->server.failed && !data->client.failed) {
		engine->reply.how = DROP_REQUEST;
		request_keep_failure(engine, engine->reply.exchange, data);
	} else if (data->client.failed) {
		refuse_passive(engine, code, place, data->why);
		data_close(engine, data);
	} else {
		send_rewritten(engine, data, code, line, len, hostport);
		data_make_next(engine, data);
		engine->making = NULL;
		if (engine->reply.exchange != NULL &&
		    exchange_is_request(engine->reply.exchange))
			learn_accepted(engine, engine->reply.exchange);
	}
	return true;
}

/* A line of a 227 or 229; false while it must wait for its listener. */
static bool
rewrite_line(struct engine *engine, unsigned code, enum reply_place place,
    const uint8_t *line, size_t len)
{
	struct engine_data_end client = { .listens = true };
	struct engine_data_end server = { .listens = false };
	const struct exchange *request;
	struct hostport hostport;

	bool found = hostport_parse_reply(code, line, len, &hostport) == 0;

	/* Said twice in one reply: clients take the first, or the last. */
	if (engine->reply.rewritten && found && engine->next != NULL &&
	    engine->next->client.how.listens) {
		send_rewritten(engine, engine->next, code, line, len,
		    &hostport);
		return true;
	}
	if (engine->reply.rewritten || !found) {
		if (place == REPLY_ONLY && engine->reply.exchange != NULL &&
		    exchange_is_request(engine->reply.exchange) &&
		    request_not_understood(engine, engine->reply.exchange, line,
			len))
			return true;
		hostport_pass(engine, code, line, len);
		return true;
	}
	if (engine->making != NULL)
		return finish_passive(engine, code, place, line, len,
		    &hostport);
	server.to = hostport.addr;
	request = engine->reply.exchange;
	if (request != NULL && !exchange_is_request(request))
		request = NULL;
	engine->making = data_open(engine, request, &client, &server);
	if (engine->making != NULL)
		return false;
	refuse_passive(engine, code, place, "there are too many");
	return true;
}

static bool
pass_line(struct engine *engine, unsigned code, enum reply_place place,
    const uint8_t *line, size_t len)
{
	if (engine->reply.how == REWRITE)
		return rewrite_line(engine, code, place, line, len);
	if (engine->reply.how == TRANSLATE) {
		assert(engine->reply.exchange != NULL);
		request_reply_line(engine, engine->reply.exchange, code, line,
		    len);
		return true;
	}
	if (reply_is_dropped(engine) ||
	    (engine->reply.how == FILTER_FEAT && place == REPLY_INNER &&
		reply_is_tls_feature(line, len)))
		return true;
	hostport_pass(engine, code, line, len);
	return true;
}

/* One line; false while it must wait. */
static bool
take_line(struct engine *engine, const uint8_t *line, size_t len)
{
	struct reply_reader next = engine->reply.reader;
	unsigned code;
	enum reply_place place = reply_next(&next, line, len, &code);
	bool begins;

	if (place == REPLY_LAST && engine->making == NULL)
		unfinished_last_line(engine, code);
	else if (place == REPLY_INNER && engine->making == NULL &&
	    unfinished_judge(engine, line, len) == UNFINISHED_WAIT)
		return false;
	if (engine_open_code(engine) == 0) {
		next = engine->reply.reader;
		place = reply_next(&next, line, len, &code);
	}
	begins = place == REPLY_ONLY || place == REPLY_FIRST;
	if (place == REPLY_STRAY) {
		if (greeting_refuses(engine, line, len))
			return true;
		engine->reply.how = PASS;
		hostport_pass(engine, 0, line, len);
		return true;
	}
	/* While a listener is being made the reply has begun already. */
	if (begins && engine->making == NULL) {
		engine->reply.exchange = match_reply(engine, code);
		if (code == 421 && engine->reply.exchange == NULL)
			exchange_be_sure(engine, true);
		if (!begin_reply(engine, engine->reply.exchange, code, line,
			len))
			return false;
		if (engine->reply.exchange != NULL)
			report_reply_line(engine->reply.exchange, code, line,
			    len);
	}
	if (!pass_line(engine, code, place, line, len))
		return false;
	if (engine->reply.exchange != NULL && code >= 200 &&
	    !reply_is_dropped(engine))
		engine->reply.exchange->move.told |=
		    !engine_has_gone(engine, ENGINE_CLIENT);
	engine->reply.reader = next;
	if (place == REPLY_ONLY || place == REPLY_LAST)
		engine_end_reply(engine, code);
	return true;
}

/* The rest of an over-long line, or TLS. */
static bool
pass_rest(struct engine *engine, const uint8_t *line, size_t len,
    enum line_result result)
{
	if (engine->opaque)
		engine_send(engine, ENGINE_CLIENT, line, len);
	else if (!reply_is_dropped(engine))
		hostport_pass(engine, 0, line, len);
	engine->peers[ENGINE_SERVER].fragment = result != LINE_READY;
	line_reader_consume(&engine->peers[ENGINE_SERVER].input, len);
	return true;
}

bool
engine_step_server(struct engine *engine)
{
	struct line_reader *input = &engine->peers[ENGINE_SERVER].input;
	bool ended = engine_has_gone(engine, ENGINE_SERVER);
	const uint8_t *line;
	size_t len, n_exchanges = engine->n_exchanges;
	enum line_result result = line_reader_peek(input, &line, &len);

	if (engine->opaque)
		len = line_reader_len(input);
	/* A line that the end has cut off is a line. */
	if (len == 0 || (result == LINE_MORE && !engine->opaque && !ended))
		return false;
	if (engine->opaque || engine->peers[ENGINE_SERVER].fragment)
		return pass_rest(engine, line, len, result);
	/* Less than a code, and nobody has ended there: no reply of anybody. */
	if (result == LINE_MORE && engine->peers[ENGINE_SERVER].lost &&
	    engine_open_code(engine) == 0 && len < CODE_LEN) {
		line_reader_consume(input, len);
		return true;
	}
	/* What is behind an announcement may not overtake it. */
	if (request_is_announcing(engine))
		return false;
	/* A command that was let go of holds up nobody any more. */
	if (!take_line(engine, line, len))
		return engine->n_exchanges != n_exchanges;
	engine->peers[ENGINE_SERVER].fragment =
	    result != LINE_READY && !engine->stopping;
	engine->reply.bare_code = reply_is_bare_code(line, len);
	engine->n_lines++;
	line_reader_consume(input, len);
	return true;
}
