/*
 * The control engine: which reply answers which command.  A part of
 * engine/priv.h; match.c has the rules.
 */
#ifndef ENGINE_MATCH_H
#define ENGINE_MATCH_H

#include <stdbool.h>

#include "engine/exchange.h"

struct engine;
struct exchange;

/* Is code one of a list that ends with 0? */
bool match_is_one_of(unsigned code, const unsigned *codes);

/* Is it the code of a reply with a host-port (227, 228, 229)? */
static inline bool
match_announces(unsigned code)
{
	return code >= 227 && code <= 229;
}

/* Is it the code of a reply with which a transfer begins? */
static inline bool
match_begins_transfer(unsigned code)
{
	return code == 125 || code == 150;
}

/* Can the code answer a transfer, but never a PASV? */
bool match_is_of_transfer(unsigned code);

/* Returns the exchange that a reply with this code answers (NULL: none), and
 * removes those before it to which the server has sent no reply. */
struct exchange *match_assign(struct engine *engine, unsigned code);
/* Is the code a reply to this command by the RFCs, or any refusal?  Stricter
 * than match_assign(), for lines that may not be replies at all. */
bool match_expects(const struct exchange *exchange, unsigned code);
/* Returns the first pending command of the only kind that such a code can
 * answer (227 to 229, 125, 150); NULL: none. */
struct exchange *match_claimant(const struct engine *engine, unsigned code);
/* Returns the first command after this one that the reply fits and that is not
 * a transfer; NULL: none. */
struct exchange *match_behind(const struct exchange *exchange, unsigned code);
/* If until is fresh, removes the fresh commands before it: they will get no
 * reply. */
void match_skip_fresh(struct engine *engine, const struct exchange *until);
/* Removes an exchange to which the server has sent no reply. */
void match_skip(struct engine *engine, struct exchange *exchange);

/* Operations for the table of exchanges. */
fits_op match_fits_any, match_fits_passive, match_fits_abort, match_fits_empty,
    match_expects_announcement;
/* The first one: the server has sent no reply to this exchange; removes it and
 * looks for the next one.  The second one: the reply answers no exchange. */
misfit_op match_left_out, match_nobody;

#endif
