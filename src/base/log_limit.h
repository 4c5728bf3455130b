/*
 * Limits warnings that a peer can provoke as often as it likes:
 * LIMIT_LOG_WARNINGS are logged at once, then one per LIMIT_LOG_WARNING_MS.
 * The others are counted.  Where each peer has a struct of its own, no peer can
 * suppress the warnings about another.
 */
#ifndef BASE_LOG_LIMIT_H
#define BASE_LOG_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct log_origin;

/* Zeroed at first. */
struct log_limit {
	/* What is counted, in the singular.  NULL: "warning of this kind". */
	const char *noun;

	unsigned most;	      /* logged at once; 0: LIMIT_LOG_WARNINGS */
	unsigned spent;	      /* of most; one less per LIMIT_LOG_WARNING_MS */
	uint64_t since;	      /* when spent last fell, in milliseconds */
	unsigned long hidden; /* left out since the last one that was logged */
};

/*
 * May one more be logged now?  now is the time in milliseconds of a monotonic
 * clock.  If the answer is yes, and warnings were left out before, it logs
 * their number.  origin: see log_line().
 */
bool log_limit_allows(struct log_limit *limit, uint64_t now,
    const struct log_origin *origin);

/* At the end: logs how many were left out since the last one, if any. */
void log_limit_end(struct log_limit *limit, const struct log_origin *origin);

#endif
