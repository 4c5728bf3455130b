/*
 * The control engine: pending commands, and the replies of our own that wait
 * among them for their turn.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/priv.h"

/* What does the client know when it sends that? */
static void
note_client(struct engine *engine, struct pending *pending)
{
	const struct pending *last;
	bool seen;

	TAILQ_FOREACH_REVERSE(last, &engine->pending, pending_list, link)
	if (last->kind != PENDING_OURS || last == engine->replying)
		break;
	/* One that waits for replies, and has got something since, is not
	 * waiting for this one: servers leave some out. */
	seen = last == NULL || last == engine->replying ||
	    (engine->n_lines != last->after &&
		(last->fresh || !engine->pipelines));
	pending->fresh = engine->reply.code != 0 && seen;
	pending->after = engine->n_lines;
	if (!seen && !(pending_is_transfer(last) && last->begun))
		engine->pipelines = true;
}

struct pending *
pending_add(struct engine *engine, enum pending_kind kind, enum verb verb)
{
	struct pending *pending = calloc(1, sizeof(*pending));

	if (pending == NULL) {
		engine->failed = true;
		return NULL;
	}
	pending->kind = kind;
	pending->verb = verb;
	pending->size = -1;
	pending->allo = -1;
	if (kind == PENDING_COMMAND)
		note_client(engine, pending);
	TAILQ_INSERT_TAIL(&engine->pending, pending, link);
	engine->n_pending++;
	return pending;
}

void
pending_drop(struct engine *engine, struct pending *pending)
{
	struct data *data = pending->data;

	/* Nobody else has it. */
	if (data != NULL &&
	    (data->state == DATA_MAKING || data->state == DATA_ANNOUNCED))
		data_close(engine, data);
	TAILQ_REMOVE(&engine->pending, pending, link);
	engine->n_pending--;
	if (engine->replying == pending)
		engine->replying = NULL;
	cwd_abandon(engine, pending);
	cwd_moved(engine, pending, 0);
	free(pending->text);
	free(pending->reply);
	free(pending->line);
	free(pending->rest);
	free(pending);
}

void
pending_keep_line(struct engine *engine, struct pending *pending,
    const uint8_t *line, size_t len)
{
	pending->line = malloc(len);
	if (pending->line == NULL) {
		engine->failed = true;
		return;
	}
	memcpy(pending->line, line, len);
	pending->line_len = len;
}

void
pending_time(struct engine *engine, struct pending *ask)
{
	if (ask->timed)
		return;
	ask->timed = true;
	engine_act(engine, ENGINE_TIMER)->ms = LIMIT_UNSURE_MS;
}

void
pending_be_sure(struct engine *engine, bool all)
{
	struct pending *pending, *next;

	for (pending = TAILQ_FIRST(&engine->pending); pending != NULL;
	     pending = next) {
		next = TAILQ_NEXT(pending, link);
		if (!all && !pending->timed)
			continue;
		pending->unsure = false;
		if (pending->kind == PENDING_OURS && pending->transfer != NULL)
			retry_abandon(engine, pending);
		else if (pending->cwd)
			cwd_abandon(engine, pending);
	}
}

bool
pending_waits(const struct engine *engine)
{
	const struct pending *pending;

	TAILQ_FOREACH (pending, &engine->pending, link)
		if (pending->waits)
			return true;
	return false;
}

void
pending_set_reply(struct engine *engine, struct pending *pending,
    const void *line, size_t len)
{
	uint8_t *copy = malloc(len);

	if (copy == NULL) {
		engine->failed = true;
		return;
	}
	memcpy(copy, line, len);
	free(pending->reply);
	pending->reply = copy;
	pending->reply_len = len;
}

void
pending_set_text(struct engine *engine, struct pending *pending,
    const char *text)
{
	char line[512];
	int len = snprintf(line, sizeof(line) - 2, "%s", text);

	if (len >= 0)
		pending_set_reply(engine, pending, line,
		    engine_end_line(line, sizeof(line), len));
}

void
pending_send_reply(struct engine *engine, const struct pending *pending)
{
	if (engine->opaque)
		return;
	engine_send(engine, ENGINE_CLIENT, pending->reply, pending->reply_len);
}

void
pending_local(struct engine *engine, const char *format, ...)
{
	struct pending *pending;
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	pending = pending_add(engine, PENDING_LOCAL, VERB_OTHER);
	if (pending != NULL)
		pending_set_text(engine, pending, text);
}

bool
pending_flush_local(struct engine *engine)
{
	struct pending *first = TAILQ_FIRST(&engine->pending);

	/* Of which the client knows nothing, that holds nothing up. */
	while (first != NULL && first->noop)
		first = TAILQ_NEXT(first, link);
	if (first == NULL || first->kind != PENDING_LOCAL ||
	    engine->reply.code != 0 || engine->fragment[ENGINE_SERVER])
		return false;
	pending_send_reply(engine, first);
	pending_drop(engine, first);
	return true;
}

void
pending_void_rest(struct engine *engine)
{
	struct pending *pending;
	bool stands = engine->rest != NULL;

	engine->allo = -1;
	TAILQ_FOREACH (pending, &engine->pending, link)
		if (pending->verb == VERB_REST)
			stands = pending->kind == PENDING_COMMAND;
		else if (pending_is_transfer(pending) && !pending->begun)
			stands = false;
	if (!stands)
		return;
	engine_sendf(engine, ENGINE_SERVER, "REST 0");
	pending_add(engine, PENDING_OURS, VERB_REST);
}

struct pending *
pending_transfer(struct engine *engine)
{
	struct pending *pending;

	TAILQ_FOREACH (pending, &engine->pending, link)
		if (pending_is_transfer(pending))
			return pending;
	return NULL;
}

bool
pending_is_transfer(const struct pending *pending)
{
	return pending->kind == PENDING_COMMAND &&
	    (pending->flags & (VERB_SENDS | VERB_RECEIVES)) != 0;
}

bool
pending_is_upload(const struct pending *pending)
{
	const struct data *data = pending->data;

	if ((pending->flags & VERB_SENDS) == 0)
		return false;
	if ((pending->flags & VERB_RECEIVES) == 0)
		return true;
	return data != NULL &&
	    data->bytes[ENGINE_SERVER] > data->before[ENGINE_SERVER] &&
	    data->bytes[ENGINE_CLIENT] == data->before[ENGINE_CLIENT];
}

void
pending_answer(struct engine *engine, struct pending *pending, const char *text)
{
	if (text != NULL)
		pending_set_text(engine, pending, text);
	pending->kind = PENDING_LOCAL;
	pending->flags = 0;
	pending->is_ask = false;
	pending->waits = false;
	pending->unsure = false;
	pending->data = NULL;
}

const char *
pending_refusal(const struct pending *ask, char text[PENDING_REFUSAL_MAX])
{
	snprintf(text, PENDING_REFUSAL_MAX, "%.*s",
	    (int)line_text_len(ask->reply, ask->reply_len),
	    (const char *)ask->reply);
	return text;
}

void
pending_keep_refusal(struct engine *engine, struct pending *pending,
    const uint8_t *line, size_t len)
{
	size_t code = line_telnet_prefix(line, len);

	if (pending->reply != NULL)
		return;
	pending_set_reply(engine, pending, line, len);
	if (pending->reply != NULL && len > code + 3 &&
	    pending->reply[code + 3] == '-')
		pending->reply[code + 3] = ' ';
}

void
pending_to_end(struct engine *engine, struct pending *pending)
{
	TAILQ_REMOVE(&engine->pending, pending, link);
	TAILQ_INSERT_TAIL(&engine->pending, pending, link);
}
