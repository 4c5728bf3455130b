/*
 * Why sshd refuses every forward.
 *
 * Of an account whose password has expired sshd takes the login, then refuses
 * every forward as "administratively prohibited", and says the reason to a
 * session only.  So when sshd refuses a forward before any was permitted on the
 * link, a session is opened, once.  Refusals wait for it, for a bounded time.
 *
 * What a session prints may be anything, a motd for example, and the words of a
 * refusal go to FTP clients before they log in.  So only sentences of sshd and
 * PAM that are known go there; the log and culvert check have the whole.
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

struct reason_handler {
	/* Opens the session; false: there is none.  What that says goes to
	 * reason_hear(), then comes reason_settle(). */
	bool (*ask)(void *ctx);
	/* The session has said these words, not "", as reason_words(). */
	void (*said)(void *ctx, const char *words);
};

/* NULL when out of memory. */
struct reason *reason_new(uv_loop_t *loop, const struct reason_handler *handler,
    void *ctx);
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
 * sshd has permitted a forward: neither the password nor the account has
 * expired, and what a session has said explains nothing.  It is forgotten, and
 * none is opened any more.  reason may be NULL.
 */
void reason_forwarded(struct reason *reason);

/*
 * What follows the words of a refusal: a known sentence, if the session has
 * printed one, and ", see " with see, the directives that may be the cause;
 * these are left out if the password or the account has expired.
 */
void reason_explain(const struct reason *reason, const char *see,
    char ret[REASON_MAX]);

/* How many bytes of a refusal come before what reason_explain() has added. */
size_t reason_own_len(const char *why);

/* All that was heard, on one line, escaped; "" when that is nothing. */
#define REASON_WORDS_MAX 256
void reason_words(const struct reason *reason, char ret[REASON_WORDS_MAX]);

/* Does a known sentence say that the password or the account has expired? */
bool reason_is_expiry(const struct reason *reason);

#endif
