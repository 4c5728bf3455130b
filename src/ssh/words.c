/*
 * What an ssh writes to standard error.
 */
#include "ssh/words.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

/* Keeps a line, and as many of the lines before it as still fit. */
static void
words_keep(struct words *words, const char *text)
{
	size_t len = strlen(text), gone;
	char *next;

	while (words->kept_len > 0 &&
	    words->kept_len + len + strlen("; ") >= sizeof(words->kept)) {
		next = strstr(words->kept, "; ");
		gone = next == NULL ? words->kept_len :
				      (size_t)(next + 2 - words->kept);
		words->kept_len -= gone;
		memmove(words->kept, words->kept + gone, words->kept_len + 1);
	}
	words->kept_len += (size_t)snprintf(words->kept + words->kept_len,
	    sizeof(words->kept) - words->kept_len, "%s%s",
	    words->kept_len > 0 ? "; " : "", text);
}

static bool
words_begins(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* When a mux connection ends, ssh complains that it cannot close channels that
 * were refused. */
static bool
words_is_noise(const char *text)
{
	return words_begins(text, "chan_send_close2: channel ");
}

/* Can the line say why ssh has failed?  The additional lines of -v cannot. */
static bool
words_is_reason(const char *text)
{
	return !words_is_noise(text) && !words_begins(text, "debug1:") &&
	    !words_begins(text, "debug2:") && !words_begins(text, "debug3:") &&
	    !words_begins(text, "OpenSSH_");
}

/* A hash (FNV-1a) of the text, in which each number counts as 0. */
static uint64_t
words_hash(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325;
	bool in_number = false;

	for (; *text != '\0'; text++) {
		bool digit = *text >= '0' && *text <= '9';

		if (!digit || !in_number)
			hash = (hash ^ (digit ? '0' : (uint8_t)*text)) *
			    0x100000001b3;
		in_number = digit;
	}
	return hash;
}

static bool
words_allowed(struct words *words, const char *text, uint64_t now)
{
	uint64_t hash = words_hash(text);
	struct words_line_kind *kind =
	    &words->kinds[hash % LIMIT_SSH_LINE_KINDS];

	/* Kinds with the same remainder replace each other. */
	if (kind->hash != hash) {
		log_limit_end(&kind->limit, NULL);
		*kind = (struct words_line_kind) { .hash = hash };
	}
	words->all.noun = "ssh line";
	words->all.most = LIMIT_SSH_LINES;
	return log_limit_allows(&kind->limit, now, NULL) &&
	    log_limit_allows(&words->all, now, NULL);
}

static void
words_log(struct words *words, const char *text, uint64_t now)
{
	enum log_level level = words->quiet || words_is_noise(text) ?
	    LOG_LEVEL_VERBOSE :
	    LOG_LEVEL_INFO;

	if (level > log_get_level())
		return;
	if (log_get_level() < LOG_LEVEL_DEBUG &&
	    !words_allowed(words, text, now))
		return;
	log_line(level, NULL, "ssh%s%s: %s", words->to != NULL ? " to " : "",
	    words->to != NULL ? words->to : "", text);
}

static void
words_line(struct words *words, uint64_t now)
{
	char text[LOG_ESCAPED_MAX + 1];

	log_escape(text, sizeof(text), words->line, words->line_len);
	words->line_len = 0;
	if (text[0] == '\0')
		return;
	words_log(words, text, now);
	if (words->hearer != NULL)
		words->hearer->line(words->hearer->ctx, text);
	if (words_is_reason(text))
		words_keep(words, text);
}

void
words_feed(struct words *words, const char *bytes, size_t len, uint64_t now)
{
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] == '\n')
			words_line(words, now);
		else if (words->line_len < sizeof(words->line))
			words->line[words->line_len++] = bytes[i];
	}
}

void
words_end(struct words *words, uint64_t now)
{
	words_line(words, now);
	for (size_t i = 0; i < LIMIT_SSH_LINE_KINDS; i++)
		log_limit_end(&words->kinds[i].limit, NULL);
	log_limit_end(&words->all, NULL);
}

void
words_forget(struct words *words)
{
	words->kept_len = 0;
	words->kept[0] = '\0';
}

const char *
words_text(const struct words *words)
{
	return words->kept;
}
