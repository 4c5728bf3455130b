/*
 * What an ssh writes to standard error: its lines go to the log, and the last
 * ones are kept for messages.
 */
#ifndef SSH_WORDS_H
#define SSH_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log_limit.h"
#include "limits.h"

/* Gets each line as it comes, escaped, including those of ssh -v. */
struct words_hearer {
	void (*line)(void *ctx, const char *text);
	void *ctx;
};

/* Zeroed, but for the first three; treat the others as private. */
struct words {
	bool quiet;	/* log lines only with -v */
	const char *to; /* the destination that logged lines name; or NULL */
	const struct words_hearer *hearer; /* or NULL */

	char line[LIMIT_SSH_WORDS]; /* not ended yet */
	size_t line_len;
	char kept[LIMIT_SSH_KEPT]; /* whole lines, "; " between them */
	size_t kept_len;
	struct words_line_kind {
		uint64_t hash;
		struct log_limit limit;
	} kinds[LIMIT_SSH_LINE_KINDS]; /* lines that differ in numbers only */
	struct log_limit all;	       /* lines of any kind */
};

/*
 * Takes len bytes.  now: milliseconds of a clock that never goes back.  Of
 * lines that differ in numbers only, some are logged at once, then few
 * (base/log_limit.h); the same applies to all lines together
 * (LIMIT_SSH_LINES).  With -vv all are logged.
 */
void words_feed(struct words *words, const char *bytes, size_t len,
    uint64_t now);

/* No more will come: an incomplete line counts as one. */
void words_end(struct words *words, uint64_t now);

/* Forgets the kept lines. */
void words_forget(struct words *words);

/* The kept lines, escaped; "" if there are none.  Valid until words changes. */
const char *words_text(const struct words *words);

#endif
