/*
 * Why sshd refuses every forward.
 *
 * If an account's password has expired, sshd accepts the login, then refuses
 * every forward as "administratively prohibited", and gives the reason only in
 * a session.  So if sshd refuses the first forward of a link, a session is
 * opened, once; refusals wait for it, for a limited time.
 *
 * A session can print anything, such as a motd, and FTP clients see the words
 * of a refusal before they log in.  So they see only known sentences of sshd
 * and PAM; the log and culvert check show everything.
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

/* A refusal that waits; embedded in what was refused. */
struct reason_wait {
	void (*known)(void *ctx); /* NULL: it does not wait */
	void *ctx;
	LIST_ENTRY(reason_wait) entry;
};

struct reason_handler {
	/* Opens the session: reason_hear() passes on what it prints,
	 * reason_settle() its end.  False: there is none. */
	bool (*open)(void *ctx);

	/* The session has printed these words, as reason_words(), not "". */
	void (*said)(void *ctx, const char *words);
};

/* NULL when out of memory. */
struct reason *reason_new(uv_loop_t *loop, const struct reason_handler *handler,
    void *ctx);

/* After reason_settle(); the loop frees it.  NULL is allowed. */
void reason_free(struct reason *reason);

/* The session has printed len bytes; they are copied, as far as there is
 * room. */
void reason_hear(struct reason *reason, const uint8_t *bytes, size_t len);

/* Nothing more will be known: known() of all that wait comes from inside.  From
 * the loop only. */
void reason_settle(struct reason *reason);

/*
 * True: known(ctx) comes once, from the loop, unless wait is cancelled.  False:
 * everything is known.  reason may be NULL.
 */
bool reason_await(struct reason *reason, struct reason_wait *wait,
    void (*known)(void *ctx), void *ctx);
void reason_cancel(struct reason_wait *wait);

/*
 * sshd has permitted a forward, so nothing has expired.  What a session has
 * printed is forgotten, and none is opened any more.  reason may be NULL.
 */
void reason_forwarded(struct reason *reason);

/*
 * What follows the words of a refusal: a known sentence, if the session has
 * printed one, and ", see " with see, the directives that may be the cause;
 * these are left out if the password or the account has expired.  reason may be
 * NULL.
 */
void reason_explain(const struct reason *reason, const char *see,
    char ret[REASON_MAX]);

/* How many bytes of a refusal come before what reason_explain() has added. */
size_t reason_own_len(const char *why);

/* What was heard, on one line, escaped; or "".  reason may be NULL. */
#define REASON_WORDS_MAX 256
void reason_words(const struct reason *reason, char ret[REASON_WORDS_MAX]);

/* Does a known sentence say that the password or the account has expired? */
bool reason_is_expiry(const struct reason *reason);

#endif
