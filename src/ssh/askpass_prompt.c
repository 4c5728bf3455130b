/*
 * The questions of ssh.
 */
#include "ssh/askpass_prompt.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* "password" in languages whose alphabet is, up to that letter, ASCII. */
static const char *const password_words[] = { "password", "passwort", "passwd",
	"passe", "senha", "wachtwoord", "heslo", "parola", "adgangskode",
	"salasana", NULL };

/* A question with one of these is not about the password as it is. */
static const char *const new_words[] = { "new", "old", "current", "retype",
	"again", "expired", "change", "changing", NULL };
static const char *const other_words[] = { "code", "token", "otp", "one-time",
	"onetime", "verification", "pin", "passcode", "passphrase", "factor",
	"fingerprint", "authenticator", "duo", "yes", NULL };

/* The next word of text: its begin and length, 0 if there is none.  A dot ends
 * no word, but may be behind it. */
static const char *
prompt_word(const char *text, size_t *ret_len)
{
	static const char between[] = " \t\r\n:;,!?()[]<>/\"'";

	text += strspn(text, between);
	*ret_len = strcspn(text, between);
	return text;
}

/* Words with "@" are accounts. */
static bool
prompt_has(const char *text, const char *const *words)
{
	size_t len;

	for (text = prompt_word(text, &len); len > 0;
	     text = prompt_word(text + len, &len)) {
		size_t bare = len - (text[len - 1] == '.');

		if (memchr(text, '@', len) != NULL)
			continue;
		for (size_t i = 0; words[i] != NULL; i++)
			if (strlen(words[i]) == bare &&
			    strncasecmp(text, words[i], bare) == 0)
				return true;
	}
	return false;
}

enum askpass_prompt
askpass_prompt_judge(const char *prompt, const char *user)
{
	const char *text = prompt, *end;
	size_t len = strlen(user);

	/* "(user@host) " is not the server's. */
	if (text[0] == '(' && strncmp(text + 1, user, len) == 0 &&
	    text[1 + len] == '@' && (end = strstr(text, ") ")) != NULL)
		text = end + strlen(") ");
	if (prompt_has(text, other_words))
		return ASKPASS_OTHER;
	if (prompt_has(text, new_words))
		return ASKPASS_NEW_PASSWORD;
	return prompt_has(text, password_words) ? ASKPASS_PASSWORD :
						  ASKPASS_OTHER;
}
