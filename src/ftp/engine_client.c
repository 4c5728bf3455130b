/*
 * The control engine: lines of the client.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ftp/engine_priv.h"
#include "ftp/hostport.h"

/* Ports below it belong to well-known services (RFC 2577 section 3). */
#define LOWEST_PORT 1024

/* Longest name of a file that a report keeps. */
#define NAME_MAX_KEPT 255

static const char *
arg_of(const struct command *command, const uint8_t *line)
{
	return (const char *)line + command->arg_at;
}

/* Remembers the command and sends its line on as it is. */
static struct pending *
pass_command(struct engine *engine, const struct command *command,
    const uint8_t *line, size_t len)
{
	struct pending *pending;

	pending = pending_add(engine, PENDING_COMMAND, command->verb);
	if (pending == NULL)
		return NULL;
	pending->flags = command->flags;
	engine_send(engine, ENGINE_SERVER, line, len);
	return pending;
}

/* The same for a PORT that is not ours; if it is taken, what stood is void. */
static void
pass_untouched(struct engine *engine, const struct command *command,
    const uint8_t *line, size_t len)
{
	struct pending *pending = pass_command(engine, command, line, len);

	if (pending != NULL)
		pending->flags = VERB_VOIDS_DATA;
}

/* ---- PORT, EPRT, LPRT ---- */

/* The command that announces the far listener in that family. */
void
engine_send_active(struct engine *engine, struct pending *pending,
    sa_family_t family)
{
	const struct data *data = pending->data;
	const struct addr *addr = family == AF_INET ? &data->v4 : &data->v6;
	enum verb verb = pending->verb;
	char text[HOSTPORT_TEXT_MAX];

	/* PORT has no room for IPv6.  The way back from EPRT is PORT, which
	 * every server knows. */
	if (verb == VERB_PORT && family == AF_INET6)
		verb = VERB_EPRT;
	else if (verb == VERB_EPRT && pending->other_tried && family == AF_INET)
		verb = VERB_PORT;
	if (hostport_format_command(verb, addr, text) != 0)
		return;
	pending->family = family;
	engine_sendf(engine, ENGINE_SERVER, "%s %s", verb_name(verb), text);
}

/* The family to try first: what was taken before, else the client's own. */
static sa_family_t
first_family(const struct engine *engine, const struct data *data,
    const struct hostport *hostport)
{
	sa_family_t family = engine->server_family;

	if (family == AF_UNSPEC)
		family = hostport->addr.family;
	if (family == AF_INET && data->v4.family == AF_UNSPEC)
		return AF_INET6;
	if (family == AF_INET6 && data->v6.family == AF_UNSPEC)
		return AF_INET;
	return family;
}

/* Why we do not dial that address; NULL when we do. */
static const char *
port_refusal(const struct engine *engine, const struct addr *addr)
{
	if (!addr_same_ip(addr, &engine->config.client))
		return "the address is not the client's own";
	if (addr->port < LOWEST_PORT)
		return "the port is below 1024";
	return NULL;
}

static bool
refuse_port(struct engine *engine, const struct command *command,
    const struct hostport *hostport, const char *refusal)
{
	char text[ADDR_TEXT_MAX];

	engine_logf(engine, ENGINE_WARN,
	    "refused %s for %s: %s; --foreign-port pass hands it to the server",
	    verb_name(command->verb), addr_format(&hostport->addr, text),
	    refusal);
	pending_local(engine, "500 %s refused by culvert: %s.",
	    verb_name(command->verb), refusal);
	return true;
}

/*
 * A host-port that cannot be read is refused as a strict server would.  Passed
 * on, it would be a way around us: every server takes some shape that others
 * call malformed, and would then connect to its own host's ports, which is the
 * peer that it sees.
 */
static bool
refuse_malformed(struct engine *engine, const struct command *command,
    const uint8_t *line, size_t len, int err)
{
	const char *verb = verb_name(command->verb);
	/* The cure behind it is to be seen as well. */
	int shown = command->arg_len < 64 ? (int)command->arg_len : 64;

	if (engine->config.pass_foreign_port) {
		pass_untouched(engine, command, line, len);
		return true;
	}
	engine_logf(engine, ENGINE_WARN,
	    "refused %s: its host-port cannot be read: %.*s; --foreign-port "
	    "pass hands it to the server",
	    verb, shown, arg_of(command, line));
	if (err == -EAFNOSUPPORT && command->verb == VERB_EPRT)
		pending_local(engine,
		    "522 Network protocol not supported, use (1,2).");
	else
		pending_local(engine, "501 Illegal %s.", verb);
	return true;
}

/* The listener toward the server is there, or is not: go on with the line. */
static bool
finish_active(struct engine *engine, const struct command *command,
    const struct hostport *hostport)
{
	struct data *data = engine->making[ENGINE_CLIENT];
	struct pending *pending;

	if (!data->ready && !data->failed)
		return false;
	engine->making[ENGINE_CLIENT] = NULL;
	if (data->failed) {
		engine_logf(engine, ENGINE_WARN, "%s refused: %s",
		    verb_name(command->verb), data->why);
		pending_local(engine,
		    "502 Active mode is not possible here, use passive: %s.",
		    data->why);
		data_forget(engine, data);
		return true;
	}
	pending = pending_add(engine, PENDING_COMMAND, command->verb);
	if (pending == NULL)
		return true;
	pending->flags = command->flags;
	pending->data = data;
	pending->unsure = engine->server_family == AF_UNSPEC;
	data->state = DATA_ANNOUNCED;
	engine_send_active(engine, pending,
	    first_family(engine, data, hostport));
	return true;
}

/* "The address you see": lftp says so over IPv6, and means itself. */
static void
fill_any_address(const struct engine *engine, struct addr *addr)
{
	uint16_t port = addr->port;

	if (!addr_is_any(addr))
		return;
	*addr = engine->config.client;
	addr->port = port;
}

/* Returns false while the line must wait for its listener. */
static bool
take_active(struct engine *engine, const struct command *command,
    const uint8_t *line, size_t len)
{
	struct engine_data_end client = { .listens = false };
	struct engine_data_end server = { .listens = true };
	struct hostport hostport;
	const char *refusal;
	int err = hostport_parse_command(command->verb, line + command->arg_at,
	    command->arg_len, &hostport);

	if (err != 0)
		return refuse_malformed(engine, command, line, len, err);
	fill_any_address(engine, &hostport.addr);
	if (engine->making[ENGINE_CLIENT] != NULL)
		return finish_active(engine, command, &hostport);
	refusal = port_refusal(engine, &hostport.addr);
	if (refusal != NULL && !engine->config.pass_foreign_port)
		return refuse_port(engine, command, &hostport, refusal);
	if (refusal != NULL) {
		pass_untouched(engine, command, line, len);
		return true;
	}
	client.to = hostport.addr;
	engine->making[ENGINE_CLIENT] =
	    data_open(engine, true, &client, &server);
	if (engine->making[ENGINE_CLIENT] == NULL) {
		pending_local(engine, "425 Too many data connections.");
		return true;
	}
	return false;
}

/* ---- the other verbs ---- */

static bool
arg_is(const struct command *command, const uint8_t *line, const char *word)
{
	return command->arg_len == strlen(word) &&
	    strncasecmp(arg_of(command, line), word, command->arg_len) == 0;
}

static bool
take_passive(struct engine *engine, const struct command *command,
    const uint8_t *line, size_t len)
{
	struct pending *pending = pass_command(engine, command, line, len);

	if (pending == NULL || command->verb != VERB_EPSV)
		return true;
	pending->epsv_all = arg_is(command, line, "ALL");
	pending->epsv_plain = command->arg_len > 0 && !pending->epsv_all;
	pending->unsure = pending->epsv_plain;
	return true;
}

static bool
take_auth(struct engine *engine, const struct command *command,
    const uint8_t *line, size_t len)
{
	if (!engine->config.allow_tls) {
		engine_logf(engine, ENGINE_INFO,
		    "refused AUTH: TLS would hide the commands, and SSH "
		    "encrypts already; --allow-tls lets it through");
		pending_local(engine,
		    "534 TLS is not possible through culvert, SSH encrypts "
		    "this connection already.");
		return true;
	}
	engine->tls_pending = pass_command(engine, command, line, len) != NULL;
	return true;
}

/*
 * A transfer whose client has already reset its data connection is not begun:
 * the server would take the end of the far one for the end of an empty file.
 */
static bool
refuse_dead_transfer(struct engine *engine)
{
	struct data *next = data_prepared(engine, NULL);

	if (next == NULL || !next->lost[ENGINE_CLIENT])
		return false;
	pending_local(engine, "425 No data connection: %s.", next->why);
	data_close(engine, next);
	return true;
}

static bool
take_transfer(struct engine *engine, const struct command *command,
    const uint8_t *line, size_t len)
{
	struct pending *pending;
	size_t name_len = command->arg_len;

	if (refuse_dead_transfer(engine))
		return true;
	pending = pass_command(engine, command, line, len);
	if (pending == NULL)
		return true;
	if (name_len > NAME_MAX_KEPT)
		name_len = NAME_MAX_KEPT;
	pending->text = strndup(arg_of(command, line), name_len);
	if (pending->text == NULL)
		engine->failed = true;
	return true;
}

static bool
take_abort(struct engine *engine, const struct command *command,
    const uint8_t *line, size_t len)
{
	struct pending *transfer = pending_transfer(engine);
	struct data *data;

	pass_command(engine, command, line, len);
	if (transfer == NULL)
		return true;
	data = data_of(engine, transfer);
	if (data != NULL)
		data_abort(engine, data, pending_is_upload(transfer));
	return true;
}

static bool
take_mode(struct engine *engine, const struct command *command,
    const uint8_t *line, size_t len)
{
	struct pending *pending = pass_command(engine, command, line, len);

	if (pending != NULL)
		pending->mode_block =
		    arg_is(command, line, "B") || arg_is(command, line, "C");
	return true;
}

/* Returns false while the line cannot be dealt with yet. */
static bool
take_command(struct engine *engine, const uint8_t *line, size_t len)
{
	struct command command;

	command_parse(line, len, &command);
	if ((command.flags & VERB_IS_ACTIVE) != 0)
		return take_active(engine, &command, line, len);
	if ((command.flags & VERB_IS_PASSIVE) != 0)
		return take_passive(engine, &command, line, len);
	if ((command.flags & (VERB_SENDS | VERB_RECEIVES)) != 0)
		return take_transfer(engine, &command, line, len);
	if (command.verb == VERB_AUTH)
		return take_auth(engine, &command, line, len);
	if (command.verb == VERB_ABOR)
		return take_abort(engine, &command, line, len);
	if (command.verb == VERB_MODE)
		return take_mode(engine, &command, line, len);
	pass_command(engine, &command, line, len);
	return true;
}

/* Must commands wait?  A PORT whose family may yet be refused makes them, since
 * a transfer sent behind it would fail before the second try. */
static bool
commands_wait(struct engine *engine)
{
	struct pending *pending;
	struct data *data;

	if (engine->tls_pending || engine->n_pending >= LIMIT_PENDING)
		return true;
	TAILQ_FOREACH (pending, &engine->pending, link) {
		if (!pending->unsure)
			continue;
		/* Not for ever: its reply may have gone elsewhere. */
		data = pending->data;
		if (data != NULL && data->wait == WAIT_NONE)
			data_set_timer(engine, data, WAIT_REPLY,
			    LIMIT_UNSURE_MS);
		return true;
	}
	return false;
}

/* An over-long line: refused once, and skipped up to its end. */
static bool
skip_long_line(struct engine *engine, enum line_result result, size_t len)
{
	bool *fragment = &engine->fragment[ENGINE_CLIENT];

	if (!*fragment) {
		pending_local(engine, "500 Command line too long.");
		engine_logf(engine, ENGINE_WARN,
		    "refused a command line of more than %d bytes",
		    LIMIT_COMMAND_LINE);
	}
	*fragment = result != LINE_READY;
	line_reader_consume(&engine->input[ENGINE_CLIENT], len);
	return true;
}

/* The client has ended in the middle of a line: the server may see it. */
static bool
flush_client(struct engine *engine, const uint8_t *line, size_t len)
{
	if (len == 0 || !engine->eof[ENGINE_CLIENT])
		return false;
	if (!engine->fragment[ENGINE_CLIENT])
		engine_send(engine, ENGINE_SERVER, line, len);
	line_reader_consume(&engine->input[ENGINE_CLIENT], len);
	return true;
}

bool
engine_step_client(struct engine *engine)
{
	struct line_reader *input = &engine->input[ENGINE_CLIENT];
	const uint8_t *line;
	enum line_result result;
	size_t len;

	if (engine->lost[ENGINE_CLIENT])
		return false;
	result = line_reader_peek(input, &line, &len);
	if (engine->opaque) {
		len = line_reader_len(input);
		if (len == 0)
			return false;
		engine_send(engine, ENGINE_SERVER, line, len);
		line_reader_consume(input, len);
		return true;
	}
	if (len == 0 || commands_wait(engine))
		return false;
	if (result == LINE_TOO_LONG ||
	    (engine->fragment[ENGINE_CLIENT] && result == LINE_READY))
		return skip_long_line(engine, result, len);
	if (result == LINE_MORE)
		return flush_client(engine, line, len);
	if (!take_command(engine, line, len))
		return false;
	line_reader_consume(input, len);
	return true;
}
