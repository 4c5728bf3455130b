/*
 * What ssh writes on its standard error.
 */
#include "ssh/words.h"

#include <string.h>

#include "base/log.h"

/* Keeps a line, and of the older ones what still fits. */
static void
words_keep(struct words *words, const char *text)
{
	static const char between[] = "; ";
	size_t len = strlen(text);

	if (words->kept_len > 0) {
		size_t need = len + strlen(between) + 1;
		char *rest = words->kept;

		while (need + strlen(rest) > sizeof(words->kept)) {
			char *next = strstr(rest, between);

			rest = next == NULL ? rest + strlen(rest) :
					      next + strlen(between);
		}
		words->kept_len = strlen(rest);
		memmove(words->kept, rest, words->kept_len + 1);
	}
	if (words->kept_len > 0) {
		memcpy(words->kept + words->kept_len, between, sizeof(between));
		words->kept_len += strlen(between);
	}
	memcpy(words->kept + words->kept_len, text, len + 1);
	words->kept_len += len;
}

/* What ssh -v writes is no word about what failed. */
static bool
words_is_debug(const char *text)
{
	return strncmp(text, "debug", 5) == 0 && text[5] >= '1' &&
	    text[5] <= '3' && text[6] == ':';
}

/* What ssh says of channels that were refused when their mux connection ends:
 * that it cannot close what never was. */
static bool
words_is_noise(const char *text)
{
	static const char noise[] = "chan_send_close2: channel ";

	return strncmp(text, noise, strlen(noise)) == 0;
}

/* ssh -v begins with its version, which is no reason either. */
static bool
words_is_version(const char *text)
{
	return strncmp(text, "OpenSSH_", strlen("OpenSSH_")) == 0;
}

static void
words_line(struct words *words)
{
	char text[LOG_ESCAPED_MAX + 1];

	log_escape(text, sizeof(text), words->line, words->line_len);
	words->line_len = 0;
	if (text[0] == '\0')
		return;
	log_line(words->quiet || words_is_noise(text) ? LOG_LEVEL_VERBOSE :
							LOG_LEVEL_INFO,
	    NULL, "ssh%s%s: %s", words->to != NULL ? " to " : "",
	    words->to != NULL ? words->to : "", text);
	if (words->hearer != NULL)
		words->hearer->line(words->hearer->ctx, text);
	if (!words_is_debug(text) && !words_is_noise(text) &&
	    !words_is_version(text))
		words_keep(words, text);
}

void
words_feed(struct words *words, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] == '\n')
			words_line(words);
		else if (words->line_len < sizeof(words->line))
			words->line[words->line_len++] = bytes[i];
	}
}

void
words_end(struct words *words)
{
	words_line(words);
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
