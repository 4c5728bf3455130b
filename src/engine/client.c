/*
 * The control engine: lines of the client.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "engine/priv.h"
#include "ftp/hostport.h"

/* Ports below it belong to well-known services (RFC 2577 section 3). */
#define LOWEST_PORT 1024

/* Longest name of a file that a report keeps: PATH_MAX. */
#define NAME_MAX_KEPT 4096

static const char *
arg_of(const struct command *command, const uint8_t *line)
{
	return (const char *)line + command->arg_at;
}

/* Adds an exchange for the command and sends its line on unchanged. */
static struct exchange *
pass_command(struct engine *engine, enum exchange_type type,
    const struct command *command, const uint8_t *line, size_t len)
{
	struct exchange *exchange;

	exchange = exchange_add(engine, type, command->verb);
	if (exchange == NULL)
		return NULL;
	exchange->flags = command->flags;
	engine_send(engine, ENGINE_SERVER, line, len);
	return exchange;
}

/* The same for a PORT with a foreign address; if the server accepts it, the
 * prepared data connection is invalid. */
static void
pass_untouched(struct engine *engine, const struct command *command,
    const uint8_t *line, size_t len)
{
	struct exchange *exchange =
	    pass_command(engine, EXCHANGE_VOID, command, line, len);

	if (exchange != NULL)
		exchange->flags = VERB_VOIDS_DATA;
}

/* ---- PORT, EPRT ---- */

/* May a client whose address is unknown be at that address?  It must be in one
 * of the networks.  A loopback or link-local address belongs to the SSH
 * server's own host: only a network of such addresses permits it. */
static bool
may_be_at(const struct engine_config *config, const struct addr *addr)
{
	for (size_t i = 0; i < config->n_networks; i++)
		if (subnet_has(&config->networks[i], addr) &&
		    (!addr_is_local(addr) ||
			addr_is_local(&config->networks[i].addr)))
			return true;
	return false;
}

/* Why culvert does not dial that address; NULL: it does. */
static const char *
port_refusal(const struct engine *engine, const struct addr *addr)
{
	const struct engine_config *config = &engine->config;

	if (config->client.family != AF_UNSPEC) {
		if (!addr_same_ip(addr, &config->client))
			return "the address is not the client's own";
	} else if (!may_be_at(config, addr)) {
		return "no --allow contains the address";
	}
	if (addr->port < LOWEST_PORT)
		return "the port is below 1024";
	return NULL;
}

static void
refuse_port(struct engine *engine, const struct command *command,
    const struct hostport *hostport, const char *refusal)
{
	char text[ADDR_TEXT_MAX];

	engine_logf(engine, ENGINE_WARN,
	    "refused %s with the address %s: %s; --foreign-port pass would "
	    "pass it to the server",
	    verb_name(command->verb), addr_format(&hostport->addr, text),
	    refusal);
	exchange_local(engine, "500 %s refused by culvert: %s.",
	    verb_name(command->verb), refusal);
}

/*
 * A host-port that culvert cannot read is refused, as by a strict server.  If
 * it were passed, data could bypass culvert: every server accepts some syntax
 * that others call malformed.  It would then connect to a port of its own host,
 * because that is the peer that it sees.
 */
static void
refuse_malformed(struct engine *engine, const struct command *command,
    const uint8_t *line, size_t len, int err)
{
	const char *verb = verb_name(command->verb);
	size_t end = command_shown(line, len, command);
	/* Short, so that the advice after it is not cut off. */
	size_t shown = end - command->arg_at < 64 ? end - command->arg_at : 64;

	if (engine->config.pass_foreign_port) {
		pass_untouched(engine, command, line, len);
		return;
	}
	engine_logf(engine, ENGINE_WARN,
	    "refused %s: its address and port are malformed: %.*s; "
	    "--foreign-port pass would pass it to the server",
	    verb, (int)shown, arg_of(command, line));
	if (err == -EAFNOSUPPORT && command->verb == VERB_EPRT)
		exchange_local(engine,
		    "522 Network protocol not supported, use (1,2).");
	else
		exchange_local(engine, "501 Illegal %s.", verb);
}

/* Replaces the address of the command if it stands for the address of the
 * client.  lftp sends 0.0.0.0 or :: over IPv6 and means its own address. */
static void
settle_address(const struct engine *engine, struct addr *addr)
{
	const struct addr *client = &engine->config.client;
	uint16_t port = addr->port;

	if (!engine->config.ignore_port_host && !addr_is_any(addr))
		return;
	/* If it is unknown: the loopback of the host with the listener. */
	*addr = client->family != AF_UNSPEC ? *client :
					      addr_loopback(addr->family, 0);
	addr->port = port;
}

static void
take_active(struct engine *engine, const struct command *command,
    const uint8_t *line, size_t len)
{
	struct hostport hostport;
	const char *refusal;
	int err = hostport_parse_command(command->verb, line + command->arg_at,
	    command->arg_len, &hostport);

	if (err != 0) {
		refuse_malformed(engine, command, line, len, err);
		return;
	}
	settle_address(engine, &hostport.addr);
	refusal = port_refusal(engine, &hostport.addr);
	if (refusal == NULL)
		request_begin(engine, command, line, len, &hostport.addr);
	else if (engine->config.pass_foreign_port)
		pass_untouched(engine, command, line, len);
	else
		refuse_port(engine, command, &hostport, refusal);
}

/* ---- the other verbs ---- */

/* Is its argument that word, in upper or lower case? */
static bool
command_arg_is(const struct command *command, const uint8_t *line,
    const char *word)
{
	return command->arg_len == strlen(word) &&
	    strncasecmp(arg_of(command, line), word, command->arg_len) == 0;
}

/* RFC 2428 section 4.  The server must not get EPSV ALL if culvert will use
 * active mode toward it. */
static void
take_epsv_all(struct engine *engine, const struct command *command,
    const uint8_t *line, size_t len)
{
	struct exchange *exchange;

	if (engine->config.server_mode == ENGINE_ACTIVE) {
		engine->session.epsv_all = true;
		exchange_local(engine, "200 EPSV ALL command successful.");
		return;
	}
	exchange = pass_command(engine, EXCHANGE_EPSV_ALL, command, line, len);
	if (exchange != NULL)
		exchange->unsure = true;
}

static void
take_passive(struct engine *engine, const struct command *command,
    const uint8_t *line, size_t len)
{
	if (command->verb == VERB_EPSV && command_arg_is(command, line, "ALL"))
		take_epsv_all(engine, command, line, len);
	else
		request_begin(engine, command, line, len, NULL);
}

static void
take_auth(struct engine *engine, const struct command *command,
    const uint8_t *line, size_t len)
{
	if (!engine->config.allow_tls) {
		engine_logf(engine, ENGINE_INFO,
		    "refused AUTH: culvert cannot read commands inside TLS, "
		    "and SSH already encrypts the connection; --allow-tls "
		    "passes AUTH to the server");
		exchange_local(engine,
		    "534 TLS is not possible through culvert, SSH encrypts "
		    "this connection already.");
		return;
	}
	if (pass_command(engine, EXCHANGE_AUTH, command, line, len) != NULL)
		engine->tls = TLS_REQUESTED;
}

/*
 * If the client has already reset its data connection, the transfer is not
 * begun: the server would take the EOF of its data connection for an empty
 * file.
 */
static bool
refuse_dead_transfer(struct engine *engine)
{
	struct data *next = data_prepared(engine, NULL);

	if (next == NULL || !next->client.lost)
		return false;
	exchange_local(engine, EXCHANGE_NO_DATA, next->why);
	data_close(engine, next);
	return true;
}

static void
keep_argument(struct engine *engine, struct exchange *exchange,
    const struct command *command, const uint8_t *line)
{
	size_t len = command_secret_at(line, command->arg_at + command->arg_len,
			 command) -
	    command->arg_at;

	/* Enough for a report. */
	if (len > NAME_MAX_KEPT)
		len = NAME_MAX_KEPT;
	exchange->text = strndup(arg_of(command, line), len);
	if (exchange->text == NULL)
		engine->failed = true;
}

static void
take_transfer(struct engine *engine, const struct command *command,
    const uint8_t *line, size_t len)
{
	struct exchange *exchange;

	if (refuse_dead_transfer(engine)) {
		/* Or the REST would apply to the next transfer. */
		exchange_void_rest(engine);
		return;
	}
	exchange = pass_command(engine, EXCHANGE_TRANSFER, command, line, len);
	if (exchange == NULL)
		return;
	exchange->move.allo = engine->session.allo;
	engine->session.allo = -1;
	exchange_keep_line(engine, exchange, line, len);
	keep_argument(engine, exchange, command, line);
}

/* Reports about transfers need the argument of USER, SIZE and TYPE. */
static void
take_noted(struct engine *engine, const struct command *command,
    const uint8_t *line, size_t len)
{
	struct exchange *exchange = pass_command(engine,
	    command->verb == VERB_USER ? EXCHANGE_VOID : EXCHANGE_COMMAND,
	    command, line, len);

	if (exchange != NULL)
		keep_argument(engine, exchange, command, line);
}

static void
take_abort(struct engine *engine, const struct command *command,
    const uint8_t *line, size_t len)
{
	struct exchange *transfer = exchange_transfer(engine);
	struct data *data;

	pass_command(engine, EXCHANGE_ABORT, command, line, len);
	if (transfer == NULL)
		return;
	data = data_of(engine, transfer);
	if (data != NULL)
		data_abort(engine, data, exchange_is_upload(transfer));
}

/* MODE and STRU. */
static void
take_setting(struct engine *engine, const struct command *command,
    const uint8_t *line, size_t len)
{
	struct exchange *exchange =
	    pass_command(engine, EXCHANGE_SETTING, command, line, len);

	if (exchange != NULL && command->arg_len == 1)
		keep_argument(engine, exchange, command, line);
}

static void
take_rest(struct engine *engine, const struct command *command,
    const uint8_t *line, size_t len)
{
	struct exchange *exchange =
	    pass_command(engine, EXCHANGE_REST, command, line, len);

	if (exchange == NULL)
		return;
	exchange->rest = strndup(arg_of(command, line), command->arg_len);
	if (exchange->rest == NULL)
		engine->failed = true;
}

/*
 * Some servers would read another command in this line than culvert does.  It
 * is not sent: the server could connect to its own host, outside SSH, or store
 * a file of which culvert does not know.  An honest client does not need it.
 */
static bool
refuse_hidden(struct engine *engine, const struct command *command,
    const uint8_t *line, size_t len)
{
	const char *hidden = command_hidden(line, len, command);

	if (hidden == NULL)
		return false;
	if (hidden[0] == '\0') {
		engine_logf(engine, ENGINE_WARN,
		    "refused a command: a Telnet command at its end hides the "
		    "line end");
		exchange_local(engine, "500 Refused by culvert: no line end.");
		return true;
	}
	engine_logf(engine, ENGINE_WARN,
	    "refused a command that some servers would read as %s", hidden);
	exchange_local(engine,
	    "500 Refused by culvert: some servers would read it as %s.",
	    hidden);
	return true;
}

/* RFC 1639: clients that know LPRT and LPSV know the others, too. */
static void
refuse_long(struct engine *engine, const struct command *command,
    const uint8_t *line, size_t len)
{
	exchange_local(engine, "502 culvert does not support %s: use %s.",
	    verb_name(command->verb),
	    command->verb == VERB_LPRT ? "EPRT or PORT" : "EPSV or PASV");
}

static void
take_other(struct engine *engine, const struct command *command,
    const uint8_t *line, size_t len)
{
	enum exchange_type type = EXCHANGE_COMMAND;

	if (command->verb == VERB_EMPTY)
		type = EXCHANGE_EMPTY;
	else if (command->verb == VERB_REIN)
		type = EXCHANGE_VOID;
	else if (command->verb == VERB_QUIT)
		type = EXCHANGE_QUIT;
	pass_command(engine, type, command, line, len);
	if (command->verb == VERB_ALLO)
		size_note_allo(engine, arg_of(command, line), command->arg_len);
}

typedef void take_fn(struct engine *engine, const struct command *command,
    const uint8_t *line, size_t len);

/* Found by the effect of the verb on data connections, else by the verb. */
static take_fn *
find_taker(const struct command *command)
{
	static const struct {
		enum verb verb;
		take_fn *take;
	} takers[] = {
		{ VERB_ABOR, take_abort },
		{ VERB_AUTH, take_auth },
		{ VERB_LPRT, refuse_long },
		{ VERB_LPSV, refuse_long },
		{ VERB_MODE, take_setting },
		{ VERB_REST, take_rest },
		{ VERB_SIZE, take_noted },
		{ VERB_STRU, take_setting },
		{ VERB_TYPE, take_noted },
		{ VERB_USER, take_noted },
	};

	if ((command->flags & VERB_IS_ACTIVE) != 0)
		return take_active;
	if ((command->flags & VERB_IS_PASSIVE) != 0)
		return take_passive;
	if ((command->flags & (VERB_SENDS | VERB_RECEIVES)) != 0)
		return take_transfer;
	for (size_t i = 0; i < sizeof(takers) / sizeof(takers[0]); i++)
		if (takers[i].verb == command->verb)
			return takers[i].take;
	return take_other;
}

static void
take_command(struct engine *engine, const uint8_t *line, size_t len)
{
	struct command command;

	command_parse(line, len, &command);
	if (!refuse_hidden(engine, &command, line, len) &&
	    !policy_apply(engine, &command, line, len))
		find_taker (&command)(engine, &command, line, len);
}

/* Which commands may be sent now?  If a request may still be sent in another
 * variant, commands after it wait, because a transfer among them would fail.
 * They wait for a limited time, because the reply may not come.  Commands also
 * wait for one that is not sent yet, and for EPSV ALL, which decides about the
 * variants after it. */
enum admits {
	ADMITS_ALL,
	ADMITS_URGENT, /* ABOR and QUIT */
	ADMITS_NONE,
};

/* Also starts the timer of the wait. */
static enum admits
admit(struct engine *engine)
{
	struct exchange *exchange;
	struct data *data;

	if (engine->tls == TLS_REQUESTED || greeting_is_hidden(engine) ||
	    engine->n_exchanges >= LIMIT_PENDING || exchange_waits(engine))
		return ADMITS_NONE;
	TAILQ_FOREACH (exchange, &engine->exchanges, link) {
		if (!exchange->unsure)
			continue;
		data = exchange->data;
		if (data == NULL)
			exchange_time(engine, exchange);
		else if (data->wait == WAIT_NONE)
			data_set_timer(engine, data, WAIT_REPLY);
		return ADMITS_URGENT;
	}
	/* The timer of the data connection limits this wait. */
	return engine->conns.making != NULL && engine->conns.making->unproven ?
	    ADMITS_URGENT :
	    ADMITS_ALL;
}

/* ABOR and QUIT need not wait for requests. */
static bool
may_overtake(const uint8_t *line, size_t len)
{
	struct command command;

	command_parse(line, len, &command);
	return command.verb == VERB_ABOR || command.verb == VERB_QUIT;
}

/* Refuses an over-long line, once, and skips it up to its end. */
static enum step
skip_long_line(struct engine *engine, enum line_result result, size_t len)
{
	bool *fragment = &engine->peers[ENGINE_CLIENT].fragment;

	if (!*fragment) {
		exchange_local(engine, "500 Command line too long.");
		engine_logf(engine, ENGINE_WARN,
		    "refused a command line of more than %d bytes",
		    LIMIT_COMMAND_LINE);
	}
	*fragment = result != LINE_READY;
	line_reader_consume(&engine->peers[ENGINE_CLIENT].input, len);
	return STEP_DONE;
}

/* The client has sent EOF in the middle of a line.  proftpd would execute that:
 * half of the name in a DELE, or a PORT that culvert has not examined. */
static enum step
drop_half_line(struct engine *engine, size_t len)
{
	if (len == 0 || !engine->peers[ENGINE_CLIENT].eof)
		return STEP_IDLE;
	line_reader_consume(&engine->peers[ENGINE_CLIENT].input, len);
	return STEP_DONE;
}

enum step
engine_step_client(struct engine *engine)
{
	struct line_reader *input = &engine->peers[ENGINE_CLIENT].input;
	const uint8_t *line;
	enum line_result result;
	enum admits admits;
	size_t len;

	engine->client_waits = false;
	if (engine->peers[ENGINE_CLIENT].lost)
		return STEP_IDLE;
	result = line_reader_peek(input, &line, &len);
	if (engine->tls == TLS_ACTIVE) {
		len = line_reader_len(input);
		if (len == 0)
			return STEP_IDLE;
		engine_send(engine, ENGINE_SERVER, line, len);
		line_reader_consume(input, len);
		return STEP_DONE;
	}
	admits = len > 0 ? admit(engine) : ADMITS_NONE;
	if (admits == ADMITS_NONE ||
	    (admits == ADMITS_URGENT &&
		(result != LINE_READY || !may_overtake(line, len)))) {
		engine->client_waits = len > 0;
		return len > 0 ? STEP_WAIT : STEP_IDLE;
	}
	if (result == LINE_TOO_LONG ||
	    (engine->peers[ENGINE_CLIENT].fragment && result == LINE_READY))
		return skip_long_line(engine, result, len);
	if (result == LINE_MORE)
		return drop_half_line(engine, len);
	if (engine->greeting.is_reply) {
		/* The client has got the reply to this line. */
		engine->greeting.is_reply = false;
		line_reader_consume(input, len);
		return STEP_DONE;
	}
	if (cwd_await(engine, line, len) == STEP_WAIT) {
		engine->client_waits = true;
		/* When out of memory, the PWD was not sent. */
		return engine->failed ? STEP_DONE : STEP_WAIT;
	}
	if (owner_drain_holds(engine, line, len) ||
	    owner_count_line(engine) == STEP_WAIT)
		return STEP_WAIT;
	take_command(engine, line, len);
	line_reader_consume(input, len);
	return STEP_DONE;
}
