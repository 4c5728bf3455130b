/*
 * Verbs, and what is special about each.
 */
#include "ftp/command.h"

#include <string.h>
#include <strings.h>

#include "ftp/line.h"

static const struct verb_entry {
	const char *name;
	enum verb verb;
	unsigned flags;
} verbs[] = {
	{ "USER", VERB_USER, VERB_VOIDS_DATA },
	{ "PASS", VERB_PASS, VERB_IS_SECRET },
	{ "ACCT", VERB_ACCT, VERB_IS_SECRET },
	{ "REIN", VERB_REIN, VERB_VOIDS_DATA },
	{ "QUIT", VERB_QUIT, 0 },
	{ "ABOR", VERB_ABOR, 0 },
	{ "MODE", VERB_MODE, 0 },
	{ "REST", VERB_REST, 0 },
	{ "SIZE", VERB_SIZE, 0 },
	{ "TYPE", VERB_TYPE, 0 },
	{ "FEAT", VERB_FEAT, 0 },
	{ "AUTH", VERB_AUTH, 0 },
	{ "PORT", VERB_PORT, VERB_IS_ACTIVE },
	{ "EPRT", VERB_EPRT, VERB_IS_ACTIVE },
	{ "LPRT", VERB_LPRT, VERB_IS_ACTIVE },
	{ "PASV", VERB_PASV, VERB_IS_PASSIVE },
	{ "P@SW", VERB_PASV, VERB_IS_PASSIVE },
	{ "CPSV", VERB_PASV, VERB_IS_PASSIVE },
	{ "EPSV", VERB_EPSV, VERB_IS_PASSIVE },
	{ "LPSV", VERB_LPSV, VERB_IS_PASSIVE },
	{ "RETR", VERB_RETR, VERB_RECEIVES },
	{ "STOR", VERB_STOR, VERB_SENDS },
	{ "STOU", VERB_STOU, VERB_SENDS },
	{ "APPE", VERB_APPE, VERB_SENDS },
	{ "LIST", VERB_LIST, VERB_RECEIVES },
	{ "NLST", VERB_NLST, VERB_RECEIVES },
	{ "MLSD", VERB_MLSD, VERB_RECEIVES },
};

#define VERB_COUNT (sizeof(verbs) / sizeof(verbs[0]))

static bool
is_blank(uint8_t byte)
{
	return byte == ' ' || byte == '\t';
}

static void
verb_find(const uint8_t *line, struct command *command)
{
	const char *name = (const char *)line + command->verb_at;

	for (size_t i = 0; i < VERB_COUNT; i++) {
		if (strlen(verbs[i].name) != command->verb_len ||
		    strncasecmp(verbs[i].name, name, command->verb_len) != 0)
			continue;
		command->verb = verbs[i].verb;
		command->flags = verbs[i].flags;
		return;
	}
}

void
command_parse(const uint8_t *line, size_t len, struct command *ret)
{
	size_t end = line_text_len(line, len);
	size_t at = line_telnet_prefix(line, end);
	struct command command = { .verb = VERB_OTHER };

	/* A server may look past blanks: so must the log, and PORT. */
	while (at < end && is_blank(line[at]))
		at++;
	command.verb_at = at;
	while (at < end && !is_blank(line[at]))
		at++;
	command.verb_len = at - command.verb_at;
	while (at < end && is_blank(line[at]))
		at++;
	command.arg_at = at;
	command.arg_len = end - at;
	if (command.verb_len == 0) {
		command.verb = VERB_EMPTY;
		command.flags = VERB_MAY_BE_SILENT;
	} else {
		verb_find(line, &command);
	}
	*ret = command;
}

size_t
command_loggable(const uint8_t *line, size_t len, const struct command *command,
    char *text, size_t size)
{
	static const char stars[] = "****";
	size_t shown = line_text_len(line, len), hidden = 0;

	if ((command->flags & VERB_IS_SECRET) && command->arg_len > 0) {
		shown = command->arg_at;
		hidden = strlen(stars);
	}
	if (size == 0)
		return 0;
	if (shown > size - 1)
		shown = size - 1;
	if (hidden > size - 1 - shown)
		hidden = size - 1 - shown;
	memcpy(text, line, shown);
	memcpy(text + shown, stars, hidden);
	text[shown + hidden] = '\0';
	return shown + hidden;
}

const char *
verb_name(enum verb verb)
{
	for (size_t i = 0; i < VERB_COUNT; i++)
		if (verbs[i].verb == verb)
			return verbs[i].name;
	return "";
}

bool
command_name_is_one_of(const struct command *command, const uint8_t *line,
    const char *const *names)
{
	const char *name = (const char *)line + command->verb_at;

	for (; *names != NULL; names++)
		if (strlen(*names) == command->verb_len &&
		    strncasecmp(*names, name, command->verb_len) == 0)
			return true;
	return false;
}
