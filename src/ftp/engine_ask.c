/*
 * The control engine: asking the server for a data connection.
 *
 * A client's PORT or PASV is an ask.  It is sent in one form after the other
 * (engine_form.c) until the server takes one; the client sees one reply, in the
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
 * A server may take PORT and find out only at RETR that there is no way to the
 * address in it: 425.  Then passive mode is asked for, by an ask of our own,
 *and the transfer is sent again behind it, with its REST.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ftp/engine_priv.h"

/* RFC 2428 section 4. */
#define ONLY_EPSV "503 Only EPSV may follow EPSV ALL."

/* Longest refusal in a log line; what follows it is to be seen. */
#define REFUSAL_MAX 448

#define NO_DATA "425 No data connection: its listener was lost."

static void next_form(struct engine *engine, struct pending *ask);

static bool
asks_active(const struct pending *ask)
{
	return form_is_active(ask->own);
}

/* ---- the end of an ask ---- */

/* The client is answered by us, in its turn: by text, or if that is NULL by
 * the reply that was kept. */
static void
answer(struct engine *engine, struct pending *pending, const char *text)
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

/* In the verb that the client has used. */
static void
answer_active(struct engine *engine, struct pending *ask)
{
	char text[64];

	snprintf(text, sizeof(text), "200 %s command successful.",
	    verb_name(ask->verb));
	data_make_next(engine, ask->data);
	answer(engine, ask, text);
}

static void
answer_passive(struct engine *engine, struct pending *ask)
{
	struct data *data = ask->data;
	const struct addr *addr = &data->v4[ENGINE_CLIENT];
	char digits[HOSTPORT_TEXT_MAX], text[HOSTPORT_TEXT_MAX + 64];

	if (addr->family == AF_UNSPEC)
		addr = &data->v6[ENGINE_CLIENT];
	if (ask->verb == VERB_LPSV) {
		hostport_format_reply(228, addr, digits);
		snprintf(text, sizeof(text),
		    "228 Entering Long Passive Mode (%s).", digits);
	} else if (ask->verb == VERB_EPSV) {
		hostport_format_reply(229, addr, digits);
		snprintf(text, sizeof(text),
		    "229 Entering Extended Passive Mode (|||%s|).", digits);
	} else {
		hostport_format_reply(227, addr, digits);
		snprintf(text, sizeof(text), "227 Entering Passive Mode (%s).",
		    digits);
	}
	data_make_next(engine, data);
	answer(engine, ask, text);
}

/* The transfer that an ask of ours was for is refused after all. */
static void
refuse_transfer(struct engine *engine, struct pending *transfer)
{
	data_transfer_over(engine, transfer, 425, 425);
	answer(engine, transfer, NULL);
}

/* The first refusal, for the log. */
static const char *
refusal_of(const struct pending *ask, char text[REFUSAL_MAX])
{
	snprintf(text, REFUSAL_MAX, "%.*s",
	    (int)line_text_len(ask->reply, ask->reply_len),
	    (const char *)ask->reply);
	return text;
}

static void
warn_refused(struct engine *engine, const struct pending *ask, const char *text)
{
	if (asks_active(ask))
		engine_logf(engine, ENGINE_WARN,
		    "active mode cannot be had from the server: %s%s", text,
		    engine->config.server_mode == ENGINE_ACTIVE ?
			"; --server-mode same would try passive mode" :
			"");
	else
		engine_logf(engine, ENGINE_WARN,
		    "no data connection for %s%s: %s%s", verb_name(ask->verb),
		    text[0] == '2' ? ", since no host-port was found" : "",
		    text,
		    engine->config.server_mode != ENGINE_SAME ?
			"; --server-mode same would try both modes" :
			"");
}

/* No form is left, or one cannot be made.  text: the reply, if the server has
 * said nothing. */
static void
give_up(struct engine *engine, struct pending *ask, const char *text)
{
	char refusal[REFUSAL_MAX];

	if (ask->kind == PENDING_OURS) {
		refuse_transfer(engine, ask->transfer);
		pending_drop(engine, ask);
		return;
	}
	if (ask->reply == NULL)
		pending_set_text(engine, ask, text);
	warn_refused(engine, ask, refusal_of(ask, refusal));
	if (ask->data != NULL)
		data_close(engine, ask->data);
	answer(engine, ask, NULL);
}

/* ---- sending a form ---- */

static void
move_to_end(struct engine *engine, struct pending *pending)
{
	TAILQ_REMOVE(&engine->pending, pending, link);
	TAILQ_INSERT_TAIL(&engine->pending, pending, link);
}

static void
send_form(struct engine *engine, struct pending *ask)
{
	char text[HOSTPORT_TEXT_MAX];
	const char *verb = verb_name(form_verb(ask->form));

	if (form_is_active(ask->form)) {
		if (ask->data == NULL ||
		    !form_argument(ask->form, ask->data, text)) {
			next_form(engine, ask);
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
	move_to_end(engine, ask);
	if (ask->kind == PENDING_OURS)
		pending_time(engine, ask);
}

/* The next form, and its listeners first if it takes some. */
static void
next_form(struct engine *engine, struct pending *ask)
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
		give_up(engine, ask, "425 Too many data connections.");
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
	next_form(engine, ask);
}

/* ---- what is learned ---- */

/* refused: whoever has kept the refusal. */
static void
log_learned(struct engine *engine, enum form own, enum form form,
    const struct pending *refused)
{
	static const char *const modes[] = { "passive", "active" };
	bool active = form_is_active(own);
	char refusal[REFUSAL_MAX];
	const char *why = refused->reply != NULL ?
	    refusal_of(refused, refusal) :
	    "it cannot be sent";

	if (form_is_active(form) != active)
		engine_logf(engine, ENGINE_INFO,
		    "%s mode cannot be had from the server (%s): translated "
		    "to %s mode from now on",
		    modes[active], why, modes[!active]);
	else
		engine_logf(engine, ENGINE_INFO,
		    "the server does not take %s (%s): it is sent %s from now "
		    "on",
		    verb_name(form_verb(own)), why, verb_name(form_verb(form)));
}

/* Returns what is new of the refused. */
static unsigned
learn(struct engine_memory *memory, enum form form, unsigned tried)
{
	unsigned bit = FORM_BIT(form), learned;

	memory->good |= bit;
	memory->refused &= ~bit;
	learned = tried & ~bit & ~memory->refused & ~memory->good;
	if ((learned & FORM_BIT(FORM_EPSV)) != 0)
		learned |= FORM_BIT(FORM_EPSV_NUMBER);
	memory->refused |= learned;
	return learned;
}

void
ask_accepted(struct engine *engine, struct pending *ask)
{
	unsigned tried = ask->passing ? 0 : ask->tried;

	ask->unsure = false;
	if (learn(engine->memory, ask->form, tried) != 0)
		log_learned(engine, ask->own, ask->form, ask);
}

void
ask_learn_retry(struct engine *engine, struct pending *transfer, unsigned code)
{
	if (transfer->again_tried == 0)
		return;
	if (code < 400) {
		/* What was taken at PORT and failed at RETR is not good. */
		engine->memory->good &= ~transfer->again_tried;
		if (learn(engine->memory, transfer->again,
			transfer->again_tried) != 0)
			log_learned(engine, FORM_PORT, transfer->again,
			    transfer);
	}
	transfer->again_tried = 0;
}

void
ask_unlearn(struct engine *engine, const struct data *data)
{
	bool active = form_is_active(data->form);

	if (active == form_is_active(data->own))
		return;
	engine->memory->good &= active ? ~FORMS_ACTIVE : FORMS_ACTIVE;
	engine->memory->refused &= active ? FORMS_ACTIVE : ~FORMS_ACTIVE;
}

/* ---- replies to a form ---- */

/* "Not so", as opposed to "not now": another form may do. */
static bool
refuses_form(unsigned code)
{
	return code == 425 || code == 522 || code == 550 ||
	    (code >= 500 && code <= 504);
}

/* The first refusal is the client's, if all else fails; of several lines the
 * first. */
static void
keep_refusal(struct engine *engine, struct pending *pending,
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

/* Is what the server says the client's to see, as it stands? */
static bool
speaks_to_client(const struct pending *ask)
{
	return ask->kind == PENDING_COMMAND &&
	    form_verb(ask->form) == ask->verb;
}

void
ask_begin_reply(struct engine *engine, struct pending *ask, unsigned code,
    const uint8_t *line, size_t len)
{
	bool active = form_is_active(ask->form);
	bool announces = !active && code >= 227 && code <= 229;

	if (announces || (active && code < 300)) {
		if (announces)
			engine->how =
			    speaks_to_client(ask) ? REWRITE : TRANSLATE;
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
	    (!refuses_form(code) || form_choose(engine, ask) == FORM_NONE))
		return;
	engine->how = DROP_ASK;
	if (code >= 400)
		keep_refusal(engine, ask, line, len);
	/* "530 Please login": no other form will do. */
	if (code >= 400 && !refuses_form(code))
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
	keep_refusal(engine, ask, line, len);
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

/* ---- a transfer again ---- */

static void
send_again(struct engine *engine, struct pending *transfer)
{
	transfer->waits = false;
	engine_send(engine, ENGINE_SERVER, transfer->line, transfer->line_len);
	move_to_end(engine, transfer);
}

bool
ask_can_retry(struct engine *engine, const struct pending *transfer)
{
	const struct data *data = transfer->data;

	/* STOU would leave an empty file under another name; and what is sent
	 * behind it already would come before it. */
	return data != NULL && data->end[ENGINE_SERVER].listens &&
	    !data->end[ENGINE_CLIENT].listens && !data->up[ENGINE_SERVER] &&
	    !data->cut && !data->aborting && !transfer->begun &&
	    transfer->line != NULL && transfer->verb != VERB_STOU &&
	    transfer->verb != VERB_OTHER && !engine->mode_block &&
	    TAILQ_NEXT(transfer, link) == NULL && !engine->eof[ENGINE_CLIENT] &&
	    !engine->lost[ENGINE_CLIENT] && form_has_passive(engine);
}

void
ask_retry(struct engine *engine, struct pending *transfer, const uint8_t *line,
    size_t len)
{
	struct pending *ask = pending_add(engine, PENDING_OURS, VERB_PORT);

	if (ask == NULL)
		return;
	keep_refusal(engine, ask, line, len);
	keep_refusal(engine, transfer, line, len);
	transfer->waits = true;
	/* Nobody may come late, and be the transfer's. */
	data_act(engine, transfer->data, ENGINE_DATA_DROP, ENGINE_SERVER);
	ask->flags = VERB_IS_PASSIVE;
	ask->is_ask = true;
	ask->transfer = transfer;
	ask->own = FORM_PORT;
	ask->to = transfer->data->end[ENGINE_CLIENT].to;
	ask->tried = FORMS_ACTIVE;
	next_form(engine, ask);
}

/* The server has taken our ask. */
static void
go_on(struct engine *engine, struct pending *ask)
{
	struct pending *rest, *transfer = ask->transfer;

	transfer->again = ask->form;
	transfer->again_tried = ask->tried;
	if (transfer->data != NULL)
		data_close(engine, transfer->data);
	transfer->data = ask->data;
	transfer->data->state = DATA_CURRENT;
	ask->data = NULL;
	if (transfer->rest == NULL) {
		send_again(engine, transfer);
		return;
	}
	rest = pending_add(engine, PENDING_OURS, VERB_REST);
	if (rest == NULL)
		return;
	rest->transfer = transfer;
	engine_sendf(engine, ENGINE_SERVER, "REST %s", transfer->rest);
	pending_time(engine, rest);
}

void
ask_rest_answered(struct engine *engine, struct pending *rest, unsigned code)
{
	if (code >= 300 && code < 400)
		send_again(engine, rest->transfer);
	else
		refuse_transfer(engine, rest->transfer);
}

/* ---- the end of a reply, and listeners ---- */

/* An announcement that was not in the client's form. */
static void
end_translated(struct engine *engine, struct pending *ask)
{
	if (ask->data == NULL && engine->rewritten) {
		give_up(engine, ask, "425 Too many data connections.");
	} else if (ask->data == NULL) {
		next_form(engine, ask);
	} else if (!asks_active(ask)) {
		ask->waits = true; /* for the listener */
	} else {
		if (ask->kind == PENDING_OURS) {
			go_on(engine, ask);
			pending_drop(engine, ask);
		} else {
			ask_accepted(engine, ask);
			answer_active(engine, ask);
		}
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
		next_form(engine, ask);
	} else if (needs_data && ask->data == NULL) {
		/* Its listener was lost meanwhile. */
		if (engine->how == DROP)
			answer(engine, ask, NO_DATA);
		else
			pending_drop(engine, ask);
	} else if (engine->how == DROP) {
		ask_accepted(engine, ask);
		if (asks_active(ask))
			answer_active(engine, ask);
		else
			answer_passive(engine, ask);
	} else if (engine->how == PASS && needs_data) {
		if (code < 300) {
			ask_accepted(engine, ask);
			data_make_next(engine, ask->data);
		} else {
			if (refuses_form(code))
				warn_refused(engine, ask, text);
			data_close(engine, ask->data);
		}
		pending_drop(engine, ask);
	} else {
		pending_drop(engine, ask);
	}
}

/* A listener of the ask does not stand. */
static void
listener_failed(struct engine *engine, struct pending *ask)
{
	struct data *data = ask->data;
	char text[sizeof(data->why) + 80];

	if (data->failed[ENGINE_CLIENT]) {
		snprintf(text, sizeof(text), "425 No data connection: %s.",
		    data->why);
		give_up(engine, ask, text);
		return;
	}
	snprintf(text, sizeof(text),
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
	ask->passing = data->passing;
	data_close(engine, data);
	next_form(engine, ask);
}

static bool
listeners_step(struct engine *engine, struct pending *ask)
{
	struct data *data = ask->data;

	if (data == NULL && ask->deferred) {
		if (TAILQ_FIRST(&engine->pending)->kind == PENDING_GREETING)
			return false;
		ask->tried &= ~FORM_BIT(ask->form);
		next_form(engine, ask);
		return true;
	}
	if (data == NULL) {
		give_up(engine, ask, NO_DATA);
		return true;
	}
	if (data->failed[ENGINE_CLIENT] || data->failed[ENGINE_SERVER]) {
		listener_failed(engine, ask);
	} else if (!data_is_made(data)) {
		return false;
	} else if (form_is_active(ask->form)) {
		send_form(engine, ask);
	} else {
		ask_accepted(engine, ask);
		answer_passive(engine, ask);
	}
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

void
ask_abandon(struct engine *engine, struct pending *ours)
{
	refuse_transfer(engine, ours->transfer);
	/* Its reply may come yet, and is nobody's. */
	ours->transfer = NULL;
	ours->is_ask = false;
	ours->flags = 0;
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
