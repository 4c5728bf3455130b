/*
 * The settings of an FTP session, and what kinds of commands there are.
 */
#include "resume/settings.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>

#include "ftp/command.h"
#include "ftp/line.h"
#include "limits.h"

/* What a setting replaces. */
enum setting_place {
	PLACE_VERB,  /* one with the same verb */
	PLACE_WORD,  /* one with the same verb and first word */
	PLACE_LINE,  /* the same line */
	PLACE_LOGIN, /* USER: all that came after the last one */
	PLACE_ROOT,  /* a directory: all directories if it begins with "/" */
};

struct setting_verb {
	const char *name;
	enum setting_kind kind;
	enum setting_place place;
};

/* PORT and PASV are requests for the next data connection, and repeated, if
 * that is needed, with it. */
static const struct setting_verb setting_verbs[] = {
	{ "ACCT", SETTING_KEPT, PLACE_VERB },
	{ "ALLO", SETTING_NONE, 0 },
	{ "AVBL", SETTING_NONE, 0 },
	{ "CDUP", SETTING_KEPT, PLACE_ROOT },
	{ "CLNT", SETTING_KEPT, PLACE_VERB },
	{ "CPSV", SETTING_NONE, 0 },
	{ "CSID", SETTING_KEPT, PLACE_VERB },
	{ "CWD", SETTING_KEPT, PLACE_ROOT },
	{ "EPRT", SETTING_NONE, 0 },
	{ "EPSV", SETTING_NONE, 0 },
	{ "FEAT", SETTING_NONE, 0 },
	{ "HASH", SETTING_NONE, 0 },
	{ "HELP", SETTING_NONE, 0 },
	{ "HOST", SETTING_KEPT, PLACE_VERB },
	{ "LANG", SETTING_KEPT, PLACE_VERB },
	{ "LIST", SETTING_NONE, 0 },
	{ "MDTM", SETTING_NONE, 0 },
	{ "MLSD", SETTING_NONE, 0 },
	{ "MLST", SETTING_NONE, 0 },
	{ "MODE", SETTING_KEPT, PLACE_VERB },
	{ "NLST", SETTING_NONE, 0 },
	{ "NOOP", SETTING_NONE, 0 },
	{ "OPTS", SETTING_KEPT, PLACE_WORD },
	{ "P@SW", SETTING_NONE, 0 },
	{ "PASS", SETTING_KEPT, PLACE_VERB },
	{ "PASV", SETTING_NONE, 0 },
	{ "PBSZ", SETTING_KEPT, PLACE_VERB },
	{ "PORT", SETTING_NONE, 0 },
	{ "PRET", SETTING_NONE, 0 },
	{ "PROT", SETTING_KEPT, PLACE_VERB },
	{ "PWD", SETTING_NONE, 0 },
	{ "QUIT", SETTING_NONE, 0 },
	{ "RANG", SETTING_NONE, 0 },
	{ "REST", SETTING_NONE, 0 },
	{ "RETR", SETTING_NONE, 0 },
	{ "RNFR", SETTING_NONE, 0 },
	{ "SIZE", SETTING_NONE, 0 },
	{ "STAT", SETTING_NONE, 0 },
	{ "STRU", SETTING_KEPT, PLACE_VERB },
	{ "SYST", SETTING_NONE, 0 },
	{ "TYPE", SETTING_KEPT, PLACE_VERB },
	{ "USER", SETTING_KEPT, PLACE_LOGIN },
	{ "XCRC", SETTING_NONE, 0 },
	{ "XCUP", SETTING_KEPT, PLACE_ROOT },
	{ "XCWD", SETTING_KEPT, PLACE_ROOT },
	{ "XMD5", SETTING_NONE, 0 },
	{ "XPWD", SETTING_NONE, 0 },
	{ "XSHA", SETTING_NONE, 0 },
	{ "XSHA1", SETTING_NONE, 0 },
	{ "XSHA256", SETTING_NONE, 0 },
	{ "XSHA512", SETTING_NONE, 0 },
	/* They change files: */
	{ "APPE", SETTING_ACTION, 0 },
	{ "DELE", SETTING_ACTION, 0 },
	{ "MFCT", SETTING_ACTION, 0 },
	{ "MFF", SETTING_ACTION, 0 },
	{ "MFMT", SETTING_ACTION, 0 },
	{ "MKD", SETTING_ACTION, 0 },
	{ "RMD", SETTING_ACTION, 0 },
	{ "RNTO", SETTING_ACTION, 0 },
	{ "STOR", SETTING_ACTION, 0 },
	{ "STOU", SETTING_ACTION, 0 },
	{ "XMKD", SETTING_ACTION, 0 },
	{ "XRMD", SETTING_ACTION, 0 },
	/* Nothing follows them that could be made again: */
	{ "ABOR", SETTING_ACTION, 0 },
};

/* The same for SITE and the word after it. */
static const struct setting_verb setting_site_verbs[] = {
	{ "CHGRP", SETTING_ACTION, 0 },
	{ "CHMOD", SETTING_ACTION, 0 },
	{ "CHOWN", SETTING_ACTION, 0 },
	{ "CPFR", SETTING_NONE, 0 },
	{ "CPTO", SETTING_ACTION, 0 },
	{ "HELP", SETTING_NONE, 0 },
	{ "IDLE", SETTING_KEPT, PLACE_WORD },
	{ "MKDIR", SETTING_ACTION, 0 },
	{ "RMDIR", SETTING_ACTION, 0 },
	{ "SYMLINK", SETTING_ACTION, 0 },
	{ "UMASK", SETTING_KEPT, PLACE_WORD },
	{ "UTIME", SETTING_ACTION, 0 },
};

/* A line of the list. */
struct resume_setting {
	uint16_t len;
	uint16_t code; /* its final reply */
};

struct resume_settings {
	size_t len; /* bytes of lines, each behind its struct resume_setting */
	size_t n;
	const char *why; /* it is not complete; or NULL */
	bool logged_in;
	char type, mode, structure;
	uint8_t lines[LIMIT_SETTINGS];
};

/* ---- kinds ---- */

static const struct setting_verb *
setting_find(const struct setting_verb *verbs, size_t n, const uint8_t *name,
    size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(verbs[i].name) == len &&
		    strncasecmp(verbs[i].name, (const char *)name, len) == 0)
			return &verbs[i];
	return NULL;
}

/* The number of bytes before the first blank. */
static size_t
setting_word_len(const uint8_t *text, size_t len)
{
	size_t n = 0;

	while (n < len && text[n] != ' ' && text[n] != '\t')
		n++;
	return n;
}

/* SITE LRECL=80 RECFM=FB: servers on mainframes. */
static const struct setting_verb *
setting_find_site(const uint8_t *arg, size_t len)
{
	static const struct setting_verb assignment = { "SITE", SETTING_KEPT,
		PLACE_LINE };
	const struct setting_verb *verb;

	verb = setting_find(setting_site_verbs,
	    sizeof(setting_site_verbs) / sizeof(setting_site_verbs[0]), arg,
	    setting_word_len(arg, len));
	if (verb == NULL && memchr(arg, '=', len) != NULL)
		return &assignment;
	return verb;
}

/* NULL: nobody knows. */
static const struct setting_verb *
setting_verb(const uint8_t *line, const struct command *command)
{
	const uint8_t *name = line + command->verb_at;

	if (command->verb_len == 4 &&
	    strncasecmp((const char *)name, "SITE", 4) == 0)
		return setting_find_site(line + command->arg_at,
		    command->arg_len);
	return setting_find(setting_verbs,
	    sizeof(setting_verbs) / sizeof(setting_verbs[0]), name,
	    command->verb_len);
}

enum setting_kind
setting_kind(const uint8_t *line, size_t len)
{
	const struct setting_verb *verb;
	struct command command;

	command_parse(line, len, &command);
	if (command.verb == VERB_EMPTY)
		return SETTING_NONE;
	verb = setting_verb(line, &command);
	/* MDTM with a time sets it. */
	if (verb != NULL && strcmp(verb->name, "MDTM") == 0 &&
	    setting_word_len(line + command.arg_at, command.arg_len) == 14 &&
	    command.arg_len > 14)
		return SETTING_ACTION;
	return verb == NULL ? SETTING_UNKNOWN : verb->kind;
}

/* ---- the list ---- */

struct resume_settings *
resume_settings_new(void)
{
	struct resume_settings *settings = mmap(NULL, sizeof(*settings),
	    PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (settings == MAP_FAILED)
		return NULL;
	if (mlock(settings, sizeof(*settings)) != 0) {
		munmap(settings, sizeof(*settings));
		return NULL;
	}
	settings->type = 'A';
	settings->mode = 'S';
	settings->structure = 'F';
	return settings;
}

void
resume_settings_free(struct resume_settings *settings)
{
	if (settings == NULL)
		return;
	explicit_bzero(settings, sizeof(*settings));
	munmap(settings, sizeof(*settings));
}

static void
resume_settings_forget(struct resume_settings *settings)
{
	explicit_bzero(settings->lines, sizeof(settings->lines));
	settings->len = settings->n = 0;
	settings->type = 'A';
	settings->mode = 'S';
	settings->structure = 'F';
	settings->logged_in = false;
}

static struct resume_setting
resume_settings_at(const struct resume_settings *settings, size_t at)
{
	struct resume_setting setting;

	memcpy(&setting, settings->lines + at, sizeof(setting));
	return setting;
}

static void
resume_settings_remove(struct resume_settings *settings, size_t at)
{
	size_t size = sizeof(struct resume_setting) +
	    resume_settings_at(settings, at).len;

	settings->len -= size;
	settings->n--;
	memmove(settings->lines + at, settings->lines + at + size,
	    settings->len - at);
	explicit_bzero(settings->lines + settings->len, size);
}

static void
resume_settings_add(struct resume_settings *settings, const uint8_t *line,
    size_t len, unsigned code)
{
	struct resume_setting setting = { (uint16_t)len, (uint16_t)code };

	if (sizeof(setting) + len > sizeof(settings->lines) - settings->len) {
		settings->why = "it has too many settings";
		return;
	}
	memcpy(settings->lines + settings->len, &setting, sizeof(setting));
	memcpy(settings->lines + settings->len + sizeof(setting), line, len);
	settings->len += sizeof(setting) + len;
	settings->n++;
}

/* Does the new line replace the old one? */
static bool
setting_replaces(const struct setting_verb *verb, const uint8_t *line,
    size_t len, const uint8_t *old, size_t old_len)
{
	struct command new_command, old_command;
	const struct setting_verb *old_verb;
	size_t word;

	command_parse(line, len, &new_command);
	command_parse(old, old_len, &old_command);
	old_verb = setting_verb(old, &old_command);
	if (verb->place == PLACE_ROOT)
		return new_command.arg_len > 0 &&
		    line[new_command.arg_at] == '/' && old_verb != NULL &&
		    old_verb->place == PLACE_ROOT;
	if (verb->place == PLACE_LINE)
		return len == old_len && memcmp(line, old, len) == 0;
	if (old_verb != verb)
		return false;
	if (verb->place != PLACE_WORD)
		return true;
	word = setting_word_len(line + new_command.arg_at, new_command.arg_len);
	return word ==
	    setting_word_len(old + old_command.arg_at, old_command.arg_len) &&
	    strncasecmp((const char *)line + new_command.arg_at,
		(const char *)old + old_command.arg_at, word) == 0;
}

static void
resume_settings_replace(struct resume_settings *settings,
    const struct setting_verb *verb, const uint8_t *line, size_t len)
{
	size_t at = 0, old_len;

	while (at < settings->len) {
		old_len = resume_settings_at(settings, at).len;
		if (setting_replaces(verb, line, len,
			settings->lines + at + sizeof(struct resume_setting),
			old_len))
			resume_settings_remove(settings, at);
		else
			at += sizeof(struct resume_setting) + old_len;
	}
}

/* What the engine of this program must know itself. */
static void
resume_settings_note_letter(struct resume_settings *settings,
    const uint8_t *line, const struct command *command)
{
	char letter =
	    command->arg_len > 0 ? (char)toupper(line[command->arg_at]) : '\0';

	if (command->verb == VERB_TYPE)
		settings->type = letter;
	else if (command->verb == VERB_MODE)
		settings->mode = letter;
	else if (command->verb == VERB_STRU)
		settings->structure = letter;
}

/* USER, PASS and ACCT; and what begins a session of another kind. */
static void
resume_settings_note_login(struct resume_settings *settings,
    const struct command *command, unsigned code)
{
	if (command->verb == VERB_AUTH && code / 100 <= 3)
		settings->why = "the server has accepted AUTH";
	if (command->verb == VERB_REIN && code / 100 == 2)
		resume_settings_forget(settings);
	if (command->verb == VERB_USER && code / 100 <= 3 &&
	    settings->logged_in)
		settings->why = "its client has logged in twice";
	if ((command->verb == VERB_USER || command->verb == VERB_PASS ||
		command->verb == VERB_ACCT) &&
	    code / 100 == 2)
		settings->logged_in = true;
}

void
resume_settings_note(struct resume_settings *settings, const uint8_t *line,
    size_t len, unsigned code)
{
	const struct setting_verb *verb;
	struct command command;

	command_parse(line, len, &command);
	resume_settings_note_login(settings, &command, code);
	if (code / 100 != 2 && code / 100 != 3)
		return;
	if (command.verb == VERB_AUTH || command.verb == VERB_REIN ||
	    command.verb == VERB_EMPTY)
		return;
	verb = setting_verb(line, &command);
	if (verb == NULL) {
		settings->why = "its client has sent a command that culvert "
				"does not know";
		return;
	}
	if (verb->kind != SETTING_KEPT)
		return;
	resume_settings_note_letter(settings, line, &command);
	resume_settings_replace(settings, verb, line, len);
	resume_settings_add(settings, line, len, code);
}

bool
resume_settings_are_complete(const struct resume_settings *settings,
    const char **ret_why)
{
	*ret_why = settings->why;
	return settings->why == NULL;
}

size_t
resume_settings_count(const struct resume_settings *settings)
{
	return settings->n;
}

const uint8_t *
resume_settings_get(const struct resume_settings *settings, size_t index,
    size_t *ret_len, unsigned *ret_code)
{
	struct resume_setting setting;
	size_t at = 0;

	assert(index < settings->n);
	for (; index > 0; index--)
		at += sizeof(setting) + resume_settings_at(settings, at).len;
	setting = resume_settings_at(settings, at);
	*ret_len = setting.len;
	*ret_code = setting.code;
	return settings->lines + at + sizeof(setting);
}

char
resume_settings_type(const struct resume_settings *settings)
{
	return settings->type;
}

bool
resume_settings_are_plain(const struct resume_settings *settings)
{
	return settings->mode == 'S' && settings->structure == 'F';
}
