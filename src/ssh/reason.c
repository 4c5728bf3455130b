/*
 * Why sshd refuses every forward.
 */
#include "ssh/reason.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "limits.h"

struct reason {
	bool (*ask)(void *ctx);
	void *ctx;
	uv_timer_t timer;
	enum {
		REASON_UNASKED,
		REASON_ASKED,
		REASON_SETTLED
	} state;
	LIST_HEAD(, reason_wait) waiting;
	char heard[REASON_WORDS_MAX]; /* as it came; */
	size_t len;		      /* so much of it */
};

struct reason *
reason_new(uv_loop_t *loop, bool (*ask)(void *ctx), void *ctx)
{
	struct reason *reason = calloc(1, sizeof(*reason));

	if (reason == NULL)
		return NULL;
	reason->ask = ask;
	reason->ctx = ctx;
	uv_timer_init(loop, &reason->timer);
	reason->timer.data = reason;
	LIST_INIT(&reason->waiting);
	return reason;
}

static void
reason_freed(uv_handle_t *handle)
{
	free(handle->data);
}

void
reason_free(struct reason *reason)
{
	if (reason == NULL)
		return;
	assert(LIST_EMPTY(&reason->waiting));
	uv_close((uv_handle_t *)&reason->timer, reason_freed);
}

static void
reason_late(uv_timer_t *timer)
{
	reason_settle(timer->data);
}

void
reason_hear(struct reason *reason, const uint8_t *bytes, size_t len)
{
	size_t room = sizeof(reason->heard) - reason->len;

	if (len > room)
		len = room;
	memcpy(reason->heard + reason->len, bytes, len);
	reason->len += len;
}

void
reason_settle(struct reason *reason)
{
	struct reason_wait *wait;
	void (*known)(void *);

	reason->state = REASON_SETTLED;
	uv_timer_stop(&reason->timer);
	/* Each may cancel others of them. */
	while ((wait = LIST_FIRST(&reason->waiting)) != NULL) {
		known = wait->known;
		assert(known != NULL); /* or it would not be in the list */
		reason_cancel(wait);
		known(wait->ctx);
	}
}

bool
reason_await(struct reason *reason, struct reason_wait *wait,
    void (*known)(void *ctx), void *ctx)
{
	if (reason == NULL)
		return false;
	if (reason->state == REASON_UNASKED) {
		reason->state =
		    reason->ask(reason->ctx) ? REASON_ASKED : REASON_SETTLED;
		uv_timer_start(&reason->timer, reason_late,
		    LIMIT_SESSION_WORDS_MS, 0);
	}
	if (reason->state == REASON_SETTLED)
		return false;
	wait->known = known;
	wait->ctx = ctx;
	LIST_INSERT_HEAD(&reason->waiting, wait, entry);
	return true;
}

void
reason_cancel(struct reason_wait *wait)
{
	if (wait->known == NULL)
		return;
	wait->known = NULL;
	LIST_REMOVE(wait, entry);
}

void
reason_words(const struct reason *reason, char ret[REASON_WORDS_MAX])
{
	char line[REASON_WORDS_MAX];
	size_t len = 0;

	/* Its lines become one. */
	for (size_t i = 0; reason != NULL && i < reason->len; i++) {
		char c = reason->heard[i];

		if (c == '\r' || c == '\n' || c == '\t')
			c = ' ';
		if (c != ' ' || (len > 0 && line[len - 1] != ' '))
			line[len++] = c;
	}
	while (len > 0 && line[len - 1] == ' ')
		len--;
	log_escape(ret, REASON_WORDS_MAX, line, len);
}

bool
reason_is_expiry(const char *words)
{
	/* sshd's own (session.c), and PAM's. */
	static const char *const all[] = { "expired", "password change",
		"change your password" };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (strcasestr(words, all[i]) != NULL)
			return true;
	return false;
}

void
reason_explain(const struct reason *reason, const char *where,
    char ret[REASON_MAX])
{
	char words[REASON_WORDS_MAX];

	reason_words(reason, words);
	if (words[0] == '\0')
		snprintf(ret, REASON_MAX, "%s", where);
	else
		snprintf(ret, REASON_MAX,
		    "; a session on the SSH server says: \"%s\"%s", words,
		    reason_is_expiry(words) ? "" : where);
}
