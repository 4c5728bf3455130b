/*
 * The control engine: exchanges, and the replies of our own that wait in the
 * queue of exchanges.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/priv.h"

static void
exchange_skip_local(struct engine *engine, struct exchange *exchange)
{
	exchange_send_reply(engine, exchange);
}

static const struct exchange_ops types[] = {
	/* clang-format off */
	[EXCHANGE_GREETING] = { .party = PARTY_SERVER, .begin = greeting_begin },
	[EXCHANGE_LOCAL] = { .party = PARTY_LOCAL, .skip = exchange_skip_local },

	[EXCHANGE_COMMAND] = { .party = PARTY_CLIENT },
	[EXCHANGE_EMPTY] = { .party = PARTY_CLIENT, .fits = match_fits_empty,
	    .misfit = match_left_out },
	[EXCHANGE_ABORT] = { .party = PARTY_CLIENT, .fits = match_fits_abort,
	    .misfit = match_left_out },
	[EXCHANGE_AUTH] = { .party = PARTY_CLIENT, .end = effect_auth,
	    .skip = effect_skip_auth },
	[EXCHANGE_REST] = { .party = PARTY_CLIENT, .end = effect_rest },
	[EXCHANGE_SETTING] = { .party = PARTY_CLIENT, .end = effect_setting },
	[EXCHANGE_VOID] = { .party = PARTY_CLIENT, .end = effect_void },
	[EXCHANGE_QUIT] = { .party = PARTY_CLIENT, .end = effect_quit },
	[EXCHANGE_EPSV_ALL] = { .party = PARTY_CLIENT, .fits = match_fits_passive,
	    .expects = match_expects_announcement, .misfit = match_nobody,
	    .begin = effect_begin_epsv_all, .end = effect_epsv_all },
	[EXCHANGE_REQUEST] = { .party = PARTY_CLIENT, .fits = request_fits,
	    .expects = request_expects, .misfit = request_misfit,
	    .begin = request_begin_reply, .end = request_end_reply,
	    .skip = request_skip, .repeats = true },
	[EXCHANGE_TRANSFER] = { .party = PARTY_CLIENT, .fits = transfer_fits,
	    .expects = transfer_expects, .misfit = transfer_misfit,
	    .begin = transfer_begin_reply, .end = transfer_end_reply,
	    .skip = transfer_skip },

	[EXCHANGE_OWN_ABORT] = { .party = PARTY_OURS, .fits = match_fits_abort,
	    .misfit = match_left_out },
	[EXCHANGE_OWN_NOOP] = { .party = PARTY_OURS, .fits = noop_fits,
	    .expects = noop_expects, .misfit = noop_misfit, .end = noop_end,
	    .unseen = true },
	[EXCHANGE_OWN_PWD] = { .party = PARTY_OURS, .fits = cwd_fits,
	    .expects = cwd_expects, .misfit = match_nobody,
	    .begin = cwd_begin, .expire = cwd_abandon },
	[EXCHANGE_OWN_REST] = { .party = PARTY_OURS, .end = retry_rest_answered,
	    .expire = retry_abandon },
	[EXCHANGE_OWN_REQUEST] = { .party = PARTY_OURS, .fits = request_fits,
	    .expects = request_expects, .misfit = request_misfit,
	    .begin = request_begin_reply, .end = request_end_reply,
	    .expire = retry_abandon, .repeats = true },
	[EXCHANGE_OWN_OVER] = { .party = PARTY_OURS },
	/* clang-format on */
};

const struct exchange_ops *
exchange_ops(const struct exchange *exchange)
{
	return &types[exchange->type];
}

/* Notes what the client had received when it sent this command. */
static void
note_what_client_knows(struct engine *engine, struct exchange *exchange)
{
	const struct exchange *last;
	bool seen;

	TAILQ_FOREACH_REVERSE(last, &engine->exchanges, exchange_list, link)
	if (!exchange_is_of(last, PARTY_OURS) || last == engine->reply.exchange)
		break;
	/* If a client that waits for replies has got a line since its last
	 * command, it no longer waits for the reply to that: some servers leave
	 * replies out. */
	seen = last == NULL || last == engine->reply.exchange ||
	    (engine->n_lines != last->after &&
		(last->fresh || !engine->pipelines));
	exchange->fresh = engine_open_code(engine) != 0 && seen;
	exchange->after = engine->n_lines;
	if (!seen && !(exchange_is_transfer(last) && exchange_has_begun(last)))
		engine->pipelines = true;
}

struct exchange *
exchange_add(struct engine *engine, enum exchange_type type, enum verb verb)
{
	struct exchange *exchange = calloc(1, sizeof(*exchange));

	if (exchange == NULL) {
		engine->failed = true;
		return NULL;
	}
	exchange->type = type;
	exchange->verb = verb;
	exchange->stage = STAGE_SENT;
	exchange->size = -1;
	exchange->move.allo = -1;
	if (exchange_is_of(exchange, PARTY_CLIENT))
		note_what_client_knows(engine, exchange);
	TAILQ_INSERT_TAIL(&engine->exchanges, exchange, link);
	engine->n_exchanges++;
	return exchange;
}

void
exchange_drop(struct engine *engine, struct exchange *exchange)
{
	struct data *data = exchange->data;

	/* Only this exchange uses it. */
	if (data != NULL &&
	    (data->state == DATA_MAKING || data->state == DATA_ANNOUNCED))
		data_close(engine, data);
	TAILQ_REMOVE(&engine->exchanges, exchange, link);
	engine->n_exchanges--;
	if (engine->reply.exchange == exchange)
		engine->reply.exchange = NULL;
	cwd_abandon(engine, exchange);
	cwd_moved(engine, exchange, 0);
	free(exchange->text);
	free(exchange->reply.bytes);
	free(exchange->line.bytes);
	free(exchange->rest);
	free(exchange);
}

void
exchange_keep_line(struct engine *engine, struct exchange *exchange,
    const uint8_t *line, size_t len)
{
	exchange->line.bytes = malloc(len);
	if (exchange->line.bytes == NULL) {
		engine->failed = true;
		return;
	}
	memcpy(exchange->line.bytes, line, len);
	exchange->line.len = len;
}

void
exchange_time(struct engine *engine, struct exchange *request)
{
	if (request->timed)
		return;
	request->timed = true;
	engine_act(engine, ENGINE_TIMER)->ms = LIMIT_UNSURE_MS;
}

void
exchange_be_sure(struct engine *engine, bool all)
{
	const struct exchange_ops *ops;
	struct exchange *exchange, *next;

	for (exchange = TAILQ_FIRST(&engine->exchanges); exchange != NULL;
	     exchange = next) {
		next = TAILQ_NEXT(exchange, link);
		/* While its data connection is made, the timer of that limits
		 * the wait. */
		if (!all &&
		    (!exchange->timed ||
			(exchange->data != NULL &&
			    exchange->data == engine->conns.making)))
			continue;
		exchange->unsure = false;
		ops = exchange_ops(exchange);
		if (ops->expire != NULL)
			ops->expire(engine, exchange);
	}
}

bool
exchange_waits(const struct engine *engine)
{
	const struct exchange *exchange;

	TAILQ_FOREACH (exchange, &engine->exchanges, link)
		if (exchange->stage == STAGE_UNSENT)
			return true;
	return engine->conns.making != NULL && engine->reply.how == TRANSLATE;
}

static void
set_reply(struct engine *engine, struct exchange *exchange, const void *line,
    size_t len)
{
	uint8_t *copy = malloc(len);

	if (copy == NULL) {
		engine->failed = true;
		return;
	}
	memcpy(copy, line, len);
	free(exchange->reply.bytes);
	exchange->reply.bytes = copy;
	exchange->reply.len = len;
}

__attribute__((format(printf, 3, 0))) static void
format_reply(struct engine *engine, struct exchange *exchange,
    const char *format, va_list args)
{
	char line[512];
	int len = vsnprintf(line, sizeof(line) - 2, format, args);

	if (len >= 0)
		set_reply(engine, exchange, line,
		    engine_end_line(line, sizeof(line), len));
}

void
exchange_set_text(struct engine *engine, struct exchange *exchange,
    const char *format, ...)
{
	va_list args;

	va_start(args, format);
	format_reply(engine, exchange, format, args);
	va_end(args);
}

void
exchange_send_reply(struct engine *engine, const struct exchange *exchange)
{
	if (engine->tls == TLS_ACTIVE)
		return;
	engine_send(engine, ENGINE_CLIENT, exchange->reply.bytes,
	    exchange->reply.len);
}

void
exchange_local(struct engine *engine, const char *format, ...)
{
	struct exchange *exchange =
	    exchange_add(engine, EXCHANGE_LOCAL, VERB_OTHER);
	va_list args;

	if (exchange == NULL)
		return;
	va_start(args, format);
	format_reply(engine, exchange, format, args);
	va_end(args);
}

struct exchange *
exchange_first(const struct engine *engine)
{
	struct exchange *first = TAILQ_FIRST(&engine->exchanges);

	while (first != NULL && exchange_ops(first)->unseen)
		first = TAILQ_NEXT(first, link);
	return first;
}

enum step
exchange_flush_local(struct engine *engine)
{
	struct exchange *first = exchange_first(engine);

	if (first == NULL || first->type != EXCHANGE_LOCAL ||
	    engine_open_code(engine) != 0 ||
	    engine->peers[ENGINE_SERVER].fragment)
		return STEP_IDLE;
	exchange_send_reply(engine, first);
	exchange_drop(engine, first);
	return STEP_DONE;
}

void
exchange_void_rest(struct engine *engine)
{
	struct exchange *exchange;
	bool in_force = engine->session.rest != NULL;

	engine->session.allo = -1;
	TAILQ_FOREACH (exchange, &engine->exchanges, link)
		if (exchange->verb == VERB_REST)
			in_force = exchange_is_of(exchange, PARTY_CLIENT);
		else if (exchange_is_transfer(exchange) &&
		    !exchange_has_begun(exchange))
			in_force = false;
	if (!in_force)
		return;
	engine_sendf(engine, ENGINE_SERVER, "REST 0");
	exchange_add(engine, EXCHANGE_OWN_REST, VERB_REST);
}

struct exchange *
exchange_transfer(const struct engine *engine)
{
	struct exchange *exchange;

	TAILQ_FOREACH (exchange, &engine->exchanges, link)
		if (exchange_is_transfer(exchange))
			return exchange;
	return NULL;
}

bool
exchange_is_upload(const struct exchange *exchange)
{
	const struct data *data = exchange->data;

	if ((exchange->flags & VERB_SENDS) == 0)
		return false;
	if ((exchange->flags & VERB_RECEIVES) == 0)
		return true;
	return data != NULL && data->server.bytes > data->server.before &&
	    data->client.bytes == data->client.before;
}

void
exchange_answer(struct exchange *exchange)
{
	exchange->type = EXCHANGE_LOCAL;
	exchange->flags = 0;
	exchange->stage = STAGE_SENT;
	exchange->unsure = false;
	exchange->data = NULL;
}

const char *
exchange_refusal(const struct exchange *request,
    char text[EXCHANGE_REFUSAL_MAX])
{
	snprintf(text, EXCHANGE_REFUSAL_MAX, "%.*s",
	    (int)line_text_len(request->reply.bytes, request->reply.len),
	    (const char *)request->reply.bytes);
	return text;
}

void
exchange_keep_refusal(struct engine *engine, struct exchange *exchange,
    const uint8_t *line, size_t len)
{
	size_t code = line_telnet_prefix(line, len);

	if (exchange->reply.bytes != NULL)
		return;
	set_reply(engine, exchange, line, len);
	if (exchange->reply.bytes != NULL && len > code + 3 &&
	    exchange->reply.bytes[code + 3] == '-')
		exchange->reply.bytes[code + 3] = ' ';
}

void
exchange_to_end(struct engine *engine, struct exchange *exchange)
{
	TAILQ_REMOVE(&engine->exchanges, exchange, link);
	TAILQ_INSERT_TAIL(&engine->exchanges, exchange, link);
}
