/*
 * The control engine: what its owner, which has the clock, requests of it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "engine/priv.h"

/* ---- the login ---- */

void
owner_login(struct engine *engine)
{
	if (!engine->session.logged_in) {
		engine_attach_text(engine, engine_act(engine, ENGINE_LOGIN),
		    engine->session.user != NULL ? engine->session.user : "");
	}
	engine->session.logged_in = true;
}

void
owner_note_user(struct engine *engine, struct exchange *user)
{
	free(engine->session.user);
	engine->session.user = user->text;
	user->text = NULL;
}

/* ---- the client's lines ---- */

enum step
owner_count_line(struct engine *engine)
{
	if (engine->config.max_lines == 0)
		return STEP_IDLE;
	if (engine->owner.lines_left > 0) {
		engine->owner.lines_left--;
		return STEP_DONE;
	}
	if (!engine->owner.credit_asked)
		engine_act(engine, ENGINE_CREDIT);
	engine->owner.credit_asked = true;
	return STEP_WAIT;
}

void
engine_grant(struct engine *engine)
{
	engine->owner.lines_left = engine->config.max_lines;
	engine->owner.credit_asked = false;
}

/* ---- drain ---- */

void
engine_drain(struct engine *engine, const char *why, bool late)
{
	if (engine->owner.drain != DRAIN_LATE)
		engine->owner.drain = late ? DRAIN_LATE : DRAIN_EARLY;
	snprintf(engine->owner.drain_why, sizeof(engine->owner.drain_why), "%s",
	    why);
}

/* A client that always sends the next transfer command in advance would keep
 * the session open for ever. */
bool
owner_drain_holds(const struct engine *engine, const uint8_t *line, size_t len)
{
	struct command command;

	if (engine->owner.drain != DRAIN_LATE)
		return false;
	command_parse(line, len, &command);
	return (command.flags &
		   (VERB_IS_ACTIVE | VERB_IS_PASSIVE | VERB_SENDS |
		       VERB_RECEIVES)) != 0;
}

/* Is no transfer left?  Late in a drain, the data of a refused transfer do not
 * count: its client may never end them. */
static bool
no_transfer(const struct engine *engine)
{
	const struct data *data;

	for (data = engine->conns.data;
	     data < engine->conns.data + LIMIT_SESSION_DATA; data++)
		if (data->state == DATA_CURRENT ||
		    (data->state == DATA_ENDING &&
			engine->owner.drain != DRAIN_LATE))
			return false;
	return exchange_transfer(engine) == NULL;
}

/* Does neither the client nor culvert wait for anything? */
static bool
is_idle(const struct engine *engine)
{
	const struct exchange *first = exchange_first(engine);

	return (first == NULL || first->type == EXCHANGE_GREETING) &&
	    engine_open_code(engine) == 0 && engine->conns.next == NULL &&
	    engine->conns.making == NULL && engine->tls != TLS_ACTIVE &&
	    line_reader_len(&engine->peers[ENGINE_CLIENT].input) == 0;
}

enum step
owner_drain_step(struct engine *engine)
{
	if (engine->owner.drain == DRAIN_NOT || !no_transfer(engine) ||
	    !(engine->owner.drain == DRAIN_LATE || is_idle(engine)))
		return STEP_IDLE;
	engine_stop(engine, engine->owner.drain_why);
	return STEP_DONE;
}
