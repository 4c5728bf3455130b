/*
 * Why sshd refuses every forward.
 */
#include "ssh/reason.h"

#include <assert.h>
#include <regex.h>
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
		REASON_NEW,
		REASON_OPEN, /* the session is open */
		REASON_SETTLED
	} state;
	bool forwarded; /* sshd has permitted a forward */
	LIST_HEAD(, reason_wait) waiting;
	char heard[REASON_WORDS_MAX + 1]; /* len bytes as they came, and NUL */
	size_t len;
};

/*
 * A line of sshd (do_pwchange()), PAM (pam_unix, pam_sss), shadow (expire()) or
 * nologin(8): a known sentence, then nothing or a known rest.
 */
#define REASON_LINE(sentences)                                                \
	"^(" sentences ")"                                                    \
	"(!|; please contact your system administrator"                       \
	"| \\((administrator enforced|root enforced|password expired|"        \
	"password aged)\\)"                                                   \
	"|\\.  Choose a new password|\\.  Contact the system administrator)?" \
	"\\.?[\r\t ]*$"

/* sshd refuses every forward to accounts for which it prints one of these. */
static const char reason_expiry[] =
    REASON_LINE("WARNING: Your password has expired"
		"|Your password has expired"
		"|Password expired\\. Change your password now"
		"|You are required to change your password immediately"
		"|You must change your password now and log ?in again"
		"|Password change required but no TTY available"
		"|Your account has expired"
		"|Your login has expired"
		"|Your password is inactive");
static const char reason_others[] =
    REASON_LINE("This account is currently not available");

/* Longest sentence of these. */
#define REASON_SENTENCE_MAX 80

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
	size_t room = REASON_WORDS_MAX - reason->len;

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
	bool opened = reason->state == REASON_OPEN;

	reason->state = REASON_SETTLED;
	uv_timer_stop(&reason->timer);
	reason_words(reason, words);
	if (opened && words[0] != '\0')
		reason->handler->said(reason->ctx, words);
	/* Each call may cancel other waits. */
	while ((wait = LIST_FIRST(&reason->waiting)) != NULL) {
		known = wait->known;
		assert(known != NULL); /* it is in the list */
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
	if (reason->state == REASON_NEW) {
		reason->state = reason->handler->open(reason->ctx) ?
		    REASON_OPEN :
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

	/* Makes one line of what was heard. */
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
	memset(reason->heard, 0, sizeof(reason->heard));
}

/* Copies the sentence of the first line heard that matches; false if there is
 * none, or when out of memory. */
static bool
reason_find(const struct reason *reason, const char *pattern,
    char ret[REASON_SENTENCE_MAX])
{
	regmatch_t found[2]; /* the line, its sentence */
	regex_t regex;
	bool matches;

	if (regcomp(&regex, pattern, REG_EXTENDED | REG_NEWLINE) != 0)
		return false;
	matches = regexec(&regex, reason->heard, 2, found, 0) == 0;
	regfree(&regex);
	if (matches)
		snprintf(ret, REASON_SENTENCE_MAX, "%.*s",
		    (int)(found[1].rm_eo - found[1].rm_so),
		    reason->heard + found[1].rm_so);
	return matches;
}

bool
reason_is_expiry(const struct reason *reason)
{
	char sentence[REASON_SENTENCE_MAX];

	return reason_find(reason, reason_expiry, sentence);
}

/* What reason_explain() adds to the words of a refusal begins with one of
 * these. */
static const char reason_says[] = "; a session on the SSH server says: ";
static const char reason_see[] = ", see ";

void
reason_explain(const struct reason *reason, const char *see,
    char ret[REASON_MAX])
{
	char sentence[REASON_SENTENCE_MAX];
	bool expiry =
	    reason != NULL && reason_find(reason, reason_expiry, sentence);

	if (!expiry &&
	    (reason == NULL || !reason_find(reason, reason_others, sentence)))
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
