/*
 * Words that no log may show.
 */
#include "ftp/secrets.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "ftp/command.h"
#include "ftp/line.h"

/* A shorter word may be a part of another word by chance. */
#define SECRETS_PART_MIN 4

/* "334 ADAT=...", "235 ADAT=...", and the codes of encoded replies. */
static const char *const secrets_codes[] = { "235", "334", "335", "631", "632",
	"633" };

static void
keep_word(struct secrets *secrets, const uint8_t *word, size_t len)
{
	char *kept = secrets->words[secrets->next];

	if (len > SECRETS_WORD_MAX)
		len = SECRETS_WORD_MAX;
	memcpy(kept, word, len);
	kept[len] = '\0';
	secrets->next = (secrets->next + 1) % SECRETS_WORDS;
}

void
secrets_hear(struct secrets *secrets, const uint8_t *line, size_t len)
{
	size_t end = line_text_len(line, len), at;
	struct command command;

	command_parse(line, len, &command);
	at = command_shown(line, len, &command);
	while (at < end) {
		size_t begin = at;

		while (at < end && line[at] > ' ')
			at++;
		if (at > begin)
			keep_word(secrets, line + begin, at - begin);
		else
			at++;
	}
}

static bool
is_word_byte(uint8_t byte)
{
	return isalnum(byte) || byte >= 0x80;
}

/* Is the word at position at of the line? */
static bool
is_there(const char *word, size_t word_len, const uint8_t *line, size_t at,
    size_t len)
{
	if (word_len > len - at ||
	    strncasecmp(word, (const char *)line + at, word_len) != 0)
		return false;
	return word_len >= SECRETS_PART_MIN ||
	    ((at == 0 || !is_word_byte(line[at - 1])) &&
		(at + word_len == len || !is_word_byte(line[at + word_len])));
}

size_t
secrets_shown(const struct secrets *secrets, const uint8_t *line, size_t len)
{
	size_t shown = len;

	for (size_t i = 0; i < sizeof(secrets_codes) / sizeof(*secrets_codes);
	     i++)
		if (len > 4 && memcmp(line, secrets_codes[i], 3) == 0)
			shown = 4;
	for (size_t i = 0; i < SECRETS_WORDS; i++) {
		const char *word = secrets->words[i];
		size_t word_len = strlen(word);

		for (size_t at = 0; word_len > 0 && at < shown; at++)
			if (is_there(word, word_len, line, at, len))
				shown = at;
	}
	return shown;
}

void
secrets_forget(struct secrets *secrets)
{
	explicit_bzero(secrets, sizeof(*secrets));
}
