/*
 * Limits warnings that a peer can provoke at will: some are logged at once,
 * then few, and those that are left out are counted.  With a struct for each
 * peer, no peer can suppress the warnings about another.
 */
#ifndef BASE_LOG_LIMIT_H
#define BASE_LOG_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct log_origin;

/* Zeroed at first. */
struct log_limit {
	const char *noun;     /* singular; NULL: "warning of this kind" */
	unsigned most;	      /* logged at once; 0: LIMIT_LOG_WARNINGS */
	unsigned spent;	      /* how many of these were used */
	uint64_t since;	      /* when this was last reduced by one */
	unsigned long hidden; /* left out since the last one that was logged */
};

/*
 * May one more be logged now?  now is in milliseconds of a monotonic clock.  If
 * so, and some were left out before, it logs their number.  origin: see
 * log_line().
 */
bool log_limit_allows(struct log_limit *limit, uint64_t now,
    const struct log_origin *origin);

/* At the end: logs how many were left out, if any. */
void log_limit_end(struct log_limit *limit, const struct log_origin *origin);

#endif
