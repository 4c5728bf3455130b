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
	const struct reason_handler *handler;
	void *ctx;
	uv_timer_t timer;
	enum {
		REASON_UNASKED,
		REASON_ASKED,
		REASON_SETTLED
	} state;
	bool forwarded; /* sshd has permitted a forward */
	LIST_HEAD(, reason_wait) waiting;
	char heard[REASON_WORDS_MAX]; /* as it came; */
	size_t len;		      /* so much of it */
};

/*
 * What sshd, PAM and nologin say, each on a line of its own: sshd's
 * do_pwchange(), pam_unix, pam_sss, shadow's expire(), nologin(8).  Behind a
 * sentence its line ends, or goes on as in tails[].
 */
static const struct {
	const char *sentence;
	bool expiry; /* sshd then refuses every forward */
} sentences[] = {
	{ "WARNING: Your password has expired", true },
	{ "Your password has expired", true },
	{ "Password expired. Change your password now", true },
	{ "You are required to change your password immediately", true },
	{ "You must change your password now and login again", true },
	{ "You must change your password now and log in again", true },
	{ "Password change required but no TTY available", true },
	{ "Your account has expired", true },
	{ "Your login has expired", true },
	{ "Your password is inactive", true },
	{ "This account is currently not available", false },
};

static const char *const tails[] = {
	"",
	"!",
	"; please contact your system administrator",
	" (administrator enforced)",
	" (root enforced)",
	" (password expired)",
	" (password aged)",
	".  Choose a new password",
	".  Contact the system administrator",
};

struct reason *
reason_new(uv_loop_t *loop, const struct reason_handler *handler, void *ctx)
{
	struct reason *reason = calloc(1, sizeof(*reason));

	if (reason == NULL)
		return NULL;
	reason->handler = handler;
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
	if (reason->forwarded)
		return;
	memcpy(reason->heard + reason->len, bytes, len);
	reason->len += len;
}

void
reason_settle(struct reason *reason)
{
	struct reason_wait *wait;
	void (*known)(void *);
	char words[REASON_WORDS_MAX];
	bool asked = reason->state == REASON_ASKED;

	reason->state = REASON_SETTLED;
	uv_timer_stop(&reason->timer);
	reason_words(reason, words);
	if (asked && words[0] != '\0')
		reason->handler->said(reason->ctx, words);
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
	if (reason == NULL || reason->forwarded)
		return false;
	if (reason->state == REASON_UNASKED) {
		reason->state = reason->handler->ask(reason->ctx) ?
		    REASON_ASKED :
		    REASON_SETTLED;
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

void
reason_forwarded(struct reason *reason)
{
	if (reason == NULL)
		return;
	reason->forwarded = true;
	reason->len = 0;
}

/* Is it that sentence, with one of the tails and perhaps a full stop? */
static bool
reason_line_is(const char *line, size_t len, const char *sentence)
{
	size_t start = strlen(sentence);

	if (len < start || memcmp(line, sentence, start) != 0)
		return false;
	line += start;
	len -= start;
	if (len > 0 && line[len - 1] == '.')
		len--;
	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++)
		if (len == strlen(tails[i]) && memcmp(line, tails[i], len) == 0)
			return true;
	return false;
}

/* The sentence that the line is, or NULL. */
static const char *
reason_line(const char *line, size_t len, bool *ret_expiry)
{
	while (len > 0 && strchr("\r\t ", line[len - 1]) != NULL)
		len--;
	for (size_t i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++) {
		if (!reason_line_is(line, len, sentences[i].sentence))
			continue;
		*ret_expiry = sentences[i].expiry;
		return sentences[i].sentence;
	}
	return NULL;
}

/* The first known sentence that was heard, one of expiry before others. */
static const char *
reason_sentence(const struct reason *reason, bool *ret_expiry)
{
	const char *line = reason->heard, *end = line + reason->len;
	const char *first = NULL;

	*ret_expiry = false;
	while (line < end && !*ret_expiry) {
		const char *next = memchr(line, '\n', (size_t)(end - line));
		const char *sentence;

		if (next == NULL)
			next = end;
		sentence = reason_line(line, (size_t)(next - line), ret_expiry);
		if (sentence != NULL && (first == NULL || *ret_expiry))
			first = sentence;
		line = next + 1;
	}
	return first;
}

bool
reason_is_expiry(const struct reason *reason)
{
	bool expiry;

	reason_sentence(reason, &expiry);
	return expiry;
}

/* What follows the words of a refusal begins with one of these. */
static const char reason_says[] = "; a session on the SSH server says: ";
static const char reason_see[] = ", see ";

void
reason_explain(const struct reason *reason, const char *see,
    char ret[REASON_MAX])
{
	bool expiry = false;
	const char *sentence =
	    reason == NULL ? NULL : reason_sentence(reason, &expiry);

	if (sentence == NULL)
		snprintf(ret, REASON_MAX, "%s%s", reason_see, see);
	else
		snprintf(ret, REASON_MAX, "%s\"%s.\"%s%s", reason_says,
		    sentence, expiry ? "" : reason_see, expiry ? "" : see);
}

size_t
reason_own_len(const char *why)
{
	const char *says = strstr(why, reason_says);
	const char *see = strstr(why, reason_see);

	if (says != NULL)
		return (size_t)(says - why);
	return see != NULL ? (size_t)(see - why) : strlen(why);
}
