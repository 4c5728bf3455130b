/*
 * The control engine: a server that sends no greeting, and may not be an FTP
 * server.
 *
 * A client waits for the greeting, and would wait for a long time if the port
 * is that of an sshd.  A line that no FTP server sends ends the session at
 * once.  Lines that some FTP servers send first (blank lines, a banner) pass,
 * up to a limit, and until the owner calls engine_greeting_late().  A first
 * line with a reply code is a greeting, whatever follows.
 */
#include <stdio.h>
#include <string.h>

#include "engine/priv.h"
#include "ftp/greeting.h"

/* Is the greeting not complete yet? */
static bool
is_incomplete(const struct engine *engine)
{
	const struct exchange *first = TAILQ_FIRST(&engine->exchanges);

	return first != NULL && first->type == EXCHANGE_GREETING &&
	    engine->tls != TLS_ACTIVE;
}

/* Has no reply begun yet? */
static bool
greeting_is_awaited(const struct engine *engine)
{
	return is_incomplete(engine) &&
	    !exchange_has_begun(TAILQ_FIRST(&engine->exchanges)) &&
	    engine_open_code(engine) == 0;
}

/* Has the client sent a command before the greeting?  The server may then
 * repeat it, a password for example. */
static bool
has_spoken(const struct engine *engine)
{
	return TAILQ_NEXT(TAILQ_FIRST(&engine->exchanges), link) != NULL;
}

/* Ends the session.  does: what the server does, for the message, which also
 * quotes what it has sent. */
static void
refuse_server(struct engine *engine, const char *does)
{
	const struct engine_config *config = &engine->config;
	const char *said = engine->greeting.said;
	char why[sizeof(engine->why)];

	snprintf(why, sizeof(why), "the server at %.100s:%u %s%s%s%s",
	    config->server_host != NULL ? config->server_host : "",
	    config->server_port, does, said[0] != '\0' ? ": it said \"" : "",
	    said, said[0] != '\0' ? "\"" : "");
	engine_logf(engine, ENGINE_WARN, "%s", why);
	engine_stop(engine, why);
}

bool
greeting_examine(struct engine *engine, const uint8_t *line, size_t len)
{
	struct greeting *greeting = &engine->greeting;
	bool foreign;

	if (!greeting_is_awaited(engine))
		return false;
	foreign = greeting_is_foreign(line, len);
	if (foreign || (greeting->said[0] == '\0' && !has_spoken(engine)))
		greeting_quote(line, len, greeting->said);
	greeting->lines++;
	greeting->bytes += len;
	if (!foreign && greeting->lines <= LIMIT_GREETING_LINES &&
	    greeting->bytes <= LIMIT_GREETING_BYTES)
		return false;
	refuse_server(engine, "does not speak FTP");
	return true;
}

/* Keeps a part of a line for the message.  Returns false if there is none. */
static bool
keep_part(struct engine *engine)
{
	const uint8_t *line;
	size_t len;

	line_reader_peek(&engine->peers[ENGINE_SERVER].input, &line, &len);
	if (engine->greeting.said[0] == '\0' && len > 0 && !has_spoken(engine))
		greeting_quote(line, len, engine->greeting.said);
	return len > 0;
}

void
engine_greeting_late(struct engine *engine, bool silent)
{
	if (engine->ended || engine->stopping || !greeting_is_awaited(engine) ||
	    engine_has_gone(engine, ENGINE_SERVER))
		return;
	if (keep_part(engine) || engine->greeting.lines > 0)
		refuse_server(engine, "does not speak FTP");
	else if (silent)
		refuse_server(engine,
		    "sends no greeting: it is not an FTP server, or it expects "
		    "TLS at once (implicit TLS)");
}

bool
greeting_is_hidden(const struct engine *engine)
{
	return engine->config.greeted && is_incomplete(engine);
}

enum step
greeting_begin(struct engine *engine, struct exchange *exchange, unsigned code,
    const uint8_t *line, size_t len)
{
	if (!engine->config.greeted)
		return STEP_DONE;
	if (code < 300)
		engine->reply.how = DROP;
	else
		engine->greeting.is_reply = true;
	return STEP_DONE;
}

void
greeting_server_ended(struct engine *engine)
{
	if ((greeting_is_awaited(engine) ||
		(greeting_is_hidden(engine) && reply_is_dropped(engine))) &&
	    !engine->peers[ENGINE_SERVER].lost)
		refuse_server(engine,
		    "closed the connection before its greeting was complete");
}
