/*
 * Why sshd refuses every forward.
 *
 * Of an account whose password has expired sshd takes the login, then refuses
 * every forward as "administratively prohibited", and says the reason to a
 * session only.  So at the first such refusal of a link a session is opened,
 * and what it says is put behind sshd's words, then and later.  Refusals wait
 * for it, for a bounded time.
 */
#ifndef SSH_REASON_H
#define SSH_REASON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

/* Longest text of reason_explain(). */
#define REASON_MAX 640

struct reason;

/* One refusal that waits; embedded in what was refused. */
struct reason_wait {
	void (*known)(void *ctx); /* NULL: it does not wait */
	void *ctx;
	LIST_ENTRY(reason_wait) entry;
};

/*
 * ask: opens the session; false: there is none.  What that says goes to
 * reason_hear(), then comes reason_settle().  NULL when out of memory.
 */
struct reason *reason_new(uv_loop_t *loop, bool (*ask)(void *ctx), void *ctx);
/* After reason_settle().  NULL is allowed. */
void reason_free(struct reason *reason);

/* The session has said len bytes, on standard output or error; copied, as far
 * as there is room. */
void reason_hear(struct reason *reason, const uint8_t *bytes, size_t len);

/* Nothing more will be said, nor is to be asked: known() of all that wait comes
 * from inside.  For calls from the loop only. */
void reason_settle(struct reason *reason);

/*
 * True: known(ctx) comes, from the loop, once, unless wait is cancelled; false:
 * all is known already.  reason may be NULL, then nothing is.
 */
bool reason_await(struct reason *reason, struct reason_wait *wait,
    void (*known)(void *ctx), void *ctx);
void reason_cancel(struct reason_wait *wait);

/*
 * What goes behind the words of a refusal: what the session says, escaped, and
 * where, the directives that may be the cause (", see ..."); these are left out
 * if the session says that the password or the account has expired.
 */
void reason_explain(const struct reason *reason, const char *where,
    char ret[REASON_MAX]);

/* What was heard, on one line, escaped; "" when that is nothing. */
#define REASON_WORDS_MAX 256
void reason_words(const struct reason *reason, char ret[REASON_WORDS_MAX]);

/* Do these words say that the password or the account has expired? */
bool reason_is_expiry(const char *words);

#endif
