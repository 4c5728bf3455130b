/*
 * The control engine: NOOPs of our own, so that the server does not end a
 * session without traffic (RFC 959 section 4.1.3).
 */
#include "engine/priv.h"

/* Has neither peer ended its connection, and does neither wait for anything? */
static bool
is_quiet(const struct engine *engine)
{
	for (int peer = 0; peer < 2; peer++)
		if (engine->peers[peer].eof || engine->peers[peer].lost ||
		    engine->peers[peer].fragment)
			return false;
	return TAILQ_EMPTY(&engine->exchanges) &&
	    engine_open_code(engine) == 0 && engine->conns.next == NULL &&
	    engine->conns.making == NULL && engine->tls != TLS_ACTIVE;
}

/* Does the server expect nothing, and are no bytes in transit? */
static bool
server_rests(const struct engine *engine)
{
	return is_quiet(engine) && engine->session.rest == NULL &&
	    !engine->session.follows &&
	    line_reader_len(&engine->peers[ENGINE_CLIENT].input) == 0 &&
	    line_reader_len(&engine->peers[ENGINE_SERVER].input) == 0;
}

void
engine_keepalive(struct engine *engine)
{
	if (!engine->ended && !engine->stopping)
		unfinished_rest(engine);
	if (engine->ended || engine->stopping || !engine->session.logged_in ||
	    engine->session.noop_refused || !server_rests(engine))
		return;
	if (exchange_add(engine, EXCHANGE_OWN_NOOP, VERB_OTHER) != NULL)
		engine_sendf(engine, ENGINE_SERVER, "NOOP");
}

bool
noop_fits(const struct exchange *noop, unsigned code)
{
	return code >= 200 && (code < 220 || code >= 300 || code == 250) &&
	    !match_is_of_transfer(code);
}

bool
noop_expects(const struct exchange *noop, unsigned code)
{
	return code == 200;
}

/* If the server does not reply to NOOP, the replies to later commands must
 * still be matched. */
struct exchange *
noop_misfit(struct engine *engine, struct exchange *noop, unsigned code)
{
	if (TAILQ_NEXT(noop, link) == NULL)
		return NULL;
	match_skip(engine, noop);
	return match_assign(engine, code);
}

void
noop_end(struct engine *engine, struct exchange *noop, unsigned code)
{
	if (code < 500 || engine->session.noop_refused)
		return;
	engine->session.noop_refused = true;
	engine_logf(engine, ENGINE_INFO,
	    "the server refuses NOOP (%u): --keepalive has no effect", code);
}
