/*
 * What ssh writes on its standard error: bytes in, lines out to the log, and
 * the last of them kept for messages.
 */
#ifndef SSH_WORDS_H
#define SSH_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log_limit.h"
#include "limits.h"

/* Who wants each line as it comes, escaped, what ssh -v adds included. */
struct words_hearer {
	void (*line)(void *ctx, const char *text);
	void *ctx;
};

/* Lines that differ in their numbers only. */
struct words_line_kind {
	uint64_t hash;
	uint64_t seen; /* when the latest one came, in milliseconds */
	struct log_limit limit;
};

/* Embedding it is the point; treat the fields as private. */
struct words {
	bool quiet;	/* lines are logged at -v only */
	const char *to; /* where ssh goes, if lines say so; or NULL */
	const struct words_hearer *hearer; /* or NULL */
	char line[LIMIT_SSH_WORDS];	   /* not ended yet */
	size_t line_len;
	char kept[LIMIT_SSH_KEPT]; /* whole lines, "; " between them */
	size_t kept_len;
	struct words_line_kind kinds[LIMIT_SSH_LINE_KINDS];
	struct log_limit all; /* lines, whatever their kinds */
};

/*
 * Takes len bytes as they came.  now: milliseconds of a clock that never goes
 * back.  Of lines that differ in their numbers only, as those of each refused
 * channel, some are logged at once, and then few (base/log_limit.h), and so are
 * more than LIMIT_SSH_LINES of all kinds; but all of them where the log shows
 * FTP commands, from -vv on.
 */
void words_feed(struct words *words, const char *bytes, size_t len,
    uint64_t now);

/* No more will come: a line that was not ended counts as one. */
void words_end(struct words *words, uint64_t now);

/* Forgets the kept lines. */
void words_forget(struct words *words);

/* The kept lines, escaped; "" when there are none.  Valid until changed. */
const char *words_text(const struct words *words);

#endif
