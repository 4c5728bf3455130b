/*
 * The control engine: multi-line replies without their last line.
 *
 * RFC 959 section 4.2 ends such a reply with its own code and a blank; the
 * lines inside may look like anything.  Some servers never send that last line:
 * "553-..." and then "150 ..." (glftpd), a lone "211-none", "211End".  Clients
 * are lenient, each in its own way, and go on (curl and wget take any code and
 * a blank for the last line, ftplib and tnftp the same code with anything but a
 * hyphen).  If culvert did not go on, everything after it would pass
 * unexamined: a 227 unchanged, and the 226 of an upload that was cut.
 *
 * So a line within such a reply that could be the next reply is a candidate:
 *
 *	fresh	it fits a command that the client sent after lines of the
 *		unfinished reply had come, when no other command was
 *		unanswered: so the client takes the reply for ended
 *	own	the unfinished reply is to a transfer, or to a request for a
 *		data connection, and this could be its next reply ("150-",
 *		"226 ")
 *	hidden	the client gets nothing of the unfinished reply
 *	doubtful  it has a host-port, or begins or ends a transfer, and was
 *		requested before the unfinished reply began
 *	contrary  the unfinished reply says that a transfer has failed, and a
 *		client may take the line for its outcome (wget: any 2xx)
 *
 * A candidate is held.  If the last line of the unfinished reply comes after
 * it, the candidate was an ordinary line.  If the server sends nothing more for
 * LIMIT_UNFINISHED_MS (a doubtful one: LIMIT_UNFINISHED_DOUBT_MS), it is a
 * reply.  An unfinished reply after which nothing comes is ended after the
 * longer time, if the client waits for culvert: it gets nothing of that reply,
 * or culvert delays its next command or has the answer to it.
 *
 * A contrary line is not passed: many clients take the last code for the
 * outcome, and a failure must not become a success in this way.  The client
 * gets the last line of the failure from culvert.  If that line comes from the
 * server, a blank is put in front of the contrary line.
 */
#include <string.h>

#include "engine/priv.h"
#include "ftp/hostport.h"

enum candidate {
	CANDIDATE_NONE,
	CANDIDATE_SURE, /* fresh, own, hidden, contrary */
	CANDIDATE_DOUBTFUL,
};

/* ---- which command a line would answer ---- */

static bool
ends_transfer(unsigned code)
{
	static const unsigned codes[] = { 226, 250, 425, 426, 450, 451, 452,
		550, 551, 552, 553, 0 };

	return match_is_one_of(code, codes);
}

static bool
is_good(unsigned code)
{
	return code >= 200 && code < 300;
}

/* Returns the last fresh command that a reply with that code answers; NULL:
 * none. */
static struct exchange *
fresh_command(struct engine *engine, unsigned code)
{
	struct exchange *exchange;

	TAILQ_FOREACH_REVERSE(exchange, &engine->exchanges, exchange_list, link)
	if (exchange->fresh && match_expects(exchange, code))
		return exchange;
	return NULL;
}

/* Could the line be the next reply to the same transfer? */
static bool
is_own(const struct engine *engine, const struct exchange *replying,
    unsigned code)
{
	unsigned open = engine_open_code(engine);

	if (!exchange_is_transfer(replying))
		return false;
	if (open < 200)
		return ends_transfer(code);
	/* "553-" for a file that exists, and then the 150 of its transfer. */
	return open >= 400 && engine->reply.how == PASS &&
	    !exchange_has_begun(replying) && match_begins_transfer(code);
}

/* May a client take the line for the outcome of a transfer that was reported as
 * failed? */
static bool
is_contrary(const struct engine *engine, const struct exchange *replying,
    unsigned code)
{
	return exchange_is_transfer(replying) &&
	    engine_open_code(engine) >= 400 && engine->reply.how == PASS &&
	    (ends_transfer(code) || is_good(code));
}

/* Could a client take this ordinary line for the success of a transfer that has
 * failed or was cut? */
static bool
is_untrue(struct engine *engine, unsigned code)
{
	const struct exchange *replying = engine->reply.exchange;
	struct exchange *transfer = exchange_transfer(engine);
	const struct data *data =
	    transfer != NULL ? data_of(engine, transfer) : NULL;

	if (engine->reply.how != PASS || code == engine_open_code(engine))
		return false;
	return (replying != NULL && is_contrary(engine, replying, code)) ||
	    (data != NULL && data_is_cut(data) && is_good(code) &&
		ends_transfer(code));
}

/* The client gets nothing of the current reply: returns the next command that
 * the line answers; NULL: none. */
static struct exchange *
behind_hidden(struct engine *engine, unsigned code)
{
	struct exchange *exchange = engine->reply.exchange;

	exchange = exchange != NULL ? TAILQ_NEXT(exchange, link) :
				      TAILQ_FIRST(&engine->exchanges);
	for (; exchange != NULL; exchange = TAILQ_NEXT(exchange, link))
		if (match_expects(exchange, code))
			return exchange;
	return NULL;
}

/* Returns the first command that the line could answer, even if it was sent
 * before the current reply; NULL: none. */
static struct exchange *
doubtful_command(struct engine *engine, unsigned code, const uint8_t *line,
    size_t len)
{
	struct exchange *transfer = exchange_transfer(engine);
	struct hostport hostport;

	if (match_announces(code) &&
	    hostport_parse_reply(code, line, len, &hostport) != 0)
		return NULL;
	if (transfer != NULL && exchange_has_begun(transfer) &&
	    ends_transfer(code))
		return transfer;
	return match_claimant(engine, code);
}

/* Has the current reply to a PASV had its host-port, so that this line could be
 * the reply to another PASV? */
static bool
announces_again(const struct engine *engine, unsigned code)
{
	return code == engine_open_code(engine) && match_announces(code) &&
	    engine->reply.how == REWRITE && engine->reply.rewritten;
}

static enum candidate
judge(struct engine *engine, const uint8_t *line, size_t len, unsigned code,
    struct exchange **ret)
{
	struct exchange *replying = engine->reply.exchange;

	*ret = NULL;
	if (code == 0 ||
	    (code == engine_open_code(engine) &&
		!announces_again(engine, code)))
		return CANDIDATE_NONE;
	*ret = fresh_command(engine, code);
	if (*ret == NULL && code == engine_open_code(engine))
		return CANDIDATE_NONE;
	if (*ret == NULL && replying != NULL &&
	    (is_own(engine, replying, code) ||
		is_contrary(engine, replying, code)))
		*ret = replying;
	if (*ret == NULL && reply_is_dropped(engine))
		*ret = behind_hidden(engine, code);
	if (*ret != NULL)
		return CANDIDATE_SURE;
	*ret = doubtful_command(engine, code, line, len);
	if (*ret == NULL)
		return CANDIDATE_NONE;
	return *ret == replying ? CANDIDATE_SURE : CANDIDATE_DOUBTFUL;
}

/* ---- ending a reply without its last line ---- */

static void
note_guess(struct engine *engine)
{
	engine->unfinished.guessed = engine_open_code(engine);
	if (!engine->unfinished.told)
		engine_logf(engine, ENGINE_INFO,
		    "the server did not end a %u reply as RFC 959 section 4.2 "
		    "requires; culvert inferred the end from what followed",
		    engine_open_code(engine));
	engine->unfinished.told = true;
}

void
unfinished_end(struct engine *engine)
{
	unsigned code = engine_open_code(engine);

	note_guess(engine);
	cwd_unfinished(engine, engine->reply.exchange);
	engine->reply.reader.code = 0;
	engine_end_reply(engine, code);
}

/* Could the line answer a command after the transfer? */
static bool
answers_another(const struct exchange *transfer, unsigned code)
{
	const struct exchange *exchange = transfer;

	while ((exchange = TAILQ_NEXT(exchange, link)) != NULL)
		if (!exchange_is_transfer(exchange) &&
		    (is_good(code) || exchange->verb == VERB_ABOR) &&
		    match_expects(exchange, code))
			return true;
	return false;
}

/* Ends the current reply, a failure, before a contrary line with that code. */
static void
end_failure(struct engine *engine, unsigned code)
{
	struct unfinished *unfinished = &engine->unfinished;
	unsigned open = engine_open_code(engine);

	engine_logf(engine, ENGINE_WARN,
	    "the server did not end a %u reply to a transfer, and then sent "
	    "%u: the transfer counts as failed",
	    open, code);
	engine_sendf(engine, ENGINE_CLIENT,
	    "%03u The server did not end this reply.", open);
	if (!answers_another(engine->reply.exchange, code))
		unfinished->contrary = code;
	unfinished->ended = open;
	unfinished->guessed = open;
	engine->reply.reader.code = 0;
	engine_end_reply(engine, open);
}

/* The line answers target: ends the current reply before it. */
static void
end_before(struct engine *engine, struct exchange *target, unsigned line_code)
{
	struct exchange *replying = engine->reply.exchange;
	unsigned code = engine_open_code(engine);

	/* A client that sends ABOR has not got an outcome. */
	if (replying != NULL && is_contrary(engine, replying, line_code) &&
	    (target == replying || target->verb == VERB_ABOR)) {
		end_failure(engine, line_code);
	} else if (target != replying) {
		match_skip_fresh(engine, target);
		unfinished_end(engine);
	} else if (code < 200) {
		note_guess(engine);
		engine->reply.reader.code = 0;
		engine_end_reply(engine, code);
	} else {
		note_guess(engine);
		engine->reply.reader.code = 0;
		engine->reply.exchange = NULL;
	}
}

static void
warn_doubtful(struct engine *engine, unsigned code)
{
	engine_logf(engine, ENGINE_WARN,
	    "the server sent a %u line within a %u reply that it did not end: "
	    "culvert takes it for the reply to a later command",
	    code, engine_open_code(engine));
	engine->unfinished.late = engine_open_code(engine);
}

/* Has the last line of the current reply come already, after this line?  Or are
 * there so many bytes that the server cannot be waiting for the client? */
static bool
end_is_near(const struct engine *engine, size_t line_len)
{
	const struct line_reader *input = &engine->peers[ENGINE_SERVER].input;
	struct reply_reader reader;
	size_t rest, len;
	const uint8_t *line = line_reader_behind(input, line_len, &rest);
	const uint8_t *lf;
	unsigned code;

	if (rest > LIMIT_CONTROL_PAUSE)
		return true;
	while (rest > 0 && (lf = memchr(line, '\n', rest)) != NULL) {
		len = (size_t)(lf - line) + 1;
		reader = engine->reply.reader;
		if (reply_next(&reader, line, len, &code) == REPLY_LAST)
			return true;
		line += len;
		rest -= len;
	}
	return false;
}

void
unfinished_rest(struct engine *engine)
{
	const struct exchange *first = TAILQ_FIRST(&engine->exchanges);

	if (engine_open_code(engine) >= 200 && engine->conns.making == NULL &&
	    !reply_is_dropped(engine) && engine->tls != TLS_ACTIVE &&
	    !engine->peers[ENGINE_SERVER].fragment &&
	    first == engine->reply.exchange &&
	    (first == NULL || TAILQ_NEXT(first, link) == NULL))
		unfinished_end(engine);
}

/* ---- a line of the server ---- */

enum unfinished_line
unfinished_judge(struct engine *engine, const uint8_t *line, size_t len)
{
	struct unfinished *unfinished = &engine->unfinished;
	bool ended = engine_has_gone(engine, ENGINE_SERVER);
	bool over = unfinished->timer == REPLY_TIMER_OVER;
	unsigned code = reply_own_code(line, len);
	struct exchange *target;
	enum candidate candidate = judge(engine, line, len, code, &target);

	unfinished->held = false;
	if (candidate == CANDIDATE_NONE ||
	    (!over && end_is_near(engine, len))) {
		/* RFC 959 section 4.2 wants a blank before such a line. */
		if (is_untrue(engine, code))
			engine_send(engine, ENGINE_CLIENT, " ", 1);
		return UNFINISHED_INNER;
	}
	if (!over && !ended) {
		unfinished->held = true;
		unfinished->ms = candidate == CANDIDATE_SURE ?
		    LIMIT_UNFINISHED_MS :
		    LIMIT_UNFINISHED_DOUBT_MS;
		return UNFINISHED_WAIT;
	}
	if (over)
		unfinished->timer = REPLY_TIMER_OFF;
	if (candidate == CANDIDATE_DOUBTFUL)
		warn_doubtful(engine, code);
	end_before(engine, target, code);
	return UNFINISHED_NEXT;
}

/* If the client never pipelines, and has just sent a command that only such a
 * code answers, then the line is the reply to that.  A refusal can answer any
 * command. */
void
unfinished_last_line(struct engine *engine, unsigned code)
{
	struct exchange *fresh;

	if (code >= 400 ||
	    (engine->pipelines && !announces_again(engine, code)))
		return;
	fresh = fresh_command(engine, code);
	if (fresh == NULL || fresh == engine->reply.exchange)
		return;
	end_before(engine, fresh, code);
}

/* ---- replies that answer no command ---- */

void
unfinished_note_transfer(struct engine *engine, unsigned server_code,
    unsigned told)
{
	engine->unfinished.failed = told >= 400;
	engine->unfinished.owed = told >= 400 && server_code < 200;
}

/* No other command has these codes; and ABOR has a reply of its own. */
bool
unfinished_is_owed(const struct engine *engine, const struct exchange *first,
    unsigned code)
{
	return engine->unfinished.owed && (code == 226 || code == 426) &&
	    first->verb != VERB_ABOR &&
	    !(exchange_is_transfer(first) && exchange_has_begun(first));
}

bool
unfinished_claim_reply(struct engine *engine, unsigned code)
{
	struct unfinished *unfinished = &engine->unfinished;

	if (code == unfinished->contrary)
		unfinished->contrary = 0;
	else if (code == unfinished->ended)
		unfinished->ended = 0;
	else if (unfinished->failed &&
	    (code == 226 || code == 250 || code == 426))
		/* It must not be taken for the reply to the next command. */
		unfinished->owed = false;
	else
		return false;
	return true;
}

/* ---- the timer ---- */

void
unfinished_stir(struct engine *engine)
{
	engine->unfinished.timer = REPLY_TIMER_OFF;
}

void
engine_reply_timeout(struct engine *engine)
{
	if (engine->unfinished.timer == REPLY_TIMER_RUNS)
		engine->unfinished.timer = REPLY_TIMER_OVER;
}

/* Was the request sent with another verb than the client's?  Then the client
 * gets only our answer. */
static bool
is_translated(const struct exchange *exchange)
{
	return exchange_is_request(exchange) &&
	    variant_verb(exchange->request.variant) != exchange->verb;
}

/*
 * Was the command answered by a line with the code of the current reply
 * ("200-", from a server that ends no reply)?  culvert took that for a line
 * within the reply.
 */
static bool
has_same_answer(const struct engine *engine, const struct exchange *exchange)
{
	return exchange->fresh && exchange != engine->reply.exchange &&
	    !exchange_is_transfer(exchange) &&
	    (exchange->flags & VERB_IS_PASSIVE) == 0 && !engine->pipelines &&
	    engine->n_lines != exchange->after && !reply_is_dropped(engine) &&
	    match_expects(exchange, engine_open_code(engine)) &&
	    !(is_translated(exchange) && engine_open_code(engine) >= 300);
}

/* Does the client or culvert wait for the end of the current reply? */
static bool
unfinished_is_awaited(const struct engine *engine)
{
	const struct exchange *behind = engine->reply.exchange;

	if (reply_is_dropped(engine) || engine->client_waits ||
	    engine->owner.drain == DRAIN_LATE)
		return true;
	behind = behind != NULL ? TAILQ_NEXT(behind, link) :
				  TAILQ_FIRST(&engine->exchanges);
	while (behind != NULL && has_same_answer(engine, behind) &&
	    !is_translated(behind))
		behind = TAILQ_NEXT(behind, link);
	return behind != NULL &&
	    (behind->type == EXCHANGE_LOCAL || behind->request.deferred ||
		has_same_answer(engine, behind));
}

/* Returns the last command that was answered so, and after which the client has
 * sent another one or waits for culvert. */
static struct exchange *
same_answer(struct engine *engine)
{
	struct exchange *exchange, *last = NULL;

	TAILQ_FOREACH (exchange, &engine->exchanges, link)
		if (has_same_answer(engine, exchange) &&
		    (TAILQ_NEXT(exchange, link) != NULL ||
			engine->client_waits || is_translated(exchange)))
			last = exchange;
	return last;
}

static void
end_awaited(struct engine *engine)
{
	unsigned code = engine_open_code(engine);
	struct exchange *same = same_answer(engine);

	engine->unfinished.late = code;
	if (same != NULL)
		match_skip_fresh(engine, same);
	unfinished_end(engine);
	if (same == NULL)
		return;
	engine->reply.exchange = same;
	engine->reply.how = is_translated(same) ? DROP : PASS;
	engine->reply.told = code;
	engine_end_reply(engine, code);
}

enum step
unfinished_step(struct engine *engine)
{
	struct unfinished *unfinished = &engine->unfinished;
	uint64_t ms = LIMIT_UNFINISHED_DOUBT_MS;

	if (engine_open_code(engine) == 0 || engine->conns.making != NULL ||
	    engine->tls == TLS_ACTIVE || engine->peers[ENGINE_SERVER].fragment)
		return STEP_IDLE;
	if (unfinished->held) {
		ms = unfinished->ms;
	} else if (!unfinished_is_awaited(engine)) {
		return STEP_IDLE;
	} else if (unfinished->timer == REPLY_TIMER_OVER) {
		unfinished->timer = REPLY_TIMER_OFF;
		end_awaited(engine);
		return STEP_DONE;
	}
	if (unfinished->timer != REPLY_TIMER_OFF)
		return STEP_IDLE;
	unfinished->timer = REPLY_TIMER_RUNS;
	engine_act(engine, ENGINE_REPLY_TIMER)->ms = ms;
	return STEP_WAIT;
}
