/*
 * Commands: everything found lies within the line, and a log shows no secret.
 */
#include <assert.h>
#include <string.h>

#include "ftp/command.h"
#include "ftp/secrets.h"
#include "ftp/line.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	size_t text_len = line_text_len(bytes, len), shown;
	struct secrets secrets = { .next = 0 };
	struct command command;
	size_t allowed;
	char text[64];

	command_parse(bytes, len, &command);
	assert(command.verb_at + command.verb_len <= command.arg_at);
	assert(command.arg_at + command.arg_len == text_len);
	assert((command.verb_len == 0) == (command.verb == VERB_EMPTY));
	assert(command.verb > VERB_EMPTY || *verb_name(command.verb) == '\0');
	assert(command.verb <= VERB_EMPTY || command.verb_len == 4);
	shown = command_loggable(bytes, len, &command, text, sizeof(text));
	assert(shown < sizeof(text) && text[shown] == '\0');
	allowed = command_shown(bytes, len, &command);
	assert(allowed <= text_len);
	if (allowed < text_len)
		assert(shown <= allowed + 4);
	else
		assert(shown == text_len || shown == sizeof(text) - 1);
	if (command.flags & VERB_IS_SECRET && command.arg_len > 0)
		assert(shown <= command.arg_at + 4);
	secrets_hear(&secrets, bytes, len);
	assert(secrets_shown(&secrets, bytes, len) <= len);
	if (shown > command.arg_at && command.flags & VERB_IS_SECRET)
		assert(text[command.arg_at] == '*');
	return 0;
}
