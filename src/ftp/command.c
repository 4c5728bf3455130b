/*
 * Command lines, and the table of verbs.
 */
#include "ftp/command.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "ftp/line.h"
#include "limits.h"

/* VERB_READS: --read-only permits the command, because it only reads, or
 * concerns only the session or the login.  ALLO reserves nothing permanently,
 * and OPTS sets options of the session.  MDTM and SITE have variants that
 * write; engine/policy.c finds them. */
#define READS VERB_READS
#define PLAIN (VERB_IS_ORDINARY)
#define ASKS (VERB_IS_ORDINARY | VERB_READS)
#define LOGIN (VERB_READS | VERB_MOVES)

static const struct verb_entry {
	const char *name;
	enum verb verb;
	enum verb_takes takes;
	unsigned flags;
} verbs[] = {
	{ "USER", VERB_USER, TAKES_NOTHING, LOGIN | VERB_VOIDS_DATA },
	{ "PASS", VERB_PASS, TAKES_NOTHING, LOGIN | VERB_IS_SECRET },
	{ "ACCT", VERB_ACCT, TAKES_NOTHING, LOGIN | VERB_IS_SECRET },
	{ "REIN", VERB_REIN, TAKES_NOTHING, LOGIN | VERB_VOIDS_DATA },
	{ "QUIT", VERB_QUIT, TAKES_NOTHING, READS },
	{ "ABOR", VERB_ABOR, TAKES_NOTHING, READS },
	{ "MODE", VERB_MODE, TAKES_NOTHING, READS },
	{ "REST", VERB_REST, TAKES_NOTHING, READS },
	{ "FEAT", VERB_FEAT, TAKES_NOTHING, READS },
	{ "AUTH", VERB_AUTH, TAKES_NOTHING, READS },
	{ "PORT", VERB_PORT, TAKES_NOTHING, READS | VERB_IS_ACTIVE },
	{ "EPRT", VERB_EPRT, TAKES_NOTHING, READS | VERB_IS_ACTIVE },
	{ "LPRT", VERB_LPRT, TAKES_NOTHING, READS },
	{ "PASV", VERB_PASV, TAKES_NOTHING, READS | VERB_IS_PASSIVE },
	{ "P@SW", VERB_PASV, TAKES_NOTHING, READS | VERB_IS_PASSIVE },
	{ "CPSV", VERB_PASV, TAKES_NOTHING, READS | VERB_IS_PASSIVE },
	{ "EPSV", VERB_EPSV, TAKES_NOTHING, READS | VERB_IS_PASSIVE },
	{ "LPSV", VERB_LPSV, TAKES_NOTHING, READS },
	{ "RETR", VERB_RETR, TAKES_FILE, READS | VERB_RECEIVES },
	{ "STOR", VERB_STOR, TAKES_FILE, VERB_SENDS },
	{ "STOU", VERB_STOU, TAKES_UNIQUE, VERB_SENDS },
	{ "APPE", VERB_APPE, TAKES_FILE, VERB_SENDS },
	{ "LIST", VERB_LIST, TAKES_LISTED, READS | VERB_RECEIVES },
	{ "NLST", VERB_NLST, TAKES_LISTED, READS | VERB_RECEIVES },
	{ "MLSD", VERB_MLSD, TAKES_LISTED, READS | VERB_RECEIVES },
	{ "ALLO", VERB_ALLO, TAKES_NOTHING, ASKS },
	{ "AVBL", VERB_OTHER, TAKES_LISTED, ASKS },
	{ "CDUP", VERB_OTHER, TAKES_PARENT, ASKS | VERB_MOVES },
	{ "CLNT", VERB_OTHER, TAKES_NOTHING, ASKS },
	{ "CSID", VERB_OTHER, TAKES_NOTHING, ASKS },
	{ "CWD", VERB_OTHER, TAKES_DIRECTORY, ASKS | VERB_MOVES },
	{ "DELE", VERB_OTHER, TAKES_FILE, PLAIN },
	{ "HASH", VERB_OTHER, TAKES_WORD, ASKS },
	{ "HELP", VERB_OTHER, TAKES_NOTHING, ASKS },
	{ "HOST", VERB_OTHER, TAKES_NOTHING, ASKS },
	{ "LANG", VERB_OTHER, TAKES_NOTHING, ASKS },
	{ "MDTM", VERB_OTHER, TAKES_TIMED, ASKS },
	{ "MFCT", VERB_OTHER, TAKES_SECOND, PLAIN },
	{ "MFF", VERB_OTHER, TAKES_SECOND, PLAIN },
	{ "MFMT", VERB_OTHER, TAKES_SECOND, PLAIN },
	{ "MKD", VERB_OTHER, TAKES_FILE, PLAIN },
	{ "MLST", VERB_OTHER, TAKES_LISTED, READS },
	{ "NOOP", VERB_OTHER, TAKES_NOTHING, ASKS },
	{ "OPTS", VERB_OTHER, TAKES_NOTHING, ASKS },
	{ "PBSZ", VERB_OTHER, TAKES_NOTHING, ASKS },
	{ "PRET", VERB_OTHER, TAKES_COMMAND, ASKS },
	{ "PROT", VERB_OTHER, TAKES_NOTHING, ASKS },
	{ "PWD", VERB_OTHER, TAKES_NOTHING, ASKS },
	{ "RANG", VERB_OTHER, TAKES_NOTHING, READS },
	{ "RMD", VERB_OTHER, TAKES_FILE, PLAIN },
	{ "RNFR", VERB_OTHER, TAKES_TREE, PLAIN },
	{ "RNTO", VERB_OTHER, TAKES_NEW_NAME, PLAIN | VERB_MOVES },
	{ "SITE", VERB_OTHER, TAKES_SITE, ASKS },
	{ "SIZE", VERB_SIZE, TAKES_FILE, ASKS },
	{ "SMNT", VERB_OTHER, TAKES_ANYTHING, PLAIN },
	{ "STAT", VERB_OTHER, TAKES_STATUS, ASKS },
	{ "STRU", VERB_STRU, TAKES_NOTHING, ASKS },
	{ "SYST", VERB_OTHER, TAKES_NOTHING, ASKS },
	{ "TYPE", VERB_TYPE, TAKES_NOTHING, ASKS },
	{ "XCRC", VERB_OTHER, TAKES_WORD, READS },
	{ "XCUP", VERB_OTHER, TAKES_PARENT, ASKS | VERB_MOVES },
	{ "XCWD", VERB_OTHER, TAKES_DIRECTORY, ASKS | VERB_MOVES },
	{ "XMD5", VERB_OTHER, TAKES_WORD, READS },
	{ "XMKD", VERB_OTHER, TAKES_FILE, PLAIN },
	{ "XPWD", VERB_OTHER, TAKES_NOTHING, ASKS },
	{ "XRMD", VERB_OTHER, TAKES_FILE, PLAIN },
	{ "XSHA", VERB_OTHER, TAKES_WORD, READS },
	{ "XSHA1", VERB_OTHER, TAKES_WORD, READS },
	{ "XSHA256", VERB_OTHER, TAKES_WORD, READS },
	{ "XSHA512", VERB_OTHER, TAKES_WORD, READS },
	/* RFC 2228: the argument is an encoded command. */
	{ "CONF", VERB_OTHER, TAKES_ANYTHING, VERB_HIDES | VERB_IS_SECRET },
	{ "ENC", VERB_OTHER, TAKES_ANYTHING, VERB_HIDES | VERB_IS_SECRET },
	{ "MIC", VERB_OTHER, TAKES_ANYTHING, VERB_HIDES | VERB_IS_SECRET },
};

#define VERB_COUNT (sizeof(verbs) / sizeof(verbs[0]))

static bool
command_is_blank(uint8_t byte)
{
	return byte == ' ' || byte == '\t';
}

static const struct verb_entry *
verb_look_up(const uint8_t *name, size_t len)
{
	for (size_t i = 0; i < VERB_COUNT; i++)
		if (strlen(verbs[i].name) == len &&
		    strncasecmp(verbs[i].name, (const char *)name, len) == 0)
			return &verbs[i];
	return NULL;
}

static void
verb_find(const uint8_t *line, struct command *command)
{
	const struct verb_entry *entry =
	    verb_look_up(line + command->verb_at, command->verb_len);

	if (entry == NULL)
		return;
	command->verb = entry->verb;
	command->flags = entry->flags | VERB_IS_KNOWN;
	command->takes = entry->takes;
}

void
command_parse(const uint8_t *line, size_t len, struct command *ret)
{
	size_t end = line_text_len(line, len);
	size_t at = line_telnet_prefix(line, end);
	struct command command = { .verb = VERB_OTHER };

	/* A server may skip blanks here. */
	while (at < end && command_is_blank(line[at]))
		at++;
	command.verb_at = at;
	while (at < end && !command_is_blank(line[at]))
		at++;
	command.verb_len = at - command.verb_at;
	while (at < end && command_is_blank(line[at]))
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

/* ---- as the most liberal server reads a line ---- */

/* Some servers take these for blanks before or after a verb. */
static bool
is_gap(uint8_t byte)
{
	return byte <= ' ' || byte == 0x7f;
}

/* Returns the verb at the beginning of text; *ret_end becomes the position
 * after it. */
static const struct verb_entry *
find_liberally(const uint8_t *text, size_t len, size_t *ret_end)
{
	size_t at = 0, end;

	while (at < len && is_gap(text[at]))
		at++;
	for (end = at; end < len && !is_gap(text[end]);)
		end++;
	*ret_end = end;
	return verb_look_up(text + at, end - at);
}

/* Is the argument a host-port, or may some server take it for one? */
static bool
has_host_port(enum verb verb, const uint8_t *arg, size_t len)
{
	size_t numbers = 0, at = 0;

	while (at < len && is_gap(arg[at]))
		at++;
	if (verb == VERB_EPRT) {
		size_t end = at + 1;

		while (end < len && arg[end] >= '0' && arg[end] <= '9')
			end++;
		return end > at + 1 && end < len && arg[end] == arg[at];
	}
	for (; at < len && numbers < 6; at++)
		if (arg[at] == ',')
			numbers++;
		else if (!is_gap(arg[at]) && (arg[at] < '0' || arg[at] > '9'))
			break;
	return numbers >= 5;
}

/* A server may read the next command from any position after COMMAND_LONGEST
 * bytes.  Returns the name of an active request there, or NULL. */
static const char *
find_behind(const uint8_t *text, size_t len)
{
	const struct verb_entry *entry;
	size_t end;

	for (size_t at = COMMAND_LONGEST; at < len; at++) {
		if (text[at] != 'P' && text[at] != 'p' && text[at] != 'E' &&
		    text[at] != 'e' && text[at] != 'L' && text[at] != 'l')
			continue;
		entry = find_liberally(text + at, len - at, &end);
		if (entry != NULL &&
		    ((entry->flags & VERB_IS_ACTIVE) != 0 ||
			entry->verb == VERB_LPRT) &&
		    has_host_port(entry->verb, text + at + end, len - at - end))
			return entry->name;
	}
	return NULL;
}

const char *
command_hidden(const uint8_t *line, size_t len, const struct command *command)
{
	const struct verb_entry *entry;
	uint8_t text[LIMIT_COMMAND_LINE];
	size_t text_len, end;
	bool ends;

	assert(len <= sizeof(text));
	text_len = line_telnet_strip(line, len, text, &ends);
	if (!ends)
		return "";
	text_len = line_text_len(text, text_len);
	entry = find_liberally(text, text_len, &end);
	if (entry != NULL && entry->verb != VERB_OTHER &&
	    entry->verb != command->verb)
		return entry->name;
	return find_behind(text, text_len);
}

/* ---- what a log may show ---- */

/* Returns the end of the word that begins at position at. */
static size_t
word_end(const uint8_t *line, size_t at, size_t end)
{
	while (at < end && !command_is_blank(line[at]))
		at++;
	return at;
}

/* Verbs have at most four letters, or five if the first is X.  Bytes of Telnet
 * commands may be among them. */
static bool
looks_like_verb(const uint8_t *word, size_t len)
{
	size_t letters = 0;

	for (size_t i = 0; i < len; i++) {
		uint8_t letter = word[i] & 0xdf;

		if (word[i] >= 0x80)
			continue;
		if (letter < 'A' || letter > 'Z')
			return false;
		letters++;
	}
	return letters <= ((word[0] & 0xdf) == 'X' ? 5 : 4);
}

/* Returns the end of what may be shown of a SITE command.  harmless: commands
 * that have no password as an argument, in the servers that were examined. */
static size_t
site_shown(const uint8_t *line, size_t end, const struct command *command)
{
	static const char *const harmless[] = { "ALIAS", "CDPATH", "CHGRP",
		"CHMOD", "CHOWN", "CPFR", "CPTO", "FILETYPE", "GROUPS", "HELP",
		"IDLE", "INDEX", "LINK", "MINFO", "MKDIR", "QUOTA", "RMDIR",
		"SYMLINK", "UMASK", "UTIME", "WHOAMI", "ZONE", NULL };
	struct command site = {
		.verb_at = command->arg_at,
		.verb_len =
		    word_end(line, command->arg_at, end) - command->arg_at,
	};
	size_t behind = site.verb_at + site.verb_len;

	if (command_name_is_one_of(&site, line, harmless))
		return end;
	if (!looks_like_verb(line + site.verb_at, site.verb_len))
		return site.verb_at;
	return behind < end ? behind + 1 : end;
}

size_t
command_secret_at(const uint8_t *line, size_t len,
    const struct command *command)
{
	const struct verb_entry *entry;
	size_t end = line_text_len(line, len), verb_end;

	for (size_t at = command->arg_at; at < end; at++) {
		if (!is_gap(line[at]) || command_is_blank(line[at]))
			continue;
		entry = find_liberally(line + at, end - at, &verb_end);
		if (entry != NULL &&
		    ((entry->flags & VERB_IS_SECRET) != 0 ||
			entry->takes == TAKES_SITE))
			return at;
	}
	return end;
}

size_t
command_shown(const uint8_t *line, size_t len, const struct command *command)
{
	size_t end = line_text_len(line, len), secret;

	if (command->verb_len == 0)
		return end;
	if ((command->flags & VERB_IS_KNOWN) == 0 &&
	    !looks_like_verb(line + command->verb_at, command->verb_len))
		return command->verb_at;
	if (command->arg_len == 0)
		return end;
	if ((command->flags & VERB_IS_KNOWN) == 0 ||
	    (command->flags & VERB_IS_SECRET) != 0)
		return command->arg_at;
	if (command->takes == TAKES_SITE)
		end = site_shown(line, end, command);
	else if (command->verb == VERB_USER || command->verb == VERB_AUTH)
		end = word_end(line, command->arg_at, end);
	secret = command_secret_at(line, len, command);
	return secret < end ? secret : end;
}

size_t
command_loggable(const uint8_t *line, size_t len, const struct command *command,
    char *text, size_t size)
{
	static const char stars[] = "****";
	size_t shown = command_shown(line, len, command);
	size_t hidden = shown < line_text_len(line, len) ? strlen(stars) : 0;

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
	if (verb == VERB_OTHER)
		return "";
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
