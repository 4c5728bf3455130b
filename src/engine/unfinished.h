/*
 * The control engine: replies of several lines that do not end by the rule.  A
 * part of engine/priv.h; engine/unfinished.c has the theory.
 */
#ifndef ENGINE_UNFINISHED_H
#define ENGINE_UNFINISHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/step.h"

struct engine;
struct exchange;

/* What an engine keeps of it. */
struct unfinished {
	bool held;	  /* a line waits that may be a reply of its own, */
	uint64_t ms;	  /* ... for so long */
	bool timer;	  /* ENGINE_REPLY_TIMER runs, and nothing has come */
	bool quiet;	  /* it has run out */
	unsigned late;	  /* the code of a reply whose end may come yet, or 0 */
	unsigned guessed; /* the code of the last one whose end we took from
			   * what followed, or 0 */
	bool told;
	unsigned contrary; /* the code of the next line, which is nobody's */
	unsigned ended;	   /* the code of a reply whose end was ours, or 0 */
	bool failed;	   /* the last transfer, as the client was told */
	bool owed;	   /* ... before its last reply came */
};

/* What a line within a reply of several lines is. */
enum unfinished_line {
	UNFINISHED_INNER, /* one of that reply */
	UNFINISHED_WAIT,  /* that is not known yet */
	UNFINISHED_NEXT,  /* the next reply: that one has been ended */
};

/* What is a line within a reply of several lines? */
enum unfinished_line unfinished_judge(struct engine *engine,
    const uint8_t *line, size_t len);
/* Its last line by the rule comes: ends the reply if that is another one's. */
void unfinished_last_line(struct engine *engine, unsigned code);
/* A reply that answers nobody: one of which the client is to see nothing? */
bool unfinished_owns_reply(struct engine *engine, unsigned code);
/* A transfer is over: what the server said last, and the client was told. */
void unfinished_note_transfer(struct engine *engine, unsigned server_code,
    unsigned told);
/* Is it the last reply to a transfer of which the client has one already? */
bool unfinished_is_owed(const struct engine *engine,
    const struct exchange *first, unsigned code);
/* Ends the reply that is open. */
void unfinished_end(struct engine *engine);
/* Nothing has passed for long, and nobody else waits: ends what is open. */
void unfinished_rest(struct engine *engine);
/* Something has come from the server. */
void unfinished_stir(struct engine *engine);
/* Starts the timer, or ends the reply. */
enum step unfinished_step(struct engine *engine);

#endif
