/*
 * The control engine: requests to the server for a data connection.
 *
 * A client's PORT or PASV is a request.  It is sent in one variant after the
 * other (engine/variant.c) until the server accepts one.  The client gets one
 * reply, to the command that it has sent.  While the variant is not known to
 * work, commands after the request wait, because a transfer among them would
 * fail.
 *
 *	client    variant sent  needs               answered after
 *	active    active        far listener first  200
 *	active    passive       nothing             229
 *	passive   passive       near listener last  229, when it is ready
 *	passive   active        both first          200
 *
 * (far and near: the server's and the client's side of a local tunnel.)
 *
 * What is remembered of the server's answers: engine/learn.c.  If a variant
 * that was accepted fails at RETR: engine/retry.c.
 */
#include <stdio.h>

#include "engine/priv.h"

/* RFC 2428 section 4. */
#define ONLY_EPSV "503 Only EPSV may follow EPSV ALL."

#define NO_DATA "its listener was lost"

#define TOO_MANY "425 Too many data connections."
#define TOO_MANY_WHY "the session has reached --max-data"

static bool
request_is_active(const struct exchange *request)
{
	return variant_is_active(request->request.own);
}

/* ---- the end of a request ---- */

/* The server has accepted a variant: answers the client's command. */
static void
answer_accepted(struct engine *engine, struct exchange *request)
{
	unsigned code = request->verb == VERB_EPSV ? 229 : 227;
	char digits[HOSTPORT_TEXT_MAX];

	learn_accepted(engine, request);
	if (request_is_active(request)) {
		exchange_set_text(engine, request, "200 %s command successful.",
		    verb_name(request->verb));
	} else {
		hostport_format_reply(code, data_told(request->data), digits);
		exchange_set_text(engine, request,
		    code == 229 ?
			"229 Entering Extended Passive Mode (|||%s|)." :
			"227 Entering Passive Mode (%s).",
		    digits);
	}
	data_make_next(engine, request->data);
	exchange_answer(request);
}

static void
warn_refused(struct engine *engine, const struct exchange *request,
    const char *text)
{
	engine_logf(engine, ENGINE_WARN, "no data connection for %s%s: %s%s",
	    verb_name(request->verb),
	    text[0] == '2' ?
		", because the reply contains no address and port" :
		"",
	    text,
	    engine->config.server_mode != ENGINE_SAME &&
		    !request->request.transient ?
		"; --server-mode same would try both modes" :
		"");
}

/* The client gets the reply that was kept. */
static void
answer_failure(struct engine *engine, struct exchange *request)
{
	if (request->type == EXCHANGE_OWN_REQUEST) {
		retry_refuse(engine, request->transfer);
		exchange_drop(engine, request);
		return;
	}
	exchange_answer(request);
}

/* No variant is left, or one cannot be made.  text: the reply to the client, if
 * no refusal was kept. */
static void
give_up(struct engine *engine, struct exchange *request, const char *text)
{
	char refusal[EXCHANGE_REFUSAL_MAX];

	if (request->type != EXCHANGE_OWN_REQUEST) {
		if (request->reply.bytes == NULL)
			exchange_set_text(engine, request, "%s", text);
		warn_refused(engine, request,
		    exchange_refusal(request, refusal));
		if (request->data != NULL)
			data_close(engine, request->data);
	}
	answer_failure(engine, request);
}

/* culvert itself cannot make the data connection; the server has refused
 * nothing. */
void
request_note_failure(struct engine *engine, struct exchange *request,
    const char *why)
{
	if (request->type != EXCHANGE_OWN_REQUEST)
		engine_logf(engine, ENGINE_WARN,
		    "no data connection for %s: %s", verb_name(request->verb),
		    why != NULL ? why : TOO_MANY_WHY);
	if (why != NULL)
		exchange_set_text(engine, request, EXCHANGE_NO_DATA, why);
	else
		exchange_set_text(engine, request, TOO_MANY);
	if (request->data != NULL)
		data_close(engine, request->data);
}

static void
fail_here(struct engine *engine, struct exchange *request, const char *why)
{
	request_note_failure(engine, request, why);
	answer_failure(engine, request);
}

/* ---- sending a variant ---- */

static void
send_variant(struct engine *engine, struct exchange *request)
{
	char text[HOSTPORT_TEXT_MAX];
	const char *verb = verb_name(variant_verb(request->request.variant));

	if (variant_is_active(request->request.variant)) {
		if (request->data == NULL ||
		    !variant_argument(request->request.variant, request->data,
			text)) {
			request_next_variant(engine, request);
			return;
		}
		engine_sendf(engine, ENGINE_SERVER, "%s %s", verb, text);
		data_enter(request->data, DATA_ANNOUNCED);
	} else if (request->request.variant == request->request.own &&
	    request->line.bytes != NULL) {
		/* The client's line itself: its verb may be "P@SW", its line
		 * end a LF. */
		engine_send(engine, ENGINE_SERVER, request->line.bytes,
		    request->line.len);
	} else {
		engine_sendf(engine, ENGINE_SERVER, "%s", verb);
	}
	request->flags = variant_is_active(request->request.variant) ?
	    VERB_IS_ACTIVE :
	    VERB_IS_PASSIVE;
	request->stage = STAGE_SENT;
	request->timed = false;
	request->unsure =
	    (engine->memory->good & VARIANT_BIT(request->request.variant)) == 0;
	exchange_to_end(engine, request);
	if (request->type == EXCHANGE_OWN_REQUEST)
		exchange_time(engine, request);
}

struct engine_data_end
request_client_end(const struct exchange *request)
{
	return (struct engine_data_end) {
		.listens = !request_is_active(request),
		.to = request->request.to,
	};
}

void
request_next_variant(struct engine *engine, struct exchange *request)
{
	struct engine_data_end client = request_client_end(request);
	struct engine_data_end server = { .listens = true };

	request->request.variant = variant_choose(engine, request);
	if (request->request.variant == VARIANT_NONE) {
		give_up(engine, request,
		    engine->session.epsv_all ?
			ONLY_EPSV :
			"502 No data connection is possible with the server.");
		return;
	}
	request->request.tried |= VARIANT_BIT(request->request.variant);
	server.family = variant_family(request->request.variant);
	/* The data connection for the previous variant has another address
	 * family. */
	if (request->data != NULL &&
	    request->data->server.how.family != server.family)
		data_close(engine, request->data);
	if (!variant_is_active(request->request.variant) ||
	    request->data != NULL) {
		send_variant(engine, request);
		return;
	}
	/* Where to listen is known only when the server is connected. */
	request->stage = STAGE_UNSENT;
	request->request.deferred =
	    TAILQ_FIRST(&engine->exchanges)->type == EXCHANGE_GREETING;
	if (request->request.deferred)
		return;
	request->data = data_open(engine, request, &client, &server);
	if (request->data == NULL)
		fail_here(engine, request, NULL);
}

void
request_begin(struct engine *engine, const struct command *command,
    const uint8_t *line, size_t len, const struct addr *to)
{
	struct exchange *request;

	/* The server may not have got the EPSV ALL, so culvert enforces it. */
	if (engine->session.epsv_all && command->verb != VERB_EPSV &&
	    engine->config.server_mode != ENGINE_SAME) {
		exchange_local(engine, ONLY_EPSV);
		return;
	}
	request = exchange_add(engine, EXCHANGE_REQUEST, command->verb);
	if (request == NULL)
		return;
	request->flags = command->flags;
	exchange_keep_line(engine, request, line, len);
	if (to != NULL)
		request->request.to = *to;
	request->request.own =
	    variant_of(command->verb, command->arg_len > 0, to);
	request_next_variant(engine, request);
}

/* ---- replies to a variant ---- */

bool
request_fits(const struct exchange *request, unsigned code)
{
	return (request->flags & VERB_IS_PASSIVE) != 0 ?
	    match_fits_passive(request, code) :
	    match_fits_any(request, code);
}

bool
request_expects(const struct exchange *request, unsigned code)
{
	return (request->flags & VERB_IS_PASSIVE) != 0 ? match_announces(code) :
							 code == 200;
}

struct exchange *
request_misfit(struct engine *engine, struct exchange *request, unsigned code)
{
	return (request->flags & VERB_IS_PASSIVE) != 0 ? NULL : request;
}

/* If a PORT gets no reply, the server may have accepted it. */
void
request_skip(struct engine *engine, struct exchange *request)
{
	if (request->data != NULL &&
	    variant_is_active(request->request.variant))
		data_make_next(engine, request->data);
}

/* Can the reply be passed to the client, which used the same verb? */
static bool
speaks_to_client(const struct exchange *request)
{
	return request->type == EXCHANGE_REQUEST &&
	    variant_verb(request->request.variant) == request->verb;
}

/* May the reply pass, with our host-port in it?  Not if it is a multi-line
 * reply and our connection to its port may still fail: the lines that had
 * passed could not be withdrawn. */
static bool
may_pass(const struct engine *engine, const struct exchange *request,
    const uint8_t *line, size_t len)
{
	size_t code = line_telnet_prefix(line, len);
	bool more = len > code + 3 && line[code + 3] == '-';

	return speaks_to_client(request) &&
	    (!more ||
		(engine->memory->good &
		    VARIANT_BIT(request->request.variant)) != 0);
}

/* If commands after it were sent already, their replies would come before that
 * of another variant. */
static void
stop_trying_if_followed(struct exchange *request)
{
	if (request->type == EXCHANGE_REQUEST &&
	    TAILQ_NEXT(request, link) != NULL)
		request->request.tried = ~0U;
}

enum step
request_begin_reply(struct engine *engine, struct exchange *request,
    unsigned code, const uint8_t *line, size_t len)
{
	bool active = variant_is_active(request->request.variant);
	bool announces = !active && match_announces(code);

	/* A reply with a host-port came before, and did not end: see
	 * engine/unfinished.c. */
	if (!active && request->data != NULL)
		data_close(engine, request->data);
	if (announces || (active && code < 300)) {
		if (announces)
			engine->reply.how =
			    may_pass(engine, request, line, len) ? REWRITE :
								   TRANSLATE;
		else if (!speaks_to_client(request))
			engine->reply.how = DROP;
		return STEP_DONE;
	}
	stop_trying_if_followed(request);
	/* If no other variant will be sent, and this is the first refusal, it
	 * passes unchanged, with all its lines. */
	if (speaks_to_client(request) && request->reply.bytes == NULL &&
	    (!variant_is_refused(code) ||
		variant_choose(engine, request) == VARIANT_NONE))
		return STEP_DONE;
	engine->reply.how = DROP_REQUEST;
	if (code >= 400)
		exchange_keep_refusal(engine, request, line, len);
	/* "530 Please login": no other variant would work. */
	if (code >= 400 && !variant_is_refused(code))
		request->request.tried = ~0U;
	return STEP_DONE;
}

/* An IPv6 server may reply "227 ... (::1,144,91)" to PASV, and then supports
 * EPSV.  The client gets that 227 only if no variant works. */
bool
request_not_understood(struct engine *engine, struct exchange *request,
    const uint8_t *line, size_t len)
{
	/* Not if this is the beginning of an over-long line. */
	if (line[len - 1] != '\n' || TAILQ_NEXT(request, link) != NULL ||
	    variant_choose(engine, request) == VARIANT_NONE)
		return false;
	engine->reply.how = DROP_REQUEST;
	exchange_keep_refusal(engine, request, line, len);
	return true;
}

/* ---- the end of a reply, and listeners ---- */

/* The server's reply to a passive variant has ended, and its port is known. */
static void
end_passive(struct engine *engine, struct exchange *request)
{
	if (request->type == EXCHANGE_OWN_REQUEST) {
		retry_go_on(engine, request);
		exchange_drop(engine, request);
		return;
	}
	answer_accepted(engine, request);
}

/* The reply to a variant that the client did not use has ended. */
static void
end_translated(struct engine *engine, struct exchange *request)
{
	if (request->data != NULL)
		end_passive(engine, request);
	else if (engine->reply.rewritten)
		answer_failure(engine, request);
	else
		request_next_variant(engine, request);
}

void
request_end_reply(struct engine *engine, struct exchange *request,
    unsigned code)
{
	bool needs_data = variant_is_active(request->request.variant);
	char text[16];

	snprintf(text, sizeof(text), "%u", code);
	if (engine->reply.how == TRANSLATE) {
		end_translated(engine, request);
	} else if (engine->reply.how == DROP_REQUEST) {
		request_next_variant(engine, request);
	} else if (needs_data && request->data == NULL) {
		/* Its listener was lost before the reply came. */
		if (engine->reply.how == DROP) {
			exchange_set_text(engine, request, EXCHANGE_NO_DATA,
			    NO_DATA);
			exchange_answer(request);
		} else {
			exchange_drop(engine, request);
		}
	} else if (engine->reply.how == DROP) {
		answer_accepted(engine, request);
	} else if (engine->reply.how == PASS && needs_data) {
		if (code < 300) {
			learn_accepted(engine, request);
			data_make_next(engine, request->data);
		} else {
			if (variant_is_refused(code))
				warn_refused(engine, request, text);
			data_close(engine, request->data);
		}
		exchange_drop(engine, request);
	} else {
		exchange_drop(engine, request);
	}
}

/* A variant has failed here: keeps that as a refusal of the variant. */
static void
keep_failure(struct engine *engine, struct exchange *request, struct data *data,
    const char *text)
{
	if (request->reply.bytes == NULL)
		exchange_set_text(engine, request, "%s: %s.", text, data->why);
	request->request.transient |= data->transient;
	data_close(engine, data);
}

void
request_keep_failure(struct engine *engine, struct exchange *request,
    struct data *data)
{
	stop_trying_if_followed(request);
	keep_failure(engine, request, data, "425 No data connection");
}

/* A listener of the request, or our connection to the server, could not be
 * made. */
static void
listener_failed(struct engine *engine, struct exchange *request)
{
	struct data *data = request->data;

	if (data->client.failed) {
		fail_here(engine, request, data->why);
		return;
	}
	/* A listener of the other address family may be possible. */
	for (enum variant variant = 0; variant < VARIANT_NONE; variant++)
		if (variant_is_active(variant) &&
		    variant_family(variant) == data->server.how.family)
			request->request.tried |= VARIANT_BIT(variant);
	keep_failure(engine, request, data,
	    data->transient ?
		"425 No data connection" :
		request_is_active(request) ?
		"502 Active mode is not possible here, use passive" :
		"502 The server cannot connect to culvert for active mode");
	request_next_variant(engine, request);
}

static enum step
listeners_step(struct engine *engine, struct exchange *request)
{
	struct data *data = request->data;

	if (data == NULL && request->request.deferred) {
		if (TAILQ_FIRST(&engine->exchanges)->type == EXCHANGE_GREETING)
			return STEP_WAIT;
		request->request.tried &=
		    ~VARIANT_BIT(request->request.variant);
		request_next_variant(engine, request);
		return STEP_DONE;
	}
	if (data == NULL) {
		fail_here(engine, request, NO_DATA);
		return STEP_DONE;
	}
	if (data_has_failed(data))
		listener_failed(engine, request);
	else if (!data_is_ready(data))
		return STEP_WAIT;
	else
		send_variant(engine, request);
	return STEP_DONE;
}

enum step
request_step(struct engine *engine)
{
	struct exchange *exchange;

	TAILQ_FOREACH (exchange, &engine->exchanges, link)
		if (exchange_is_request(exchange) &&
		    exchange->stage == STAGE_UNSENT)
			return listeners_step(engine, exchange);
	return STEP_IDLE;
}
