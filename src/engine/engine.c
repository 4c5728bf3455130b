/*
 * The control engine: what goes in, what comes out, and the order of steps.
 */
#include "engine/engine.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/priv.h"

/* A step makes a few lines out of one; under TLS it passes all bytes that there
 * are. */
#define OUT_MAX (LIMIT_CONTROL_INPUT + 64 * 1024)

/* Actions allocated at first; only a burst of events needs more. */
#define ACTIONS_AT_FIRST 16

struct engine *
engine_new(const struct engine_config *config)
{
	struct engine *engine = calloc(1, sizeof(*engine));

	if (engine == NULL)
		return NULL;
	engine->config = *config;
	/* No policy could see what TLS hides. */
	if (policy_is_on(engine))
		engine->config.allow_tls = false;
	engine->memory =
	    config->memory != NULL ? config->memory : &engine->own_memory;
	line_reader_init(&engine->peers[ENGINE_CLIENT].input,
	    LIMIT_COMMAND_LINE, LIMIT_CONTROL_INPUT);
	line_reader_init(&engine->peers[ENGINE_SERVER].input, LIMIT_REPLY_LINE,
	    LIMIT_CONTROL_INPUT);
	buf_init(&engine->queue.out, OUT_MAX);
	TAILQ_INIT(&engine->exchanges);
	size_forget(engine);
	engine->session.mode = 'S';
	engine->session.structure = 'F';
	engine->owner.lines_left = config->max_lines;
	engine->queue.size_actions = ACTIONS_AT_FIRST;
	engine->queue.actions =
	    calloc(engine->queue.size_actions, sizeof(*engine->queue.actions));
	if (engine->queue.actions == NULL ||
	    exchange_add(engine, EXCHANGE_GREETING, VERB_OTHER) == NULL) {
		engine_free(engine);
		return NULL;
	}
	return engine;
}

void
engine_free(struct engine *engine)
{
	if (engine == NULL)
		return;
	while (!TAILQ_EMPTY(&engine->exchanges))
		exchange_drop(engine, TAILQ_FIRST(&engine->exchanges));
	line_reader_free(&engine->peers[ENGINE_CLIENT].input);
	line_reader_free(&engine->peers[ENGINE_SERVER].input);
	buf_free(&engine->queue.out);
	free(engine->queue.actions);
	free(engine->session.rest);
	free(engine->session.user);
	free(engine->session.size_name);
	free(engine->cwd.path);
	free(engine);
}

/* ---- what goes in ---- */

void
engine_server_family(struct engine *engine, sa_family_t family)
{
	engine->config.server_family = family;
}

int
engine_bytes(struct engine *engine, enum engine_peer peer, const void *bytes,
    size_t len)
{
	if (engine->ended || engine_has_gone(engine, peer))
		return 0;
	if (peer == ENGINE_SERVER)
		unfinished_stir(engine);
	return line_reader_feed(&engine->peers[peer].input, bytes, len);
}

bool
engine_wants(const struct engine *engine, enum engine_peer peer)
{
	return line_reader_len(&engine->peers[peer].input) <=
	    LIMIT_CONTROL_PAUSE;
}

void
engine_eof(struct engine *engine, enum engine_peer peer)
{
	engine->peers[peer].eof = true;
}

void
engine_lost(struct engine *engine, enum engine_peer peer, const char *why)
{
	if (engine->peers[peer].lost)
		return;
	engine->peers[peer].lost = true;
	if (peer == ENGINE_SERVER) {
		snprintf(engine->why, sizeof(engine->why), "%s", why);
		data_server_gone(engine, why);
	}
}

void
engine_stop(struct engine *engine, const char *why)
{
	engine->stopping = true;
	if (!engine->peers[ENGINE_SERVER].lost)
		snprintf(engine->why, sizeof(engine->why), "%s", why);
	engine->peers[ENGINE_SERVER].lost = true;
	data_server_gone(engine, why);
}

/* Must the session wait for a transfer?  Not for a download that nobody
 * receives any more: pure-ftpd sends no final reply to it. */
static bool
transfer_runs(const struct engine *engine)
{
	struct exchange *transfer = exchange_transfer(engine);
	const struct data *data;

	if (transfer == NULL || transfer->stage == STAGE_UNSENT)
		return false;
	data = data_of(engine, transfer);
	return data == NULL || !data_is_cut(data) ||
	    exchange_is_upload(transfer);
}

void
engine_timer(struct engine *engine)
{
	if (!engine->ended)
		exchange_be_sure(engine, false);
}

/* ---- queueing actions ---- */

struct engine_action *
engine_act(struct engine *engine, enum engine_action_type type)
{
	struct queued_action *grown, *queued;
	size_t size = engine->queue.size_actions;

	if (engine->queue.n_actions == size) {
		assert(size > 0); /* engine_new() has allocated some */
		size *= 2;
		grown = realloc(engine->queue.actions, size * sizeof(*grown));
		if (grown == NULL) {
			engine->failed = true;
			return &engine->queue.nowhere;
		}
		engine->queue.actions = grown;
		engine->queue.size_actions = size;
	}
	queued = &engine->queue.actions[engine->queue.n_actions++];
	memset(queued, 0, sizeof(*queued));
	queued->action.type = type;
	return &queued->action;
}

/*
 * Gives the action that was queued last a copy of len bytes.  When out of
 * memory it removes the action, and no action with bytes follows: so the owner
 * never gets one without its bytes, and the session ends (see engine_step()).
 */
static void
attach_bytes(struct engine *engine, struct engine_action *action,
    const void *bytes, size_t len)
{
	struct queued_action *queued;

	if (action == &engine->queue.nowhere)
		return;
	queued = &engine->queue.actions[engine->queue.n_actions - 1];
	assert(action == &queued->action);
	queued->at = buf_len(&engine->queue.out);
	if (!engine->failed &&
	    buf_append(&engine->queue.out, bytes, len) == 0) {
		action->len = len;
		return;
	}
	engine->failed = true;
	engine->queue.n_actions--;
}

void
engine_attach_text(struct engine *engine, struct engine_action *action,
    const char *text)
{
	attach_bytes(engine, action, text, strlen(text) + 1);
}

/* A report with empty texts is better than none. */
void
engine_attach_report(struct engine *engine, struct engine_action *action,
    const char *name, const char *why, const char *user)
{
	struct queued_action *queued;

	if (action == &engine->queue.nowhere || engine->failed)
		return;
	queued = &engine->queue.actions[engine->queue.n_actions - 1];
	assert(action == &queued->action);
	queued->at = buf_len(&engine->queue.out);
	queued->why_at = queued->at + strlen(name) + 1;
	queued->user_at = queued->why_at + strlen(why) + 1;
	if (buf_append(&engine->queue.out, name, strlen(name) + 1) == 0 &&
	    buf_append(&engine->queue.out, why, strlen(why) + 1) == 0 &&
	    buf_append(&engine->queue.out, user, strlen(user) + 1) == 0)
		action->len = strlen(name) + 1;
	else
		engine->failed = true;
}

void
engine_send(struct engine *engine, enum engine_peer peer, const void *bytes,
    size_t len)
{
	struct engine_action *action;

	if (len == 0 || engine->peers[peer].lost)
		return;
	action = engine_act(engine, ENGINE_SEND);
	action->peer = peer;
	attach_bytes(engine, action, bytes, len);
}

size_t
engine_end_line(char *line, size_t size, int printed)
{
	size_t len = (size_t)printed < size - 2 ? (size_t)printed : size - 3;

	for (size_t i = 0; i < len; i++)
		if (line[i] == '\r' || line[i] == '\n')
			line[i] = ' ';
	memcpy(line + len, "\r\n", 2);
	return len + 2;
}

void
engine_sendf(struct engine *engine, enum engine_peer peer, const char *format,
    ...)
{
	char line[1024];
	va_list args;
	int len;

	if (engine->tls == TLS_ACTIVE)
		return;
	va_start(args, format);
	len = vsnprintf(line, sizeof(line) - 2, format, args);
	va_end(args);
	if (len >= 0)
		engine_send(engine, peer, line,
		    engine_end_line(line, sizeof(line), len));
}

void
engine_logf(struct engine *engine, enum engine_level level, const char *format,
    ...)
{
	struct engine_action *action;
	char text[1024];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (len < 0)
		return;
	if ((size_t)len >= sizeof(text))
		len = (int)sizeof(text) - 1;
	action = engine_act(engine, ENGINE_LOG);
	action->level = level;
	attach_bytes(engine, action, text, (size_t)len + 1);
}

/* ---- what comes out ---- */

/* Reports the transfers without a final reply. */
static void
report_unanswered(struct engine *engine)
{
	struct exchange *exchange;

	TAILQ_FOREACH (exchange, &engine->exchanges, link)
		if (exchange_is_transfer(exchange))
			data_doubt_end(engine, exchange, exchange->data);
	TAILQ_FOREACH (exchange, &engine->exchanges, link)
		if (exchange_is_transfer(exchange))
			report_end(engine, exchange, exchange->data, 0, 0);
}

static void
end(struct engine *engine)
{
	struct data *data;

	report_unanswered(engine);
	for (data = engine->conns.data;
	     data < engine->conns.data + LIMIT_SESSION_DATA; data++)
		if (data->state != DATA_FREE)
			data_close(engine, data);
	engine->ended =
	    engine_act(engine, ENGINE_END) != &engine->queue.nowhere;
}

/*
 * The final reply to a transfer will not come, or not all of its lines.  told:
 * the client's next reply is the one to this transfer.
 */
static void
tell_transfer_cut(struct engine *engine, struct exchange *transfer, bool told)
{
	const char *why = engine->why;
	unsigned code = engine_open_code(engine);

	if (*why == '\0')
		why = "the server closed the control connection";
	if (engine->reply.exchange == transfer && code >= 200) {
		data_transfer_over(engine, transfer, code, engine->reply.told);
	} else {
		data_server_gone(engine, why);
		if (told)
			engine_sendf(engine, ENGINE_CLIENT,
			    "426 Transfer cut: %s.", why);
		data_transfer_over(engine, transfer, 0, told ? 426 : 0);
	}
	exchange_drop(engine, transfer);
}

/*
 * Sends our own replies.  It stops at the first command to which no reply will
 * come, because the client would take the next reply for that command's.
 */
static void
tell_exchanges(struct engine *engine)
{
	struct exchange *exchange, *next, *transfer = exchange_transfer(engine);
	bool in_turn = true;

	for (exchange = TAILQ_FIRST(&engine->exchanges); exchange != NULL;
	     exchange = next) {
		next = TAILQ_NEXT(exchange, link);
		if (exchange == transfer)
			tell_transfer_cut(engine, exchange, in_turn);
		else if (in_turn && exchange->type == EXCHANGE_LOCAL)
			exchange_send_reply(engine, exchange);
		else if (!exchange_is_of(exchange, PARTY_OURS) &&
		    (exchange != engine->reply.exchange ||
			reply_is_dropped(engine)))
			in_turn = false;
	}
}

/* The server's connection is over: the client gets 426 for a transfer, then
 * 421. */
static void
tell_server_gone(struct engine *engine)
{
	bool speaks = engine_open_code(engine) != 0 ||
	    exchange_transfer(engine) != NULL ||
	    engine->peers[ENGINE_SERVER].lost;

	/* If the server's last line was cut off, ends it.  Nothing is added to
	 * its text, except " Reply incomplete." after a bare code: many clients
	 * do not take a code without a blank for the end of a reply. */
	if (engine->peers[ENGINE_SERVER].fragment &&
	    !reply_is_dropped(engine) && speaks)
		engine_sendf(engine, ENGINE_CLIENT, "%s",
		    engine_open_code(engine) == 0 && engine->reply.bare_code ?
			" Reply incomplete." :
			"");
	if (engine_open_code(engine) != 0 && !reply_is_dropped(engine))
		engine_sendf(engine, ENGINE_CLIENT, "%03u Reply incomplete.",
		    engine_open_code(engine));
	tell_exchanges(engine);
	if (engine->peers[ENGINE_SERVER].lost)
		engine_sendf(engine, ENGINE_CLIENT, "421 %s.", engine->why);
}

/*
 * Has culvert told the server to stop an upload (COURSE_CUT_SETTLING), and does
 * it wait for the reply?  The timer of the data connection limits the wait.
 */
static bool
is_settling(const struct engine *engine)
{
	struct exchange *transfer = exchange_transfer(engine);
	const struct data *data;

	if (transfer == NULL)
		return false;
	data = data_of(engine, transfer);
	return data != NULL && data->course == COURSE_CUT_SETTLING &&
	    data->wait != WAIT_NONE;
}

static enum step
client_gone(struct engine *engine)
{
	struct exchange *transfer = exchange_transfer(engine);
	bool is_sent = transfer != NULL && transfer->stage != STAGE_UNSENT;
	struct data *data;

	if (is_settling(engine))
		return STEP_IDLE;
	/* The client had got the outcome in the first line of a multi-line
	 * reply. */
	if (transfer != NULL && data_end_is_told(engine, transfer)) {
		unfinished_end(engine);
		return STEP_DONE;
	}
	data = transfer != NULL ? data_of(engine, transfer) : NULL;
	/* If the transfer is not sent yet, the server need not be told. */
	if (data != NULL && (transfer->flags & VERB_SENDS) != 0 &&
	    data->course != COURSE_CUT_SETTLING && is_sent) {
		data_cut_upload(engine, data, "the client is gone");
		if (is_settling(engine))
			return STEP_DONE;
	}
	if (transfer != NULL) {
		if (data != NULL && is_sent)
			data_set_cut(data, "the client is gone");
		/* It was refused before (retry.c). */
		data_transfer_over(engine, transfer, is_sent ? 0 : 425, 0);
		exchange_drop(engine, transfer);
	}
	end(engine);
	return STEP_DONE;
}

/*
 * Passes the client's half-close on, but not while a transfer runs: the server
 * might end the session when it sees that, and could then not be told that an
 * upload was cut.  The client's last commands may have to wait.  If the server
 * does not end the session, the owner, which has the clock, calls engine_lost()
 * for the client.
 */
static enum step
client_half_closed(struct engine *engine)
{
	bool all_taken =
	    line_reader_len(&engine->peers[ENGINE_CLIENT].input) == 0;

	if (engine->server_shut || !all_taken || transfer_runs(engine) ||
	    exchange_waits(engine))
		return STEP_WAIT;
	engine->server_shut = true;
	engine_act(engine, ENGINE_SHUT)->peer = ENGINE_SERVER;
	return STEP_DONE;
}

/* Out of memory: some actions are lost, so the session must end.  Actions in
 * the queue are still carried out. */
static void
end_without_memory(struct engine *engine)
{
	engine->failed = false;
	engine_stop(engine, "Out of memory");
	tell_server_gone(engine);
	end(engine);
	if (!engine->ended) {
		/* There is always space for one action. */
		engine->queue.n_actions = 0;
		engine_act(engine, ENGINE_END);
		engine->ended = true;
	}
}

/* Handles the end of control connections, when there is no line to handle. */
static enum step
step_ends(struct engine *engine)
{
	bool held = line_reader_len(&engine->peers[ENGINE_SERVER].input) > 0;

	if (engine->peers[ENGINE_SERVER].eof && !held)
		greeting_server_ended(engine);
	if (engine->stopping ||
	    (engine_has_gone(engine, ENGINE_SERVER) && !held)) {
		tell_server_gone(engine);
		if (!engine->failed)
			end(engine);
		if (!engine->ended)
			end_without_memory(engine);
		return STEP_DONE;
	}
	if (engine->peers[ENGINE_CLIENT].lost)
		return client_gone(engine);
	if (engine->peers[ENGINE_CLIENT].eof)
		return client_half_closed(engine);
	return STEP_IDLE;
}

/* They are called in this order, until one returns STEP_DONE. */
static enum step (*const steps[])(struct engine *engine) = {
	exchange_flush_local,
	request_step,
	engine_step_server,
	cwd_step,
	engine_step_client,
	unfinished_step,
	hold_step,
	hold_last_reply,
	owner_drain_step,
	step_ends,
};

static enum step
engine_step(struct engine *engine)
{
	enum step result = STEP_IDLE;

	if (engine->ended)
		return STEP_IDLE;
	if (engine->failed) {
		end_without_memory(engine);
		return STEP_DONE;
	}
	if (engine->stopping)
		return step_ends(engine);
	for (size_t i = 0;
	     i < sizeof(steps) / sizeof(steps[0]) && result != STEP_DONE; i++)
		result = steps[i](engine);
	return result;
}

bool
engine_next(struct engine *engine, struct engine_action *ret)
{
	struct queued_action *queued;

	if (engine->queue.first_action == engine->queue.n_actions) {
		engine->queue.first_action = 0;
		engine->queue.n_actions = 0;
		buf_consume(&engine->queue.out, buf_len(&engine->queue.out));
		/* A step that returns STEP_WAIT may have queued a timer. */
		while (engine->queue.n_actions == 0)
			if (engine_step(engine) != STEP_DONE &&
			    engine->queue.n_actions == 0)
				return false;
	}
	queued = &engine->queue.actions[engine->queue.first_action++];
	*ret = queued->action;
	if (ret->len > 0)
		ret->bytes = buf_bytes(&engine->queue.out) + queued->at;
	if (ret->type == ENGINE_REPORT || ret->type == ENGINE_BEGIN) {
		const char *texts = (const char *)buf_bytes(&engine->queue.out);
		bool whole = ret->len > 0; /* false: out of memory */

		ret->report.name = whole ? (const char *)ret->bytes : "";
		ret->report.why = whole ? texts + queued->why_at : "";
		ret->report.user = whole ? texts + queued->user_at : "";
	}
	return true;
}
