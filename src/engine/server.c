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
	if (data != NULL ? data->up[ENGINE_SERVER] : engine->foreign)
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
	bool ended = data->shut[ENGINE_SERVER] ||
	    data_file_ended(engine, data, ENGINE_CLIENT);

	return exchange_is_upload(transfer) && !(ended && data->unsent == 0);
}

/* Takes the place of a good reply that is not to be believed. */
static void
refuse_good(struct engine *engine, unsigned code, const char *why)
{
	engine->how = DROP;
	engine->told = code;
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

	if (code < 200 || code >= 300 || (data != NULL && data->cut))
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
	refuse_good(engine, data->up[ENGINE_CLIENT] ? 426 : 425,
	    data->why[0] != '\0' ? data->why : "the data connection was cut");
}

/* The first reply to a transfer, or its last: false while it must wait. */
static bool
begin_transfer_reply(struct engine *engine, struct exchange *transfer,
    unsigned code, const uint8_t *line, size_t len)
{
	struct data *data = data_attach(engine, transfer);
	/* pure-ftpd's only word on a download that was cut: a second 150. */
	bool again = transfer->begun && (code == 125 || code == 150);
	const char *untrue;

	if (transfer->rest == NULL) {
		transfer->rest = engine->rest;
		engine->rest = NULL;
	}
	if (code == 425 && retry_is_possible(engine, transfer)) {
		engine->how = DROP_RETRY;
		retry_begin(engine, transfer, line, len);
		return true;
	}
	data_settle_end(engine, transfer, code);
	if (data_holds_reply(engine, transfer, code))
		return false;
	learn_retried(engine, transfer, code);
	untrue = cut_untrue(engine, transfer, data, code);
	engine->how = PASS;
	if (untrue != NULL)
		refuse_good(engine, 425, untrue);
	else if (data != NULL && data->cut &&
	    (again || (code >= 200 && code < 300)))
		refuse_cut(engine, data);
	transfer->twice |= again;
	return true;
}

/* A 227 that answers no request for a data connection: when the end of a reply
 * was guessed, another one may have been taken for the answer, and this is the
 * right one. */
static void
begin_stray_announcement(struct engine *engine, unsigned code,
    const uint8_t *line, size_t len)
{
	struct hostport hostport;

	if (engine->how == PASS && engine->unfinished.guessed != 0 &&
	    hostport_parse_reply(code, line, len, &hostport) == 0)
		engine->how = REWRITE;
}

/* Decides what becomes of a reply at its first line; false: not yet. */
static bool
begin_reply(struct engine *engine, struct exchange *exchange, unsigned code,
    const uint8_t *line, size_t len)
{
	engine->how = PASS;
	engine->told = code;
	engine->rewritten = false;
	if (exchange == NULL && unfinished_owns_reply(engine, code))
		engine->how = DROP;
	if (exchange == NULL) {
		cwd_stray(engine, code);
		begin_stray_announcement(engine, code, line, len);
	}
	if (exchange == NULL || exchange->kind == EXCHANGE_GREETING)
		return true;
	if (exchange->is_request) {
		request_begin_reply(engine, exchange, code, line, len);
		return true;
	}
	if (exchange->kind == EXCHANGE_OURS) {
		if (exchange->cwd)
			cwd_learn(engine, exchange, code, line, len);
		engine->how = DROP;
		return true;
	}
	if ((code == 125 || code == 150) && exchange->verb == VERB_OTHER)
		exchange->flags |= VERB_SENDS | VERB_RECEIVES;
	if (exchange_is_transfer(exchange))
		return begin_transfer_reply(engine, exchange, code, line, len);
	/* EPSV ALL, as ftp-srv answers it. */
	if ((exchange->flags & VERB_IS_PASSIVE) != 0 && code >= 227 &&
	    code <= 229)
		engine->how = REWRITE;
	else if (exchange->verb == VERB_FEAT && !engine->config.allow_tls)
		engine->how = FILTER_FEAT;
	begin_stray_announcement(engine, code, line, len);
	return true;
}

/* ---- the end of a reply ---- */

static void
end_noop(struct engine *engine, unsigned code)
{
	if (code < 500 || engine->noop_refused)
		return;
	engine->noop_refused = true;
	engine_logf(engine, ENGINE_INFO,
	    "the server refuses NOOP (%u): --keepalive has no effect", code);
}

static void
end_auth(struct engine *engine, unsigned code)
{
	engine->tls_pending = false;
	if (code != 234 && code != 334 && code != 335)
		return;
	engine->opaque = true;
	owner_login(engine);
	engine_logf(engine, ENGINE_INFO,
	    "the session uses TLS from here on; culvert no longer sees its "
	    "commands, and its data connections do not go through SSH");
}

/* What was prepared is void; a new user's REST too.  REIN ends block mode and
 * records. */
static void
end_void(struct engine *engine, const struct exchange *exchange)
{
	if (engine->next != NULL)
		data_close(engine, engine->next);
	/* Else it is a PORT that is not ours. */
	engine->foreign =
	    exchange->verb != VERB_USER && exchange->verb != VERB_REIN;
	if (engine->foreign)
		return;
	free(engine->rest);
	engine->rest = NULL;
	if (exchange->verb != VERB_REIN)
		return;
	report_forget(engine);
	engine->mode = 'S';
	engine->structure = 'F';
	engine->epsv_all = false;
}

static void
end_setting(struct engine *engine, const struct exchange *exchange)
{
	enum framing before = engine_framing(engine);

	if (exchange->verb == VERB_MODE)
		engine->mode = exchange->setting;
	else
		engine->structure = exchange->setting;
	if (engine_framing(engine) != before)
		data_set_framing(engine);
}

static void
end_rest(struct engine *engine, struct exchange *exchange, unsigned code)
{
	/* Ours takes back the client's, see exchange_void_rest(). */
	if (exchange->kind == EXCHANGE_COMMAND && (code < 300 || code >= 400))
		return;
	free(engine->rest);
	engine->rest = exchange->rest;
	exchange->rest = NULL;
}

/* An answer to one of the three with which people log in. */
static bool
is_about_login(const struct exchange *exchange)
{
	return exchange->kind == EXCHANGE_COMMAND &&
	    (exchange->verb == VERB_USER || exchange->verb == VERB_PASS ||
		exchange->verb == VERB_ACCT);
}

/* A final reply has passed. */
static void
end_command(struct engine *engine, struct exchange *exchange, unsigned code)
{
	bool transferred = exchange_is_transfer(exchange) && engine->told < 300;

	engine->follows = code >= 300 && code < 400;
	report_command(engine, exchange, code);
	cwd_moved(engine, exchange, code);
	if (transferred || (is_about_login(exchange) && code < 300))
		owner_login(engine);
	if (exchange_is_transfer(exchange)) {
		unfinished_note_transfer(engine, code, engine->told);
		data_transfer_over(engine, exchange, code, engine->told);
	} else if (exchange->noop)
		end_noop(engine, code);
	else if (exchange->transfer != NULL)
		retry_rest_answered(engine, exchange, code);
	else if (exchange->verb == VERB_REST)
		end_rest(engine, exchange, code);
	else if (exchange->epsv_all && code < 300)
		engine->epsv_all = true;
	else if ((exchange->verb == VERB_MODE || exchange->verb == VERB_STRU) &&
	    code < 300)
		end_setting(engine, exchange);
	else if (exchange->verb == VERB_AUTH)
		end_auth(engine, code);
	else if ((exchange->flags & VERB_VOIDS_DATA) != 0 && code < 400)
		end_void(engine, exchange);
	else if (exchange->verb == VERB_QUIT && code < 300 &&
	    engine->next != NULL && exchange_transfer(engine) == NULL)
		/* pyftpdlib does not end before an unused one does, which
		 * but for our early dial it would not have. */
		data_close(engine, engine->next);
	exchange_drop(engine, exchange);
}

void
engine_end_cut(struct engine *engine, struct exchange *transfer)
{
	refuse_cut(engine, transfer->data);
	end_command(engine, transfer, 150);
}

void
engine_end_reply(struct engine *engine, unsigned code)
{
	struct exchange *exchange = engine->replying, *other;

	engine->replying = NULL;
	TAILQ_FOREACH (other, &engine->exchanges, link)
		other->fresh = false;
	if (exchange == NULL)
		return;
	if (engine->how == REWRITE && !engine->rewritten) {
		engine->foreign = true;
		engine_logf(engine, ENGINE_WARN,
		    "no host-port was found in a %u reply; it was passed as "
		    "it is, the data connection will not go through SSH",
		    code);
	}
	if (engine->told < 200) {
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
	if (engine->how == DROP_RETRY)
		return;
	if (exchange->is_request)
		request_end_reply(engine, exchange, code);
	else
		end_command(engine, exchange, code);
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
	engine->rewritten = true;
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
	engine->rewritten = true;
	if (data->failed[ENGINE_SERVER] && !data->failed[ENGINE_CLIENT]) {
		engine->how = DROP_REQUEST;
		request_keep_failure(engine, engine->replying, data);
	} else if (data->failed[ENGINE_CLIENT]) {
		refuse_passive(engine, code, place, data->why);
		data_close(engine, data);
	} else {
		send_rewritten(engine, data, code, line, len, hostport);
		data_make_next(engine, data);
		engine->making = NULL;
		if (engine->replying != NULL && engine->replying->is_request)
			learn_accepted(engine, engine->replying);
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
	if (engine->rewritten && found && engine->next != NULL &&
	    engine->next->end[ENGINE_CLIENT].listens) {
		send_rewritten(engine, engine->next, code, line, len,
		    &hostport);
		return true;
	}
	if (engine->rewritten || !found) {
		if (place == REPLY_ONLY && engine->replying != NULL &&
		    engine->replying->is_request &&
		    request_not_understood(engine, engine->replying, line, len))
			return true;
		hostport_pass(engine, code, line, len);
		return true;
	}
	if (engine->making != NULL)
		return finish_passive(engine, code, place, line, len,
		    &hostport);
	server.to = hostport.addr;
	request = engine->replying;
	if (request != NULL && !request->is_request)
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
	if (engine->how == REWRITE)
		return rewrite_line(engine, code, place, line, len);
	if (engine->how == TRANSLATE) {
		assert(engine->replying != NULL);
		request_reply_line(engine, engine->replying, code, line, len);
		return true;
	}
	if (reply_is_dropped(engine) ||
	    (engine->how == FILTER_FEAT && place == REPLY_INNER &&
		reply_is_tls_feature(line, len)))
		return true;
	hostport_pass(engine, code, line, len);
	return true;
}

/* One line; false while it must wait. */
static bool
take_line(struct engine *engine, const uint8_t *line, size_t len)
{
	struct reply_reader next = engine->reply;
	unsigned code;
	enum reply_place place = reply_next(&next, line, len, &code);
	bool begins;

	if (place == REPLY_LAST && engine->making == NULL)
		unfinished_last_line(engine, code);
	else if (place == REPLY_INNER && engine->making == NULL &&
	    unfinished_judge(engine, line, len) == UNFINISHED_WAIT)
		return false;
	if (engine->reply.code == 0) {
		next = engine->reply;
		place = reply_next(&next, line, len, &code);
	}
	begins = place == REPLY_ONLY || place == REPLY_FIRST;
	if (place == REPLY_STRAY) {
		if (greeting_refuses(engine, line, len))
			return true;
		engine->how = PASS;
		hostport_pass(engine, 0, line, len);
		return true;
	}
	/* While a listener is being made the reply has begun already. */
	if (begins && engine->making == NULL) {
		engine->replying = engine_match(engine, code);
		if (code == 421 && engine->replying == NULL)
			exchange_be_sure(engine, true);
		if (!begin_reply(engine, engine->replying, code, line, len))
			return false;
		if (engine->replying != NULL)
			report_reply_line(engine->replying, code, line, len);
	}
	if (!pass_line(engine, code, place, line, len))
		return false;
	if (engine->replying != NULL && code >= 200 &&
	    !reply_is_dropped(engine))
		engine->replying->told |=
		    !engine->eof[ENGINE_CLIENT] && !engine->lost[ENGINE_CLIENT];
	engine->reply = next;
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
	engine->fragment[ENGINE_SERVER] = result != LINE_READY;
	line_reader_consume(&engine->input[ENGINE_SERVER], len);
	return true;
}

bool
engine_step_server(struct engine *engine)
{
	struct line_reader *input = &engine->input[ENGINE_SERVER];
	bool ended = engine->eof[ENGINE_SERVER] || engine->lost[ENGINE_SERVER];
	const uint8_t *line;
	size_t len, n_exchanges = engine->n_exchanges;
	enum line_result result = line_reader_peek(input, &line, &len);

	if (engine->opaque)
		len = line_reader_len(input);
	/* A line that the end has cut off is a line. */
	if (len == 0 || (result == LINE_MORE && !engine->opaque && !ended))
		return false;
	if (engine->opaque || engine->fragment[ENGINE_SERVER])
		return pass_rest(engine, line, len, result);
	/* Less than a code, and nobody has ended there: no reply of anybody. */
	if (result == LINE_MORE && engine->lost[ENGINE_SERVER] &&
	    engine->reply.code == 0 && len < CODE_LEN) {
		line_reader_consume(input, len);
		return true;
	}
	/* What is behind an announcement may not overtake it. */
	if (request_is_announcing(engine))
		return false;
	/* A command that was let go of holds up nobody any more. */
	if (!take_line(engine, line, len))
		return engine->n_exchanges != n_exchanges;
	engine->fragment[ENGINE_SERVER] =
	    result != LINE_READY && !engine->stopping;
	engine->bare_code = reply_is_bare_code(line, len);
	engine->n_lines++;
	line_reader_consume(input, len);
	return true;
}
