/*
 * The control engine: multi-line replies without the last line that RFC 959
 * requires.  A part of engine/priv.h; engine/unfinished.c has the theory.
 */
#ifndef ENGINE_UNFINISHED_H
#define ENGINE_UNFINISHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/step.h"

struct engine;
struct exchange;

/* ENGINE_REPLY_TIMER: does it wait for bytes of the server? */
enum reply_timer {
	REPLY_TIMER_OFF, /* or the server has sent something */
	REPLY_TIMER_RUNS,
	REPLY_TIMER_OVER, /* the server has sent nothing meanwhile */
};

/* State about multi-line replies that do not end. */
struct unfinished {
	/* A line within a multi-line reply waits, because it may be the next
	 * reply. */
	bool held;
	/* How long the line waits that is held. */
	uint64_t ms;
	enum reply_timer timer;
	/* The code of a reply that culvert took for ended in doubt: its last
	 * line may still come.  0: none. */
	unsigned late;
	/* The code of the last reply whose end culvert guessed; 0: none. */
	unsigned guessed;
	/* The log says that the server does not end replies. */
	bool told;
	/* The code of a reply that contradicts what the client got: it is
	 * dropped.  0: none. */
	unsigned contrary;
	/* The code of a reply whose last line culvert sent: the server's is
	 * dropped.  0: none. */
	unsigned ended;
	/* The client was told that the last transfer has failed. */
	bool failed;
	/* The client was told that the last transfer has failed before the
	 * server's final reply came: that reply is dropped. */
	bool owed;
};

/* What a line within a multi-line reply is. */
enum unfinished_line {
	UNFINISHED_INNER, /* a line of that reply */
	UNFINISHED_WAIT,  /* not known yet */
	UNFINISHED_NEXT,  /* the first line of the next reply; the current one
			   * has been ended */
};

/* Decides what a line within a multi-line reply is. */
enum unfinished_line unfinished_judge(struct engine *engine,
    const uint8_t *line, size_t len);
/* The last line of the current reply by RFC 959 has come.  If it answers a
 * later command, ends the current reply before it. */
void unfinished_last_line(struct engine *engine, unsigned code);
/* A reply answers no command.  Returns true if it must be dropped: it may be
 * the rest of a reply that culvert has ended, or contradict what the client
 * got.  Such a reply is then no longer expected. */
bool unfinished_claim_reply(struct engine *engine, unsigned code);
/* A transfer is over.  server_code: of the server's last reply; told: the code
 * that the client got. */
void unfinished_note_transfer(struct engine *engine, unsigned server_code,
    unsigned told);
/* Is it the server's final reply to a transfer for which the client has got one
 * from culvert?  first: the oldest exchange. */
bool unfinished_is_owed(const struct engine *engine,
    const struct exchange *first, unsigned code);
/* Ends the current multi-line reply. */
void unfinished_end(struct engine *engine);
/* No line has passed for a long time: ends the current multi-line reply if no
 * other command waits for a reply. */
void unfinished_rest(struct engine *engine);
/* The server has sent bytes: stops the wait for the end of a reply. */
void unfinished_stir(struct engine *engine);
/* Starts the timer for the current reply, or ends the reply when that has run
 * out. */
enum step unfinished_step(struct engine *engine);

#endif
