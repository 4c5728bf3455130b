/*
 * Warnings that a peer can provoke, limited by a token bucket.
 */
#include "base/log_limit.h"

#include "base/log.h"
#include "limits.h"

void
log_limit_end(struct log_limit *limit, const struct log_origin *origin)
{
	if (limit->hidden > 0)
		log_line(LOG_LEVEL_WARN, origin,
		    "%lu more %s%s%s %s not logged", limit->hidden,
		    limit->noun != NULL ? limit->noun : "warning",
		    limit->hidden == 1 ? "" : "s",
		    limit->noun != NULL ? "" : " of this kind",
		    limit->hidden == 1 ? "was" : "were");
	limit->hidden = 0;
}

bool
log_limit_allows(struct log_limit *limit, uint64_t now,
    const struct log_origin *origin)
{
	uint64_t back = (now - limit->since) / LIMIT_LOG_WARNING_MS;
	unsigned most = limit->most > 0 ? limit->most : LIMIT_LOG_WARNINGS;

	if (back >= limit->spent) {
		limit->spent = 0;
		limit->since = now;
	} else {
		limit->spent -= (unsigned)back;
		limit->since += back * LIMIT_LOG_WARNING_MS;
	}
	if (limit->spent == most) {
		limit->hidden++;
		return false;
	}
	limit->spent++;
	log_limit_end(limit, origin);
	return true;
}
