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

/* Is it one of a list that ends with 0? */
bool match_is_one_of(unsigned code, const unsigned *codes);

/* Does it say where a data connection is to go (227, 228, 229)? */
static inline bool
match_announces(unsigned code)
{
	return code >= 227 && code <= 229;
}

/* Does it say that a transfer begins? */
static inline bool
match_begins_transfer(unsigned code)
{
	return code == 125 || code == 150;
}

/* Codes that answer a transfer, and never a PASV. */
bool match_is_of_transfer(unsigned code);

/* The exchange that a reply with this code answers; NULL: none. */
struct exchange *match_reply(struct engine *engine, unsigned code);
/* Is that a reply to such a command by the RFCs, or a refusal?  Stricter than
 * match_reply(), for lines that may be no reply at all. */
bool match_expects(const struct exchange *exchange, unsigned code);
/* The first command that alone is answered by such a code; NULL. */
struct exchange *match_claimant(const struct engine *engine, unsigned code);
/* The first command behind that one which the reply fits, and which is no
 * transfer; NULL. */
struct exchange *match_behind(const struct exchange *exchange, unsigned code);
/* Lets go of the fresh commands before until, which is fresh itself. */
void match_skip_fresh(struct engine *engine, const struct exchange *until);
/* A command is never answered: lets go of it. */
void match_skip(struct engine *engine, struct exchange *exchange);

/* For rows of the table of exchanges. */
fits_op match_fits_any, match_fits_passive, match_fits_abort, match_fits_empty,
    match_expects_announcement;
/* The server has left its reply out; it answers nobody. */
misfit_op match_left_out, match_nobody;

#endif
