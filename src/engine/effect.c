/*
 * The control engine: what the server's reply to a command of the client
 * changes.
 */
#include <ctype.h>
#include <stdlib.h>

#include "engine/priv.h"
#include "ftp/hostport.h"

/* ---- the first line of a reply ---- */

void
effect_stray_announcement(struct engine *engine, unsigned code,
    const uint8_t *line, size_t len)
{
	struct hostport hostport;

	if (engine->reply.how == PASS && engine->unfinished.guessed != 0 &&
	    hostport_parse_reply(code, line, len, &hostport) == 0)
		engine->reply.how = REWRITE;
}

enum step
effect_begin(struct engine *engine, struct exchange *exchange, unsigned code,
    const uint8_t *line, size_t len)
{
	if (!exchange_is_of(exchange, PARTY_CLIENT)) {
		if (exchange_is_of(exchange, PARTY_OURS))
			engine->reply.how = DROP;
		return STEP_DONE;
	}
	/* Such a reply shows that an unknown command is a transfer. */
	if (match_begins_transfer(code) && exchange->verb == VERB_OTHER) {
		exchange->flags |= VERB_SENDS | VERB_RECEIVES;
		exchange->type = EXCHANGE_TRANSFER;
		return transfer_begin_reply(engine, exchange, code, line, len);
	}
	if (exchange->verb == VERB_FEAT && !engine->config.allow_tls)
		engine->reply.how = FILTER_FEAT;
	effect_stray_announcement(engine, code, line, len);
	return STEP_DONE;
}

/* ftp-srv answers EPSV ALL like EPSV. */
enum step
effect_begin_epsv_all(struct engine *engine, struct exchange *exchange,
    unsigned code, const uint8_t *line, size_t len)
{
	if (match_announces(code))
		engine->reply.how = REWRITE;
	effect_stray_announcement(engine, code, line, len);
	return STEP_DONE;
}

/* ---- the end of a reply ---- */

void
effect_auth(struct engine *engine, struct exchange *auth, unsigned code)
{
	engine->tls = TLS_NOT;
	if (code != 234 && code != 334 && code != 335)
		return;
	engine->tls = TLS_ACTIVE;
	owner_login(engine);
	engine_logf(engine, ENGINE_INFO,
	    "the session uses TLS from here on; culvert no longer sees its "
	    "commands, and its data connections do not go through SSH");
}

/* The client's commands no longer wait for the reply. */
void
effect_skip_auth(struct engine *engine, struct exchange *auth)
{
	engine->tls = TLS_NOT;
}

/* USER, REIN, and a PORT that passed unchanged make the prepared data
 * connection invalid.  USER and REIN also cancel the REST.  REIN ends block
 * mode and record structure. */
void
effect_void(struct engine *engine, struct exchange *exchange, unsigned code)
{
	if (code >= 400)
		return;
	if (engine->conns.next != NULL)
		data_close(engine, engine->conns.next);
	/* Else it is a PORT that passed unchanged. */
	engine->conns.foreign =
	    exchange->verb != VERB_USER && exchange->verb != VERB_REIN;
	if (engine->conns.foreign)
		return;
	free(engine->session.rest);
	engine->session.rest = NULL;
	if (exchange->verb != VERB_REIN)
		return;
	free(engine->session.user);
	engine->session.user = NULL;
	size_forget(engine);
	engine->session.mode = 'S';
	engine->session.structure = 'F';
	engine->session.epsv_all = false;
}

void
effect_setting(struct engine *engine, struct exchange *exchange, unsigned code)
{
	enum framing before = engine_framing(engine);
	char letter = '?';

	if (code >= 300)
		return;
	if (exchange->text != NULL)
		letter = (char)toupper((unsigned char)exchange->text[0]);
	if (exchange->verb == VERB_MODE)
		engine->session.mode = letter;
	else
		engine->session.structure = letter;
	if (engine_framing(engine) != before)
		data_set_framing(engine);
}

void
effect_rest(struct engine *engine, struct exchange *rest, unsigned code)
{
	if (code < 300 || code >= 400)
		return;
	free(engine->session.rest);
	engine->session.rest = rest->rest;
	rest->rest = NULL;
}

void
effect_epsv_all(struct engine *engine, struct exchange *exchange, unsigned code)
{
	engine->session.epsv_all |= code < 300;
}

/* pyftpdlib does not end the session before an unused data connection ends; it
 * has one only because culvert dials early. */
void
effect_quit(struct engine *engine, struct exchange *quit, unsigned code)
{
	if (code < 300 && engine->conns.next != NULL &&
	    exchange_transfer(engine) == NULL)
		data_close(engine, engine->conns.next);
}
