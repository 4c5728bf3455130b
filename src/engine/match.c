/*
 * The control engine: which reply answers which command.
 *
 * Servers answer in order, nearly always.  Exceptions that were seen: NOOP and
 * STAT answered while a transfer runs, ABOR answered by one reply instead of
 * two, blank lines answered or not, a second reply to a transfer.  So a reply
 * goes to the oldest command that it fits; what fits nobody passes, and pops
 * nothing.
 */
#include "engine/priv.h"

static bool
is_one_of(unsigned code, const unsigned *codes)
{
	for (; *codes != 0; codes++)
		if (*codes == code)
			return true;
	return false;
}

static bool
is_announcement(unsigned code)
{
	return code >= 227 && code <= 229;
}

static bool
begins_transfer(unsigned code)
{
	return code == 125 || code == 150;
}

/* Has a transfer begun whose data are still to come? */
static bool
is_running(const struct exchange *exchange)
{
	const struct data *data = exchange->data;

	return exchange_is_transfer(exchange) && exchange->begun &&
	    data != NULL && !data->delivered && !data->shut[ENGINE_SERVER] &&
	    !data->lost[ENGINE_SERVER];
}

/* May the reply belong to it, as far as its code can tell? */
static bool
fits(const struct exchange *exchange, unsigned code)
{
	/* Answers to a pipelined command, never the end of a transfer. */
	static const unsigned not_final[] = { 200, 202, 211, 212, 213, 214, 215,
		220, 221, 227, 228, 229, 230, 234, 257, 331, 334, 335, 350, 500,
		501, 502, 503, 504, 0 };
	static const unsigned to_abort[] = { 225, 226, 426, 450, 451, 0 };
	static const unsigned unknown[] = { 500, 501, 502, 503, 0 };
	/* Never the first and last reply to a transfer. */
	static const unsigned not_only[] = { 211, 212, 213, 214, 215, 227, 228,
		229, 257, 331, 350, 0 };
	/* What a transfer left behind never answers PASV. */
	static const unsigned not_passive[] = { 125, 150, 225, 226, 426, 0 };

	if (exchange->kind == EXCHANGE_LOCAL || exchange->waits)
		return false;
	if (exchange->cwd)
		return !is_one_of(code, not_passive) && !is_announcement(code);
	if (exchange->noop)
		return code >= 200 &&
		    (code < 220 || code >= 300 || code == 250) &&
		    !is_one_of(code, not_passive);
	if (exchange->verb == VERB_ABOR)
		return is_one_of(code, to_abort) ||
		    (is_one_of(code, unknown) && !exchange->heeded);
	if (exchange->verb == VERB_EMPTY)
		return code >= 500;
	if (exchange_is_transfer(exchange) && exchange->begun)
		return !is_one_of(code, not_final) &&
		    (!begins_transfer(code) || is_running(exchange));
	if (exchange_is_transfer(exchange))
		return !is_one_of(code, not_only);
	if ((exchange->flags & VERB_IS_PASSIVE) != 0)
		return !is_one_of(code, not_passive);
	return !is_announcement(code) && !begins_transfer(code);
}

/* Only that kind of command is answered so. */
static bool
claims(const struct exchange *exchange, unsigned code)
{
	if (exchange->kind == EXCHANGE_LOCAL || exchange->waits)
		return false;
	if (is_announcement(code))
		return (exchange->flags & VERB_IS_PASSIVE) != 0;
	if (begins_transfer(code))
		return exchange_is_transfer(exchange) && !exchange->begun;
	return false;
}

static bool
is_refusal(unsigned code)
{
	static const unsigned refusals[] = { 425, 426, 450, 451, 452, 500, 501,
		502, 503, 504, 522, 530, 532, 534, 550, 551, 552, 553, 0 };

	return is_one_of(code, refusals);
}

bool
match_expects(const struct exchange *exchange, unsigned code)
{
	/* Of RFC 959 section 5.4, 3659, 2389; the last is for all others. */
	static const struct {
		enum verb verb;
		unsigned codes[6];
	} replies[] = {
		{ VERB_USER, { 230, 232, 331, 332 } },
		{ VERB_PASS, { 202, 230, 232, 332 } },
		{ VERB_ACCT, { 202, 230 } },
		{ VERB_REIN, { 120, 220 } },
		{ VERB_QUIT, { 221 } },
		{ VERB_ABOR, { 225, 226 } },
		{ VERB_MODE, { 200 } },
		{ VERB_TYPE, { 200 } },
		{ VERB_STRU, { 200 } },
		{ VERB_REST, { 350 } },
		{ VERB_SIZE, { 213 } },
		{ VERB_FEAT, { 211 } },
		{ VERB_AUTH, { 234, 334, 335 } },
		{ VERB_OTHER, { 200, 212, 215, 250, 257, 350 } },
	};
	static const unsigned more[] = { 202, 211, 213, 214, 220, 0 };
	size_t i = 0, last = sizeof(replies) / sizeof(replies[0]) - 1;

	if (exchange->kind == EXCHANGE_LOCAL || exchange->waits ||
	    exchange->kind == EXCHANGE_GREETING)
		return false;
	if (is_refusal(code))
		return true;
	if (exchange_is_transfer(exchange))
		return exchange->begun ?
		    code == 226 || code == 250 :
		    code == 226 || code == 250 || begins_transfer(code);
	if ((exchange->flags & VERB_IS_PASSIVE) != 0)
		return is_announcement(code);
	if ((exchange->flags & VERB_IS_ACTIVE) != 0 || exchange->noop)
		return code == 200;
	if (exchange->cwd)
		return code == 257;
	while (i < last && replies[i].verb != exchange->verb)
		i++;
	for (size_t j = 0; j < 6; j++)
		if (replies[i].codes[j] == code)
			return true;
	return i == last && is_one_of(code, more);
}

/* A command that was never answered: let go of it. */
static void
skip(struct engine *engine, struct exchange *exchange)
{
	if (exchange->kind == EXCHANGE_LOCAL)
		exchange_send_reply(engine, exchange);
	else if (exchange->is_request && exchange->data != NULL &&
	    exchange->kind == EXCHANGE_COMMAND &&
	    variant_is_active(exchange->variant))
		data_make_next(engine, exchange->data);
	else if (exchange_is_transfer(exchange))
		data_transfer_over(engine, exchange, 0, 0);
	exchange_drop(engine, exchange);
}

/* Is it left where it is, although a reply to another one has come?  No
 * announcement is the end of a transfer that was cut: that end may come yet,
 * and is to be told as one. */
static bool
is_left(const struct exchange *exchange, unsigned code)
{
	if (is_running(exchange) || exchange->waits)
		return true;
	return is_announcement(code) && exchange_is_transfer(exchange) &&
	    exchange->begun && exchange->data != NULL && exchange->data->cut;
}

struct exchange *
match_claimant(struct engine *engine, unsigned code)
{
	struct exchange *exchange;

	TAILQ_FOREACH (exchange, &engine->exchanges, link)
		if (claims(exchange, code))
			return exchange;
	return NULL;
}

void
match_skip_fresh(struct engine *engine, const struct exchange *until)
{
	struct exchange *exchange, *next;

	for (exchange = TAILQ_FIRST(&engine->exchanges); exchange != until;
	     exchange = next) {
		next = TAILQ_NEXT(exchange, link);
		if (exchange->fresh && until->fresh)
			skip(engine, exchange);
	}
}

static struct exchange *
claimant(struct engine *engine, unsigned code)
{
	struct exchange *exchange = match_claimant(engine, code), *first, *next;

	if (exchange == NULL)
		return NULL;
	for (first = TAILQ_FIRST(&engine->exchanges); first != exchange;
	     first = next) {
		next = TAILQ_NEXT(first, link);
		if (!is_left(first, code))
			skip(engine, first);
	}
	return exchange;
}

/* Behind a running transfer: the first command that the reply fits. */
static struct exchange *
behind_transfer(struct exchange *transfer, unsigned code)
{
	struct exchange *exchange = transfer;

	while ((exchange = TAILQ_NEXT(exchange, link)) != NULL)
		if (fits(exchange, code) && !exchange_is_transfer(exchange))
			return exchange;
	return NULL;
}

/* A server that leaves NOOPs out is not to leave out what follows them. */
static struct exchange *
behind_noop(struct engine *engine, struct exchange *noop, unsigned code)
{
	if (TAILQ_NEXT(noop, link) == NULL)
		return NULL;
	skip(engine, noop);
	return engine_match(engine, code);
}

/* An announcement that nobody has asked for, unless something like SPSV has. */
static struct exchange *
stray_announcement(struct engine *engine)
{
	struct exchange *exchange;

	TAILQ_FOREACH (exchange, &engine->exchanges, link)
		if (exchange->unknown && !exchange->begun)
			return exchange;
	return NULL;
}

static struct exchange *
first_sent(struct engine *engine)
{
	struct exchange *exchange;

	TAILQ_FOREACH (exchange, &engine->exchanges, link)
		if (exchange->kind != EXCHANGE_LOCAL && !exchange->waits)
			return exchange;
	return NULL;
}

/* The end of a reply that we took for ended, if nobody else can have it. */
static bool
is_late_end(const struct engine *engine, const struct exchange *first,
    unsigned code)
{
	bool may_be = (first->flags & VERB_IS_PASSIVE) != 0 ?
	    code == engine->unfinished.guessed && !begins_transfer(code) :
	    code == engine->unfinished.late && exchange_is_transfer(first);
	const struct exchange *exchange;

	if (may_be)
		TAILQ_FOREACH (exchange, &engine->exchanges, link)
			may_be &= !match_expects(exchange, code);
	return may_be;
}

struct exchange *
engine_match(struct engine *engine, unsigned code)
{
	struct exchange *first = first_sent(engine), *other;

	/* 421 may come unasked, and then ends no command (RFC 959 5.4). */
	if (first == NULL || (code == 421 && first->kind != EXCHANGE_GREETING))
		return NULL;
	if (is_late_end(engine, first, code) ||
	    unfinished_is_owed(engine, first, code) ||
	    code == engine->unfinished.contrary)
		return NULL;
	if (fits(first, code))
		return first;
	other = claimant(engine, code);
	if (other != NULL)
		return other;
	if (is_announcement(code) && exchange_is_transfer(first))
		return stray_announcement(engine);
	if (exchange_is_transfer(first)) {
		other = behind_transfer(first, code);
		/* What was left out in doubt may be answered yet. */
		if (other == NULL && first->begun && !fits(first, code) &&
		    engine->unfinished.late != 0)
			return NULL;
		return other != NULL ? other : first;
	}
	if ((first->flags & VERB_IS_PASSIVE) != 0 || first->cwd)
		return NULL;
	if (first->noop)
		return behind_noop(engine, first, code);
	if (first->verb == VERB_ABOR || first->verb == VERB_EMPTY) {
		if (TAILQ_NEXT(first, link) == NULL &&
		    first->kind == EXCHANGE_COMMAND)
			return first;
		skip(engine, first);
		return engine_match(engine, code);
	}
	return first;
}
