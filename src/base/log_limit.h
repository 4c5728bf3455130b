/*
 * Warnings that a peer can provoke as often as it likes: some at once, then
 * few, and how many were left out.  Where one struct serves one peer, nobody
 * else's warnings are lost by it.
 */
#ifndef BASE_LOG_LIMIT_H
#define BASE_LOG_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct log_origin;

/* Zeroed at first. */
struct log_limit {
	const char *noun;     /* for one; NULL: a warning of one kind */
	unsigned most;	      /* so many at once; 0: LIMIT_LOG_WARNINGS */
	unsigned spent;	      /* of these */
	uint64_t since;	      /* when one was last given back */
	unsigned long hidden; /* left out since the last one that was shown */
};

/*
 * May one more be logged at now, in milliseconds of a clock that never goes
 * back?  If some were left out before it, says so first.  origin: see
 * log_line().
 */
bool log_limit_allows(struct log_limit *limit, uint64_t now,
    const struct log_origin *origin);

/* Nothing more will come: says how many were left out, if any. */
void log_limit_end(struct log_limit *limit, const struct log_origin *origin);

#endif
