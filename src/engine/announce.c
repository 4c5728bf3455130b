/*
 * The control engine: the line of a reply with a host-port (227 to 229).  When
 * it comes, the client's end of the data connection is made, and the line waits
 * in the line reader until that is ready.  If the client used the same variant,
 * the line passes with our host-port in place of the server's (REWRITE).  Else
 * the client is answered at the end of the reply (TRANSLATE).
 */
#include <string.h>

#include "engine/priv.h"
#include "ftp/hostport.h"

/* Returns the request that the reply answers; NULL: none, or not known. */
static struct exchange *
announced_request(const struct engine *engine)
{
	struct exchange *exchange = engine->reply.exchange;

	return exchange != NULL && exchange_is_request(exchange) ? exchange :
								   NULL;
}

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
	/* The line may contain another host-port. */
	hostport_check(engine, code, line, at, false);
	hostport_check(engine, code, line + rest, len - rest,
	    line[len - 1] != '\n');
	engine_send(engine, ENGINE_CLIENT, rewritten,
	    len - hostport->len + text_len);
}

/* Sends an error line in place of the line with the host-port. */
static void
refuse_announced(struct engine *engine, unsigned code, enum reply_place place,
    const char *why)
{
	/* In a multi-line reply, the code cannot be changed any more. */
	engine_logf(engine, ENGINE_WARN,
	    "no data connection for a %u reply: %s", code, why);
	engine_sendf(engine, ENGINE_CLIENT, "%u%cNo data connection: %s.",
	    place == REPLY_ONLY ? 425 : code,
	    place == REPLY_ONLY || place == REPLY_LAST ? ' ' : '-', why);
}

static void
announce_failed(struct engine *engine, unsigned code, enum reply_place place)
{
	struct data *data = engine->conns.making;
	struct exchange *request = announced_request(engine);

	if (!data->client.failed) {
		engine->reply.how = DROP_REQUEST;
		request_keep_failure(engine, request, data);
	} else if (engine->reply.how == TRANSLATE) {
		request_note_failure(engine, request, data->why);
	} else {
		refuse_announced(engine, code, place, data->why);
		data_close(engine, data);
	}
}

static void
announce_ready(struct engine *engine, unsigned code, const uint8_t *line,
    size_t len, const struct hostport *hostport)
{
	struct data *data = engine->conns.making;
	struct exchange *request = announced_request(engine);

	engine->conns.making = NULL;
	if (engine->reply.how == TRANSLATE)
		return;
	send_rewritten(engine, data, code, line, len, hostport);
	data_make_next(engine, data);
	if (request != NULL)
		learn_accepted(engine, request);
}

static void
announce_open(struct engine *engine, unsigned code, enum reply_place place,
    const struct addr *to)
{
	struct exchange *request = announced_request(engine);
	struct engine_data_end client = { .listens = true };
	struct engine_data_end server = { .listens = false, .to = *to };

	if (request != NULL)
		client = request_client_end(request);
	engine->conns.making = data_open(engine, request, &client, &server);
	if (engine->reply.how == TRANSLATE)
		request->data = engine->conns.making;
	if (engine->conns.making != NULL)
		return;
	engine->reply.rewritten = true;
	if (engine->reply.how == TRANSLATE)
		request_note_failure(engine, request, NULL);
	else
		refuse_announced(engine, code, place, "too many (--max-data)");
}

enum step
announce_line(struct engine *engine, unsigned code, enum reply_place place,
    const uint8_t *line, size_t len)
{
	bool passes = engine->reply.how == REWRITE;
	struct exchange *request = announced_request(engine);
	struct hostport hostport;
	bool found = hostport_parse_reply(code, line, len, &hostport) == 0;

	/* A second host-port in one reply: some clients use the first one, some
	 * the last. */
	if (engine->reply.rewritten && found && passes &&
	    engine->conns.next != NULL &&
	    engine->conns.next->client.how.listens) {
		send_rewritten(engine, engine->conns.next, code, line, len,
		    &hostport);
		return STEP_DONE;
	}
	if (engine->reply.rewritten || !found) {
		if (passes &&
		    !(place == REPLY_ONLY && request != NULL &&
			request_not_understood(engine, request, line, len)))
			hostport_pass(engine, code, line, len);
		return STEP_DONE;
	}
	if (engine->conns.making == NULL) {
		announce_open(engine, code, place, &hostport.addr);
		return engine->conns.making == NULL ? STEP_DONE : STEP_WAIT;
	}
	if (!data_is_ready(engine->conns.making) &&
	    !data_has_failed(engine->conns.making))
		return STEP_WAIT;
	engine->reply.rewritten = true;
	if (data_has_failed(engine->conns.making))
		announce_failed(engine, code, place);
	else
		announce_ready(engine, code, line, len, &hostport);
	return STEP_DONE;
}
