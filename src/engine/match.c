/*
 * The control engine: which reply answers which command.
 *
 * Servers reply in order, with a few exceptions that were seen: a reply to NOOP
 * or STAT while a transfer runs, one reply to ABOR instead of two, a reply to a
 * blank line or none, a second reply to a transfer.  So a reply answers the
 * oldest command that it fits.  A reply that fits no command passes, and ends
 * no exchange.
 */
#include "engine/priv.h"

bool
match_is_one_of(unsigned code, const unsigned *codes)
{
	for (; *codes != 0; codes++)
		if (*codes == code)
			return true;
	return false;
}

bool
match_is_of_transfer(unsigned code)
{
	static const unsigned codes[] = { 125, 150, 225, 226, 426, 0 };

	return match_is_one_of(code, codes);
}

/* ---- which codes fit a command ---- */

bool
match_fits_any(const struct exchange *exchange, unsigned code)
{
	return !match_announces(code) && !match_begins_transfer(code);
}

bool
match_fits_passive(const struct exchange *exchange, unsigned code)
{
	return !match_is_of_transfer(code);
}

bool
match_fits_abort(const struct exchange *exchange, unsigned code)
{
	static const unsigned to_abort[] = { 225, 226, 426, 450, 451, 0 };
	static const unsigned unknown[] = { 500, 501, 502, 503, 0 };

	return match_is_one_of(code, to_abort) ||
	    (match_is_one_of(code, unknown) && !exchange->worked);
}

bool
match_fits_empty(const struct exchange *exchange, unsigned code)
{
	return code >= 500;
}

static bool
is_sent(const struct exchange *exchange)
{
	return exchange->type != EXCHANGE_LOCAL &&
	    exchange->stage != STAGE_UNSENT;
}

static bool
fits(const struct exchange *exchange, unsigned code)
{
	const struct exchange_ops *ops = exchange_ops(exchange);

	if (!is_sent(exchange))
		return false;
	return ops->fits != NULL ? ops->fits(exchange, code) :
				   match_fits_any(exchange, code);
}

/* Is the command of the only kind that such a code can answer? */
static bool
claims(const struct exchange *exchange, unsigned code)
{
	if (!is_sent(exchange))
		return false;
	if (match_announces(code))
		return (exchange->flags & VERB_IS_PASSIVE) != 0;
	if (match_begins_transfer(code))
		return exchange_is_transfer(exchange) &&
		    !exchange_has_begun(exchange);
	return false;
}

/* ---- which codes the RFCs permit ---- */

static bool
is_refusal(unsigned code)
{
	static const unsigned refusals[] = { 425, 426, 450, 451, 452, 500, 501,
		502, 503, 504, 522, 530, 532, 534, 550, 551, 552, 553, 0 };

	return match_is_one_of(code, refusals);
}

bool
match_expects_announcement(const struct exchange *exchange, unsigned code)
{
	return match_announces(code);
}

static bool
expects_verb(const struct exchange *exchange, unsigned code)
{
	/* RFC 959 section 5.4, 3659, 2389.  The last row is for all other
	 * verbs. */
	static const struct {
		enum verb verb;
		unsigned codes[12];
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
		{ VERB_OTHER,
		    { 200, 202, 211, 212, 213, 214, 215, 220, 250, 257, 350 } },
	};
	size_t i = 0, last = sizeof(replies) / sizeof(replies[0]) - 1;

	while (i < last && replies[i].verb != exchange->verb)
		i++;
	return match_is_one_of(code, replies[i].codes);
}

bool
match_expects(const struct exchange *exchange, unsigned code)
{
	const struct exchange_ops *ops = exchange_ops(exchange);

	if (!is_sent(exchange) || exchange->type == EXCHANGE_GREETING)
		return false;
	if (is_refusal(code))
		return true;
	return ops->expects != NULL ? ops->expects(exchange, code) :
				      expects_verb(exchange, code);
}

/* ---- commands without a reply ---- */

void
match_skip(struct engine *engine, struct exchange *exchange)
{
	const struct exchange_ops *ops = exchange_ops(exchange);

	if (ops->skip != NULL)
		ops->skip(engine, exchange);
	exchange_drop(engine, exchange);
}

/* Does it stay in the queue, although a reply to a later command has come?  A
 * 227 to 229 is never the final reply to a transfer: that of a cut transfer may
 * still come, and must be handled as such. */
static bool
is_left(const struct exchange *exchange, unsigned code)
{
	if (transfer_is_running(exchange) || exchange->stage == STAGE_UNSENT)
		return true;
	return match_announces(code) && exchange_is_transfer(exchange) &&
	    exchange_has_begun(exchange) && exchange->data != NULL &&
	    data_is_cut(exchange->data);
}

struct exchange *
match_claimant(const struct engine *engine, unsigned code)
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
			match_skip(engine, exchange);
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
			match_skip(engine, first);
	}
	return exchange;
}

struct exchange *
match_behind(const struct exchange *exchange, unsigned code)
{
	struct exchange *behind = TAILQ_NEXT(exchange, link);

	while (behind != NULL &&
	    (!fits(behind, code) || exchange_is_transfer(behind)))
		behind = TAILQ_NEXT(behind, link);
	return behind;
}

struct exchange *
match_left_out(struct engine *engine, struct exchange *exchange, unsigned code)
{
	if (TAILQ_NEXT(exchange, link) == NULL &&
	    exchange_is_of(exchange, PARTY_CLIENT))
		return exchange;
	match_skip(engine, exchange);
	return match_assign(engine, code);
}

struct exchange *
match_nobody(struct engine *engine, struct exchange *exchange, unsigned code)
{
	return NULL;
}

/* ---- which command a reply answers ---- */

static struct exchange *
first_sent(struct engine *engine)
{
	struct exchange *exchange;

	TAILQ_FOREACH (exchange, &engine->exchanges, link)
		if (is_sent(exchange))
			return exchange;
	return NULL;
}

/* Is it the last line of a reply that culvert took for ended?  Only if it can
 * answer no other command. */
static bool
is_late_end(const struct engine *engine, const struct exchange *first,
    unsigned code)
{
	bool may_be = (first->flags & VERB_IS_PASSIVE) != 0 ?
	    code == engine->unfinished.guessed && !match_begins_transfer(code) :
	    code == engine->unfinished.late && exchange_is_transfer(first);
	const struct exchange *exchange;

	if (may_be)
		TAILQ_FOREACH (exchange, &engine->exchanges, link)
			may_be &= !match_expects(exchange, code);
	return may_be;
}

struct exchange *
match_assign(struct engine *engine, unsigned code)
{
	struct exchange *first = first_sent(engine), *other;
	const struct exchange_ops *ops;

	/* A server may send 421 at any time; it then answers no command (RFC
	 * 959 section 5.4). */
	if (first == NULL || (code == 421 && first->type != EXCHANGE_GREETING))
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
	ops = exchange_ops(first);
	return ops->misfit != NULL ? ops->misfit(engine, first, code) : first;
}
