/*
 * The control engine: asking the server for a data connection.
 *
 * A client's PORT or PASV is an ask.  It is sent in one form after the other
 * (engine/form.c) until the server takes one; the client sees one reply, in the
 * mode and with the verb it has used.  While the form is not known to be good
 * the commands behind it wait, or a transfer among them would fail.
 *
 *	client    form sent   needs               answered when
 *	active    active      far listener first  200 came
 *	active    passive     nothing             229 came
 *	passive   passive     near listener last  229 came and it stands
 *	passive   active      both first          200 came
 *
 * (far and near: the server's and the client's side of a local tunnel.)
 *
 * What is learned from the server's answers: engine/learn.c.  What happens when
 * an answer turns out wrong at RETR: engine/retry.c.
 */
#include <stdio.h>

#include "engine/priv.h"

/* RFC 2428 section 4. */
#define ONLY_EPSV "503 Only EPSV may follow EPSV ALL."

#define NO_DATA "425 No data connection: its listener was lost."

#define TOO_MANY "425 Too many data connections."

static bool
asks_active(const struct pending *ask)
{
	return form_is_active(ask->own);
}

/* ---- the end of an ask ---- */

/* In the verb that the client has used. */
static void
answer_active(struct engine *engine, struct pending *ask)
{
	char text[64];

	snprintf(text, sizeof(text), "200 %s command successful.",
	    verb_name(ask->verb));
	data_make_next(engine, ask->data);
	pending_answer(engine, ask, text);
}

#define PASSIVE_TEXT_MAX (HOSTPORT_TEXT_MAX + 64)

/* Our own reply to PASV or EPSV. */
static void
passive_text(enum verb verb, const struct addr *addr,
    char text[PASSIVE_TEXT_MAX])
{
	char digits[HOSTPORT_TEXT_MAX];

	if (verb == VERB_EPSV) {
		hostport_format_reply(229, addr, digits);
		snprintf(text, PASSIVE_TEXT_MAX,
		    "229 Entering Extended Passive Mode (|||%s|).", digits);
	} else {
		hostport_format_reply(227, addr, digits);
		snprintf(text, PASSIVE_TEXT_MAX,
		    "227 Entering Passive Mode (%s).", digits);
	}
}

static void
answer_passive(struct engine *engine, struct pending *ask)
{
	struct data *data = ask->data;
	char text[PASSIVE_TEXT_MAX];

	passive_text(ask->verb, data_told(data), text);
	data_make_next(engine, data);
	pending_answer(engine, ask, text);
}

static void
warn_refused(struct engine *engine, const struct pending *ask, const char *text)
{
	engine_logf(engine, ENGINE_WARN, "no data connection for %s%s: %s%s",
	    verb_name(ask->verb),
	    text[0] == '2' ? ", since no host-port was found" : "", text,
	    engine->config.server_mode != ENGINE_SAME && !ask->passing ?
		"; --server-mode same would try both modes" :
		"");
}

/* No form is left, or one cannot be made.  text: the reply, if the server has
 * said nothing. */
static void
give_up(struct engine *engine, struct pending *ask, const char *text)
{
	char refusal[PENDING_REFUSAL_MAX];

	if (ask->kind == PENDING_OURS) {
		retry_refuse(engine, ask->transfer);
		pending_drop(engine, ask);
		return;
	}
	if (ask->reply == NULL)
		pending_set_text(engine, ask, text);
	warn_refused(engine, ask, pending_refusal(ask, refusal));
	if (ask->data != NULL)
		data_close(engine, ask->data);
	pending_answer(engine, ask, NULL);
}

/* It fails here, not at the server, which has refused nothing.  text: the
 * reply; why: for the log. */
static void
fail_here(struct engine *engine, struct pending *ask, const char *text,
    const char *why)
{
	if (ask->kind == PENDING_OURS) {
		retry_refuse(engine, ask->transfer);
		pending_drop(engine, ask);
		return;
	}
	engine_logf(engine, ENGINE_WARN, "no data connection for %s: %s",
	    verb_name(ask->verb), why);
	if (ask->data != NULL)
		data_close(engine, ask->data);
	pending_answer(engine, ask, text);
}

static void
fail_too_many(struct engine *engine, struct pending *ask)
{
	fail_here(engine, ask, TOO_MANY,
	    "the session has as many as it may have (--max-data)");
}

/* ---- sending a form ---- */

static void
send_form(struct engine *engine, struct pending *ask)
{
	char text[HOSTPORT_TEXT_MAX];
	const char *verb = verb_name(form_verb(ask->form));

	if (form_is_active(ask->form)) {
		if (ask->data == NULL ||
		    !form_argument(ask->form, ask->data, text)) {
			ask_next_form(engine, ask);
			return;
		}
		engine_sendf(engine, ENGINE_SERVER, "%s %s", verb, text);
		ask->data->state = DATA_ANNOUNCED;
	} else if (ask->form == ask->own && ask->line != NULL) {
		/* As the client wrote it: "P@SW", its line end. */
		engine_send(engine, ENGINE_SERVER, ask->line, ask->line_len);
	} else {
		engine_sendf(engine, ENGINE_SERVER, "%s", verb);
	}
	ask->flags =
	    form_is_active(ask->form) ? VERB_IS_ACTIVE : VERB_IS_PASSIVE;
	ask->waits = false;
	ask->timed = false;
	ask->unsure = (engine->memory->good & FORM_BIT(ask->form)) == 0;
	pending_to_end(engine, ask);
	if (ask->kind == PENDING_OURS)
		pending_time(engine, ask);
}

void
ask_next_form(struct engine *engine, struct pending *ask)
{
	struct engine_data_end client = {
		.listens = !asks_active(ask),
		.to = ask->to,
	};
	struct engine_data_end server = { .listens = true };

	ask->form = form_choose(engine, ask);
	if (ask->form == FORM_NONE) {
		give_up(engine, ask,
		    engine->epsv_all ?
			ONLY_EPSV :
			"502 No data connection can be had from the server.");
		return;
	}
	ask->tried |= FORM_BIT(ask->form);
	server.family = form_family(ask->form);
	/* What was made for the form before does not serve this one. */
	if (ask->data != NULL &&
	    ask->data->end[ENGINE_SERVER].family != server.family)
		data_close(engine, ask->data);
	if (!form_is_active(ask->form) || ask->data != NULL) {
		send_form(engine, ask);
		return;
	}
	/* Where to listen is known once the server is connected to. */
	ask->waits = true;
	ask->deferred = TAILQ_FIRST(&engine->pending)->kind == PENDING_GREETING;
	if (ask->deferred)
		return;
	ask->data = data_open(engine, ask, &client, &server);
	if (ask->data == NULL)
		fail_too_many(engine, ask);
}

void
ask_begin(struct engine *engine, const struct command *command,
    const uint8_t *line, size_t len, const struct addr *to)
{
	struct pending *ask;

	/* What the server does not know we keep. */
	if (engine->epsv_all && command->verb != VERB_EPSV &&
	    engine->config.server_mode != ENGINE_SAME) {
		pending_local(engine, ONLY_EPSV);
		return;
	}
	ask = pending_add(engine, PENDING_COMMAND, command->verb);
	if (ask == NULL)
		return;
	ask->flags = command->flags;
	ask->is_ask = true;
	pending_keep_line(engine, ask, line, len);
	if (to != NULL)
		ask->to = *to;
	ask->own = form_of(command->verb, command->arg_len > 0, to);
	ask_next_form(engine, ask);
}

/* ---- replies to a form ---- */

/* Is what the server says the client's to see, as it stands? */
static bool
speaks_to_client(const struct pending *ask)
{
	return ask->kind == PENDING_COMMAND &&
	    form_verb(ask->form) == ask->verb;
}

/* May the announcement pass, with our host-port?  Not one of several lines
 * whose port may yet turn out to be dead: the first ones could not be taken
 * back. */
static bool
may_pass(const struct engine *engine, const struct pending *ask,
    const uint8_t *line, size_t len)
{
	size_t code = line_telnet_prefix(line, len);
	bool more = len > code + 3 && line[code + 3] == '-';

	return speaks_to_client(ask) &&
	    (!more || (engine->memory->good & FORM_BIT(ask->form)) != 0);
}

void
ask_begin_reply(struct engine *engine, struct pending *ask, unsigned code,
    const uint8_t *line, size_t len)
{
	bool active = form_is_active(ask->form);
	bool announces = !active && code >= 227 && code <= 229;

	/* A first announcement whose end never came, see engine/unfinished.c.
	 */
	if (!active && ask->data != NULL)
		data_close(engine, ask->data);
	if (announces || (active && code < 300)) {
		if (announces)
			engine->how = may_pass(engine, ask, line, len) ?
			    REWRITE :
			    TRANSLATE;
		else if (!speaks_to_client(ask))
			engine->how = DROP;
		return;
	}
	/* What is sent behind it already would be answered before it. */
	if (ask->kind == PENDING_COMMAND && TAILQ_NEXT(ask, link) != NULL)
		ask->tried = ~0U;
	/* A refusal that ends the attempts passes as it is, all its lines, if
	 * it is the first. */
	if (speaks_to_client(ask) && ask->reply == NULL &&
	    (!form_is_refused(code) || form_choose(engine, ask) == FORM_NONE))
		return;
	engine->how = DROP_ASK;
	if (code >= 400)
		pending_keep_refusal(engine, ask, line, len);
	/* "530 Please login": no other form will do. */
	if (code >= 400 && !form_is_refused(code))
		ask->tried = ~0U;
}

/* An IPv6 server may answer PASV by "227 ... (::1,144,91)": it has EPSV.  The
 * client gets to see that 227 if nothing else helps. */
bool
ask_not_understood(struct engine *engine, struct pending *ask,
    const uint8_t *line, size_t len)
{
	/* Not when it is the beginning of an over-long line. */
	if (line[len - 1] != '\n' || TAILQ_NEXT(ask, link) != NULL ||
	    form_choose(engine, ask) == FORM_NONE)
		return false;
	engine->how = DROP_ASK;
	pending_keep_refusal(engine, ask, line, len);
	return true;
}

/* A line of an announcement that is not in the client's form. */
void
ask_reply_line(struct engine *engine, struct pending *ask, unsigned code,
    const uint8_t *line, size_t len)
{
	struct engine_data_end client = {
		.listens = !asks_active(ask),
		.to = ask->to,
	};
	struct engine_data_end server = { .listens = false };
	struct hostport hostport;

	if (engine->rewritten ||
	    hostport_parse_reply(code, line, len, &hostport) != 0)
		return;
	engine->rewritten = true;
	server.to = hostport.addr;
	ask->data = data_open(engine, ask, &client, &server);
	if (ask->data != NULL && ask->kind == PENDING_OURS)
		ask->data->state = DATA_ANNOUNCED;
}

/* ---- the end of a reply, and listeners ---- */

/* The server's passive port is known, and all that is to be seen of it. */
static void
end_passive(struct engine *engine, struct pending *ask)
{
	if (ask->kind == PENDING_OURS) {
		retry_go_on(engine, ask);
		pending_drop(engine, ask);
		return;
	}
	learn_accepted(engine, ask);
	if (asks_active(ask))
		answer_active(engine, ask);
	else
		answer_passive(engine, ask);
}

/* An announcement that was not in the client's form. */
static void
end_translated(struct engine *engine, struct pending *ask)
{
	if (ask->data == NULL && engine->rewritten) {
		fail_too_many(engine, ask);
	} else if (ask->data == NULL) {
		ask_next_form(engine, ask);
	} else if (data_is_ready(ask->data)) {
		end_passive(engine, ask);
	} else {
		ask->waits = true; /* see listeners_step() */
		ask->timed = false;
	}
}

void
ask_end_reply(struct engine *engine, struct pending *ask, unsigned code)
{
	bool needs_data = form_is_active(ask->form);
	char text[16];

	snprintf(text, sizeof(text), "%u", code);
	if (engine->how == TRANSLATE) {
		end_translated(engine, ask);
	} else if (engine->how == DROP_ASK) {
		ask_next_form(engine, ask);
	} else if (needs_data && ask->data == NULL) {
		/* Its listener was lost meanwhile. */
		if (engine->how == DROP)
			pending_answer(engine, ask, NO_DATA);
		else
			pending_drop(engine, ask);
	} else if (engine->how == DROP) {
		learn_accepted(engine, ask);
		if (asks_active(ask))
			answer_active(engine, ask);
		else
			answer_passive(engine, ask);
	} else if (engine->how == PASS && needs_data) {
		if (code < 300) {
			learn_accepted(engine, ask);
			data_make_next(engine, ask->data);
		} else {
			if (form_is_refused(code))
				warn_refused(engine, ask, text);
			data_close(engine, ask->data);
		}
		pending_drop(engine, ask);
	} else {
		pending_drop(engine, ask);
	}
}

void
ask_keep_failure(struct engine *engine, struct pending *ask, struct data *data)
{
	char text[sizeof(data->why) + 80];

	snprintf(text, sizeof(text), "425 No data connection: %s.", data->why);
	if (ask->reply == NULL)
		pending_set_text(engine, ask, text);
	/* What is sent behind it already would be answered before it. */
	if (TAILQ_NEXT(ask, link) != NULL && ask->kind == PENDING_COMMAND)
		ask->tried = ~0U;
	ask->passing |= data->passing;
	data_close(engine, data);
}

/* A listener of the ask does not stand, or our connection to the server. */
static void
listener_failed(struct engine *engine, struct pending *ask)
{
	struct data *data = ask->data;
	char text[sizeof(data->why) + 80];

	if (data->failed[ENGINE_CLIENT]) {
		snprintf(text, sizeof(text), "425 No data connection: %s.",
		    data->why);
		fail_here(engine, ask, text, data->why);
		return;
	}
	if (!form_is_active(ask->form)) {
		ask_keep_failure(engine, ask, data);
		ask_next_form(engine, ask);
		return;
	}
	snprintf(text, sizeof(text),
	    data->passing ?
		"425 No data connection: %s." :
		asks_active(ask) ?
		"502 Active mode is not possible here, use passive: %s." :
		"502 The server cannot connect to here, as active mode takes: "
		"%s.",
	    data->why);
	if (ask->reply == NULL)
		pending_set_text(engine, ask, text);
	/* There may be one in the other family. */
	for (enum form form = 0; form < FORM_NONE; form++)
		if (form_is_active(form) &&
		    form_family(form) == data->end[ENGINE_SERVER].family)
			ask->tried |= FORM_BIT(form);
	ask->passing |= data->passing;
	data_close(engine, data);
	ask_next_form(engine, ask);
}

static bool
listeners_step(struct engine *engine, struct pending *ask)
{
	struct data *data = ask->data;

	if (data == NULL && ask->deferred) {
		if (TAILQ_FIRST(&engine->pending)->kind == PENDING_GREETING)
			return false;
		ask->tried &= ~FORM_BIT(ask->form);
		ask_next_form(engine, ask);
		return true;
	}
	if (data == NULL) {
		fail_here(engine, ask, NO_DATA, "its listener was lost");
		return true;
	}
	if (data_has_failed(data))
		listener_failed(engine, ask);
	else if (!data_is_ready(data))
		return false;
	else if (form_is_active(ask->form))
		send_form(engine, ask);
	else
		end_passive(engine, ask);
	return true;
}

bool
ask_is_announcing(const struct engine *engine)
{
	const struct pending *pending;

	TAILQ_FOREACH (pending, &engine->pending, link)
		if (pending->is_ask && pending->waits &&
		    !form_is_active(pending->form))
			return true;
	return false;
}

bool
ask_step(struct engine *engine)
{
	struct pending *pending;

	TAILQ_FOREACH (pending, &engine->pending, link)
		if (pending->is_ask && pending->waits)
			return listeners_step(engine, pending);
	return false;
}
