/*
 * The control engine: a passive data connection ahead of time (--prefetch).
 *
 * After the login and after each transfer the server is asked for the next
 * passive data connection before the client asks, so that the client's PASV or
 * EPSV can be answered without a round trip.  It is dialled as soon as the
 * server has named its port, and the listener toward the client is made then
 * too.
 *
 *	NONE -> WANTED	the login, or a transfer, was a success
 *	WANTED -> ASKED	nothing is pending, prepared, or said by the client
 *	   -> NONE	the client has spoken first
 *	ASKED -> ASKED	the server refuses this form: the other one
 *	   -> MADE	its answer names a port: dialled, listener ordered
 *	MADE -> given	the client's PASV, EPSV or LPSV: it is answered by us,
 *			and from the answer on this is NEXT as any other
 *	WANTED, ASKED, MADE -> NONE
 *			by whatever makes it doubtful, unseen; the answer to
 *			what was asked then is nobody's
 *
 * ASKED and MADE without its listener: the client's PASV waits.
 *
 * What makes it doubtful: a client in active mode (then nothing is wanted
 * before it has used passive mode again), EPSV ALL, a new user, TLS, block
 * mode, ABOR, QUIT, whatever else may touch data ports, the client's end, an
 * idle time, and the end of the server's end.  It is over for the session
 * when the server refuses, or does not answer, and when its end has gone
 * LIMIT_AHEAD_DEATHS times, or once after the client was told the port.
 *
 * The server cannot be told to forget what it was asked for.  It would use it
 * for a transfer whose client has asked for nothing: a STOR would leave an
 * empty file, and its 226 look complete.  So as long as it stands
 * (ahead.stands) and the client has got nothing else accepted, transfers are
 * refused by us with the 425 that most servers have for them; commands behind a
 * PORT or PASV wait until that has been accepted; and an unknown command that
 * begins a transfer cannot end well.
 */
#include "ftp/engine_priv.h"

/* ---- the end of it ---- */

void
ahead_drop(struct engine *engine)
{
	struct ahead *ahead = &engine->ahead;

	ahead->wanted = false;
	/* Its reply, which will come, is dropped. */
	ahead->ask = NULL;
	if (ahead->data != NULL)
		data_close(engine, ahead->data);
}

static void
end_for_good(struct engine *engine, const char *why)
{
	ahead_drop(engine);
	if (!engine->ahead.over)
		engine_logf(engine, ENGINE_VERBOSE,
		    "nothing is asked ahead of the client any more: %s", why);
	engine->ahead.over = true;
}

void
ahead_abandon(struct engine *engine, const struct pending *ask, bool owed)
{
	if (owed)
		engine->ahead.owed = true;
	if (ask == engine->ahead.ask)
		end_for_good(engine, "the server did not answer");
}

/* Is something under way after which the server lets go of what it had? */
static bool
is_replaced(const struct engine *engine)
{
	const struct pending *pending;

	TAILQ_FOREACH (pending, &engine->pending, link)
		if ((pending->flags & (VERB_IS_ACTIVE | VERB_VOIDS_DATA)) !=
			0 ||
		    (pending->kind != PENDING_LOCAL &&
			(pending->flags & VERB_IS_PASSIVE) != 0) ||
		    pending->verb == VERB_ABOR || pending->verb == VERB_QUIT)
			return true;
	return false;
}

void
ahead_not_kept(struct engine *engine, const struct data *data)
{
	if (data->ahead && !is_replaced(engine))
		end_for_good(engine,
		    "the server did not keep the port that it had named");
}

/* Its server's end has gone, unused. */
static void
died(struct engine *engine)
{
	ahead_drop(engine);
	engine_logf(engine, ENGINE_VERBOSE,
	    "what was asked ahead is given up: the server's end has gone");
	if (++engine->ahead.n_deaths >= LIMIT_AHEAD_DEATHS)
		end_for_good(engine,
		    "the server closes what is not used at once");
}

/* ---- asking ---- */

void
ahead_want(struct engine *engine)
{
	struct ahead *ahead = &engine->ahead;

	ahead->wanted = engine->config.prefetch && !ahead->over &&
	    !ahead->active && !engine->draining &&
	    engine->config.server_mode != ENGINE_ACTIVE && ahead->ask == NULL &&
	    ahead->data == NULL;
}

static bool
may_ask(const struct engine *engine)
{
	return owner_is_quiet(engine) && !engine_is_framed(engine) &&
	    data_room(engine) >= 2; /* the client's own asks come first */
}

/* The next form; false: none is left. */
static bool
send_ask(struct engine *engine, struct pending *ask)
{
	ask->form = form_choose(engine, ask);
	if (ask->form == FORM_NONE)
		return false;
	ask->tried |= FORM_BIT(ask->form);
	ask->verb = form_verb(ask->form);
	engine_sendf(engine, ENGINE_SERVER, "%s", verb_name(ask->verb));
	engine->ahead.stands = true;
	pending_to_end(engine, ask);
	return true;
}

static void
begin(struct engine *engine)
{
	const struct engine_memory *memory = engine->memory;
	const unsigned epsv = FORM_BIT(FORM_EPSV), pasv = FORM_BIT(FORM_PASV);
	struct pending *ask = pending_add(engine, PENDING_OURS, VERB_EPSV);

	if (ask == NULL)
		return;
	engine->ahead.ask = ask;
	ask->ahead = true;
	ask->own =
	    (memory->good & (epsv | pasv)) == pasv ? FORM_PASV : FORM_EPSV;
	if (engine->epsv_all)
		ask->own = FORM_EPSV;
	ask->tried = FORMS_ACTIVE | memory->refused | engine->ahead.refused;
	/* A refusal may be of the moment: it teaches nobody else. */
	ask->passing = true;
	if (!send_ask(engine, ask)) {
		pending_drop(engine, ask);
		end_for_good(engine, "the server has no passive mode");
	}
}

bool
ahead_step(struct engine *engine)
{
	struct ahead *ahead = &engine->ahead;

	if ((ahead->ask != NULL || ahead->data != NULL) &&
	    (engine->eof[ENGINE_CLIENT] || engine->lost[ENGINE_CLIENT])) {
		ahead_drop(engine);
		return true;
	}
	if (!ahead->wanted || !may_ask(engine))
		return false;
	ahead->wanted = false;
	begin(engine);
	return true;
}

/* ---- the server's answer ---- */

void
ahead_begin_reply(struct engine *engine, unsigned code)
{
	engine->how = code >= 227 && code <= 229 ? TRANSLATE : DROP;
}

void
ahead_reply_line(struct engine *engine, const struct pending *ask,
    unsigned code, const uint8_t *line, size_t len)
{
	struct engine_data_end client = { .listens = true };
	struct engine_data_end server = { .listens = false };
	struct hostport hostport;

	if (engine->rewritten || ask != engine->ahead.ask ||
	    code != (ask->form == FORM_PASV ? 227 : 229) ||
	    hostport_parse_reply(code, line, len, &hostport) != 0)
		return;
	engine->rewritten = true;
	server.to = hostport.addr;
	engine->ahead.data = data_open(engine, ask, &client, &server);
}

/* May the refusal have been that of another command, so that the answer comes
 * yet?  One of the words "what?" is ours, unless the client has sent something
 * meanwhile; an announcement of the wrong kind is not. */
static bool
may_be_owed(const struct engine *engine, const struct pending *ask,
    unsigned code)
{
	if (engine->how == TRANSLATE)
		return code != (ask->form == FORM_PASV ? 227 : 229);
	return !form_is_refused(code) || TAILQ_NEXT(ask, link) != NULL;
}

/* True: it was sent in the other form. */
static bool
refused(struct engine *engine, struct pending *ask, unsigned code)
{
	struct ahead *ahead = &engine->ahead;
	bool not_so = form_is_refused(code) || engine->how == TRANSLATE;

	ahead->refused |= FORM_BIT(ask->form);
	if (!not_so || form_choose(engine, ask) == FORM_NONE) {
		ahead->owed = may_be_owed(engine, ask, code);
		end_for_good(engine, "the server refused it");
		return false;
	}
	/* It might come between RNFR and RNTO: then the next time. */
	return TAILQ_NEXT(ask, link) == NULL && send_ask(engine, ask);
}

/* A client may be given it, for a while. */
static void
stands(struct engine *engine, struct data *data)
{
	data->unproven = false;
	learn_stands(engine, data);
	data_set_timer(engine, data, WAIT_AHEAD, LIMIT_AHEAD_MS);
}

void
ahead_end_reply(struct engine *engine, struct pending *ask, unsigned code)
{
	struct ahead *ahead = &engine->ahead;

	if (ask != ahead->ask) {
		pending_drop(engine, ask);
		return;
	}
	if (ahead->data != NULL && ahead->data->unproven) {
		data_set_timer(engine, ahead->data, WAIT_AHEAD,
		    LIMIT_HOLD_DIAL_MS);
	} else if (ahead->data != NULL) {
		stands(engine, ahead->data);
	} else if (!engine->rewritten && refused(engine, ask, code)) {
		return;
	}
	pending_drop(engine, ask);
}

bool
ahead_owns_reply(struct engine *engine, unsigned code)
{
	if (!engine->ahead.owed || code < 227 || code > 229)
		return false;
	engine->ahead.owed = false;
	return true;
}

/* ---- the client's commands ---- */

/* Names that the table of verbs does not know.  PROT and PBSZ, which lftp sends
 * all the time, mean nothing without AUTH; and a server that answers PASV
 * before PRET does not need that. */
static bool
touches_data(const struct command *command, const uint8_t *line)
{
	static const char *const names[] = { "CCC", "CPSV", "SPSV", "SSCN",
		NULL };

	return command_name_is_one_of(command, line, names);
}

static bool
is_epsv_all(const struct command *command, const uint8_t *line)
{
	return command->verb == VERB_EPSV &&
	    command_arg_is(command, line, "ALL");
}

void
ahead_command(struct engine *engine, const struct command *command,
    const uint8_t *line)
{
	bool drops = command->verb == VERB_QUIT || command->verb == VERB_ABOR ||
	    is_epsv_all(command, line) ||
	    (command->verb == VERB_AUTH && engine->config.allow_tls) ||
	    (command->verb == VERB_MODE && command->arg_len > 0 &&
		!command_arg_is(command, line, "S") &&
		!command_arg_is(command, line, "Z")) ||
	    (command->verb == VERB_STRU && command->arg_len > 0 &&
		!command_arg_is(command, line, "F"));

	if ((command->flags & VERB_IS_ACTIVE) != 0)
		engine->ahead.active = true;
	if ((command->flags & VERB_IS_PASSIVE) != 0)
		engine->ahead.active = false;
	if (drops || touches_data(command, line) ||
	    (command->flags & (VERB_IS_ACTIVE | VERB_VOIDS_DATA)) != 0)
		ahead_drop(engine);
}

/* Can it be answered from what was asked ahead, as far as its words go? */
static bool
is_plain_ask(const struct engine *engine, const struct command *command,
    const uint8_t *line)
{
	if ((command->flags & VERB_IS_PASSIVE) == 0 ||
	    touches_data(command, line))
		return false;
	if (command->verb != VERB_EPSV)
		return command->arg_len == 0 && !engine->epsv_all;
	return command->arg_len == 0 || command_arg_is(command, line, "1") ||
	    command_arg_is(command, line, "2");
}

bool
ahead_is_awaited(struct engine *engine, const uint8_t *line, size_t len)
{
	const struct ahead *ahead = &engine->ahead;
	struct command command;

	if (ahead->ask == NULL &&
	    (ahead->data == NULL || data_is_ready(ahead->data)))
		return false;
	command_parse(line, len, &command);
	if (!is_plain_ask(engine, &command, line))
		return false;
	if (ahead->ask != NULL)
		pending_time(engine, ahead->ask);
	return true;
}

/* What the client is told; NULL: it wants the other family. */
static const struct addr *
address_for(const struct data *data, const struct command *command,
    const uint8_t *line)
{
	const struct addr *addr = data_told(data);

	if (command->arg_len > 0)
		addr = command_arg_is(command, line, "1") ?
		    &data->v4[ENGINE_CLIENT] :
		    &data->v6[ENGINE_CLIENT];
	return addr->family != AF_UNSPEC ? addr : NULL;
}

bool
ahead_take(struct engine *engine, const struct command *command,
    const uint8_t *line)
{
	struct data *data = engine->ahead.data;
	const struct addr *addr = NULL;
	struct pending *pending;
	char text[PASSIVE_TEXT_MAX];

	if (data != NULL && data_is_ready(data) &&
	    is_plain_ask(engine, command, line))
		addr = address_for(data, command, line);
	if (addr == NULL) {
		ahead_drop(engine);
		return false;
	}
	pending = pending_add(engine, PENDING_LOCAL, command->verb);
	if (pending == NULL)
		return true;
	/* From the answer on, which may have to wait for its turn, it is what
	 * transfers use. */
	pending->flags = VERB_IS_PASSIVE;
	pending->data = data;
	pending_set_text(engine, pending,
	    ask_passive_text(command->verb, addr, text));
	engine->ahead.data = NULL;
	data->state = DATA_ANNOUNCED;
	data_set_timer(engine, data, WAIT_NONE, 0);
	engine_act(engine, ENGINE_DATA_GIVE)->data = data->number;
	engine_logf(engine, ENGINE_VERBOSE, "%s answered ahead of the server",
	    verb_name(command->verb));
	return true;
}

/* ---- transfers that are not the client's to make ---- */

bool
ahead_refuse_transfer(struct engine *engine)
{
	const struct pending *pending;

	if (!engine->ahead.stands)
		return false;
	TAILQ_FOREACH (pending, &engine->pending, link)
		if (pending->kind == PENDING_LOCAL && pending->data != NULL)
			return false;
	pending_local(engine, "425 Use PORT or PASV first.");
	return true;
}

bool
ahead_is_astray(struct engine *engine, const struct data *data, unsigned code)
{
	if (data != NULL || !engine->ahead.stands || code >= 300)
		return false;
	ahead_drop(engine);
	return true;
}

/* ---- events ---- */

bool
ahead_event(struct engine *engine, struct data *data,
    const struct engine_data_event *event)
{
	if (data != engine->ahead.data)
		return false;
	switch (event->type) {
	case ENGINE_DATA_LISTENING:
		return false;
	case ENGINE_DATA_UP:
		/* A client that was not told of it is nobody's. */
		if (event->peer == ENGINE_CLIENT)
			ahead_drop(engine);
		else if (data->unproven)
			stands(engine, data);
		break;
	case ENGINE_DATA_NO_LISTENER:
		if (event->passing)
			ahead_drop(engine);
		else
			end_for_good(engine, event->why);
		break;
	case ENGINE_DATA_EOF:
	case ENGINE_DATA_LOST:
		if (event->peer == ENGINE_SERVER && !data->up[ENGINE_SERVER])
			learn_failed(engine, data);
		if (event->peer == ENGINE_SERVER)
			died(engine);
		else
			ahead_drop(engine);
		break;
	case ENGINE_DATA_TIMEOUT:
	case ENGINE_DATA_SECOND:
	case ENGINE_DATA_UNKNOWN:
		ahead_drop(engine);
		break;
	case ENGINE_DATA_DELIVERED:
	case ENGINE_DATA_FILE_END:
	case ENGINE_DATA_IS_QUIET:
	case ENGINE_DATA_MOVED:
		break;
	}
	if (event->type == ENGINE_DATA_UP && engine->ahead.data == data)
		data->up[event->peer] = true;
	return true;
}
