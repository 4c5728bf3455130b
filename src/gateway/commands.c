/*
 * The gateway's commands: the table, and those that need no request.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/num.h"
#include "ftp/command.h"
#include "gateway/priv.h"

static command_run commands_acct, commands_quit, commands_pwd, commands_type,
    commands_stru, commands_mode, commands_pasv, commands_epsv, commands_rest,
    commands_allo, commands_abor, commands_stat, commands_syst, commands_feat,
    commands_opts, commands_site, commands_umask, commands_help, commands_noop,
    commands_host, commands_active;

enum command_flag {
	COMMAND_ANY_TIME = 1 << 0, /* before the login, too */
	COMMAND_NEEDS_ARGUMENT = 1 << 1,
	COMMAND_KEEPS_REST = 1 << 2,   /* REST is for the next transfer */
	COMMAND_KEEPS_RENAME = 1 << 3, /* RNTO */
	COMMAND_TRANSFERS = 1 << 4,    /* on the data connection */
	COMMAND_CHANGES = 1 << 5,      /* something on the server */
	COMMAND_TAKES_NAME = 1 << 6,   /* which may begin with blanks */
	COMMAND_NEEDS_NAME = COMMAND_NEEDS_ARGUMENT | COMMAND_TAKES_NAME,
};

struct command_entry {
	const char *name;
	command_run *run;
	unsigned flags; /* of enum command_flag */
};

static const struct command_entry entries[] = {
	{ "USER", login_user, COMMAND_ANY_TIME | COMMAND_NEEDS_ARGUMENT },
	{ "PASS", login_pass, COMMAND_ANY_TIME | COMMAND_TAKES_NAME },
	{ "ACCT", commands_acct, COMMAND_ANY_TIME },
	{ "REIN", login_rein, COMMAND_ANY_TIME },
	{ "QUIT", commands_quit, COMMAND_ANY_TIME },
	{ "CWD", files_cwd, COMMAND_NEEDS_NAME },
	{ "XCWD", files_cwd, COMMAND_NEEDS_NAME },
	{ "CDUP", files_cdup, 0 },
	{ "XCUP", files_cdup, 0 },
	{ "PWD", commands_pwd, COMMAND_KEEPS_REST },
	{ "XPWD", commands_pwd, COMMAND_KEEPS_REST },
	{ "MKD", files_mkd, COMMAND_NEEDS_NAME | COMMAND_CHANGES },
	{ "XMKD", files_mkd, COMMAND_NEEDS_NAME | COMMAND_CHANGES },
	{ "RMD", files_rmd, COMMAND_NEEDS_NAME | COMMAND_CHANGES },
	{ "XRMD", files_rmd, COMMAND_NEEDS_NAME | COMMAND_CHANGES },
	{ "DELE", files_dele, COMMAND_NEEDS_NAME | COMMAND_CHANGES },
	{ "RNFR", files_rnfr, COMMAND_NEEDS_NAME | COMMAND_CHANGES },
	{ "RNTO", files_rnto,
	    COMMAND_NEEDS_NAME | COMMAND_KEEPS_RENAME | COMMAND_CHANGES },
	{ "TYPE", commands_type, COMMAND_NEEDS_ARGUMENT | COMMAND_KEEPS_REST },
	{ "STRU", commands_stru, COMMAND_NEEDS_ARGUMENT | COMMAND_KEEPS_REST },
	{ "MODE", commands_mode, COMMAND_NEEDS_ARGUMENT | COMMAND_KEEPS_REST },
	{ "PASV", commands_pasv, COMMAND_KEEPS_REST },
	{ "EPSV", commands_epsv, COMMAND_KEEPS_REST },
	{ "PORT", commands_active, COMMAND_KEEPS_REST },
	{ "EPRT", commands_active, COMMAND_KEEPS_REST },
	{ "RETR", download_retr, COMMAND_NEEDS_NAME | COMMAND_TRANSFERS },
	{ "STOR", upload_stor,
	    COMMAND_NEEDS_NAME | COMMAND_TRANSFERS | COMMAND_CHANGES },
	{ "APPE", upload_appe,
	    COMMAND_NEEDS_NAME | COMMAND_TRANSFERS | COMMAND_CHANGES },
	{ "STOU", upload_stou,
	    COMMAND_TRANSFERS | COMMAND_TAKES_NAME | COMMAND_CHANGES },
	{ "REST", commands_rest, COMMAND_NEEDS_ARGUMENT | COMMAND_KEEPS_REST },
	{ "ALLO", commands_allo, COMMAND_KEEPS_REST },
	{ "ABOR", commands_abor, COMMAND_ANY_TIME },
	{ "LIST", walk_list, COMMAND_TRANSFERS },
	{ "NLST", walk_nlst, COMMAND_TRANSFERS },
	{ "MLSD", walk_mlsd, COMMAND_TRANSFERS | COMMAND_TAKES_NAME },
	{ "MLST", files_mlst, COMMAND_TAKES_NAME },
	{ "STAT", commands_stat, COMMAND_KEEPS_REST },
	{ "SIZE", files_size, COMMAND_NEEDS_NAME | COMMAND_KEEPS_REST },
	{ "MDTM", files_mdtm, COMMAND_NEEDS_NAME | COMMAND_KEEPS_REST },
	{ "MFMT", files_mfmt, COMMAND_NEEDS_ARGUMENT | COMMAND_CHANGES },
	{ "SYST", commands_syst, COMMAND_ANY_TIME },
	{ "FEAT", commands_feat, COMMAND_ANY_TIME },
	{ "OPTS", commands_opts, COMMAND_ANY_TIME | COMMAND_NEEDS_ARGUMENT },
	{ "SITE", commands_site, COMMAND_NEEDS_ARGUMENT },
	{ "HASH", download_hash, COMMAND_NEEDS_NAME },
	{ "AVBL", files_avbl, COMMAND_TAKES_NAME },
	{ "HELP", commands_help, COMMAND_ANY_TIME },
	{ "HOST", commands_host, COMMAND_ANY_TIME | COMMAND_NEEDS_ARGUMENT },
	{ "NOOP", commands_noop,
	    COMMAND_ANY_TIME | COMMAND_KEEPS_REST | COMMAND_KEEPS_RENAME },
};

static const struct command_entry site_entries[] = {
	{ "CHMOD", files_chmod, COMMAND_NEEDS_ARGUMENT | COMMAND_CHANGES },
	{ "UMASK", commands_umask, 0 },
	{ "HELP", commands_help, 0 },
};

static const struct command_entry *
commands_find(const struct command_entry *list, size_t n, const char *name,
    size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(list[i].name) == len &&
		    strncasecmp(list[i].name, name, len) == 0)
			return &list[i];
	return NULL;
}

#define COMMANDS_FIND(list, name, len) \
	commands_find(list, sizeof(list) / sizeof(*(list)), name, len)

static void
commands_run_entry(struct gateway *gateway, const struct command_entry *entry,
    const char *argument, size_t len)
{
	if (entry == NULL)
		gateway_finish(gateway, "502 Command not implemented.");
	else if (!gateway->logged_in && (entry->flags & COMMAND_ANY_TIME) == 0)
		gateway_finish(gateway, "530 Send USER and PASS first.");
	else if (len == 0 && (entry->flags & COMMAND_NEEDS_ARGUMENT) != 0)
		gateway_finish(gateway, "501 %s needs an argument.",
		    entry->name);
	else if ((entry->flags & COMMAND_CHANGES) != 0 && gateway->read_only)
		gateway_refuse_change(gateway);
	else {
		gateway->changes = (entry->flags & COMMAND_CHANGES) != 0;
		entry->run(gateway, argument, len);
	}
}

/* One blank separates a command and a name (RFC 959 section 5.3.1); others
 * belong to the name. */
static void
commands_keep_blanks(struct command *command)
{
	size_t end = command->arg_at + command->arg_len;
	size_t at = command->verb_at + command->verb_len + 1;

	if (at < end) {
		command->arg_at = at;
		command->arg_len = end - at;
	}
}

/* The control connection is a Telnet connection, where a byte 255 is sent twice
 * (RFC 959 section 3.1.1, RFC 854).  lftp does so; most clients send it once,
 * and that passes as well.  Returns the length. */
static size_t
commands_read_telnet(char *argument, size_t len)
{
	size_t to = 0;

	for (size_t i = 0; i < len; i++) {
		argument[to++] = argument[i];
		if ((uint8_t)argument[i] == 255 && i + 1 < len &&
		    (uint8_t)argument[i + 1] == 255)
			i++;
	}
	argument[to] = '\0';
	return to;
}

/* Do clients send it when they store one file after another? */
static bool
commands_is_between_uploads(const struct command_entry *entry)
{
	return entry != NULL &&
	    ((entry->flags & COMMAND_KEEPS_REST) != 0 ||
		entry->run == upload_stor || entry->run == files_mfmt);
}

void
commands_run(struct gateway *gateway, const uint8_t *line, size_t len)
{
	const struct command_entry *entry;
	struct command command;
	char *argument;

	command_parse(line, len, &command);
	entry = COMMANDS_FIND(entries, (const char *)line + command.verb_at,
	    command.verb_len);
	if (entry != NULL && (entry->flags & COMMAND_TRANSFERS) != 0 &&
	    gateway->logged_in && transfer_must_wait(gateway, line, len))
		return;
	if (entry != NULL && (entry->flags & COMMAND_TAKES_NAME) != 0)
		commands_keep_blanks(&command);
	argument =
	    strndup((const char *)line + command.arg_at, command.arg_len);
	gateway->busy = true;
	if (entry == NULL || (entry->flags & COMMAND_KEEPS_RENAME) == 0) {
		free(gateway->rename_from);
		gateway->rename_from = NULL;
	}
	if (!commands_is_between_uploads(entry))
		spare_drop(gateway);
	if (argument == NULL)
		gateway_finish(gateway, "451 Out of memory.");
	else if (strlen(argument) != command.arg_len)
		gateway_finish(gateway, "%u There is a NUL in the command.",
		    command.verb == VERB_PASS ? 530 : 501);
	else
		commands_run_entry(gateway, entry, argument,
		    commands_read_telnet(argument, command.arg_len));
	if (argument != NULL) /* it may be a password */
		explicit_bzero(argument, command.arg_len);
	free(argument);
	if (entry == NULL || (entry->flags & COMMAND_KEEPS_REST) == 0)
		gateway->restart = 0;
	/* It has failed before it began. */
	if (entry != NULL && (entry->flags & COMMAND_TRANSFERS) != 0 &&
	    !gateway->busy)
		gateway_data_reset_it(gateway);
}

/* ---- login ---- */

static void
commands_acct(struct gateway *gateway, const char *argument, size_t len)
{
	gateway_finish(gateway, "202 No account is needed.");
}

static void
commands_quit(struct gateway *gateway, const char *argument, size_t len)
{
	gateway_data_reset_it(gateway);
	gateway_finish(gateway, "221 Goodbye.");
	gateway_close(gateway);
}

/* ---- parameters of transfers ---- */

static void
commands_pwd(struct gateway *gateway, const char *argument, size_t len)
{
	char *quoted = names_quote(gateway, gateway->cwd);

	gateway_finish(gateway, "257 %s is the current directory.",
	    quoted != NULL ? quoted : "\"/\"");
	free(quoted);
}

/* "A", "A N", "I", "L 8"; some clients send "AN" (RFC 959 section 5.3.2). */
static void
commands_type(struct gateway *gateway, const char *argument, size_t len)
{
	static const struct {
		const char *text;
		char type;
	} types[] = {
		{ "A", 'A' },
		{ "A N", 'A' },
		{ "AN", 'A' },
		{ "I", 'I' },
		{ "L 8", 'I' },
		{ "L8", 'I' },
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (strcasecmp(argument, types[i].text) == 0) {
			gateway->type = types[i].type;
			gateway_finish(gateway, "200 The type is %c.",
			    types[i].type);
			return;
		}
	gateway_finish(gateway, "504 Only the types A, A N, I and L 8 exist.");
}

static void
commands_stru(struct gateway *gateway, const char *argument, size_t len)
{
	if (strcasecmp(argument, "F") == 0)
		gateway_finish(gateway, "200 The structure is F.");
	else
		gateway_finish(gateway,
		    "504 Only the structure F (file) exists: files on an SFTP "
		    "server have no records.");
}

static void
commands_mode(struct gateway *gateway, const char *argument, size_t len)
{
	if (strcasecmp(argument, "S") == 0)
		gateway_finish(gateway, "200 The mode is S.");
	else
		gateway_finish(gateway, "504 Only the mode S (stream) exists.");
}

/* Forgets a data connection that was not used, and listens for another one.
 * Returns the port, or 0 after a reply. */
static uint16_t
commands_listen(struct gateway *gateway)
{
	uint16_t port;

	gateway_data_reset_it(gateway);
	port = gateway->handler->data_listen(gateway->ctx);
	if (port == 0)
		gateway_finish(gateway, "425 Too many data connections.");
	else
		gateway->data = DATA_LISTENING;
	return port;
}

static void
commands_pasv(struct gateway *gateway, const char *argument, size_t len)
{
	uint16_t port = commands_listen(gateway);

	if (port != 0)
		gateway_finish(gateway,
		    "227 Entering Passive Mode (127,0,0,1,%u,%u).", port >> 8,
		    port & 0xff);
}

static void
commands_epsv(struct gateway *gateway, const char *argument, size_t len)
{
	uint16_t port;

	if (strcasecmp(argument, "ALL") == 0) {
		gateway_finish(gateway, "200 EPSV ALL.");
		return;
	}
	port = commands_listen(gateway);
	if (port != 0)
		gateway_finish(gateway,
		    "229 Entering Extended Passive Mode (|||%u|).", port);
}

/* The client's PORT is translated by culvert's session. */
static void
commands_active(struct gateway *gateway, const char *argument, size_t len)
{
	gateway_finish(gateway, "502 Only passive mode exists here.");
}

static void
commands_rest(struct gateway *gateway, const char *argument, size_t len)
{
	uint64_t offset;

	if (num_parse(argument, len, INT64_MAX, &offset) != 0) {
		gateway_finish(gateway, "501 REST needs a number.");
		return;
	}
	gateway->restart = offset;
	gateway_finish(gateway, "350 The next transfer begins at %s.",
	    argument);
}

static void
commands_allo(struct gateway *gateway, const char *argument, size_t len)
{
	gateway_finish(gateway, "202 No storage allocation is necessary.");
}

static void
commands_abor(struct gateway *gateway, const char *argument, size_t len)
{
	gateway_data_reset_it(gateway);
	gateway_finish(gateway, "226 No transfer is running.");
}

bool
gateway_converts(const struct gateway *gateway)
{
	return gateway->type == 'A' && gateway->config->newline != NEWLINE_NONE;
}

bool
gateway_may_restart(struct gateway *gateway)
{
	if (gateway->restart == 0 || !gateway_converts(gateway))
		return true;
	gateway_finish(gateway,
	    "504 A transfer in type A cannot begin in the "
	    "middle; send TYPE I.");
	return false;
}

bool
gateway_needs_data(struct gateway *gateway)
{
	if (gateway->data == DATA_OPEN)
		return true;
	gateway_finish(gateway,
	    "425 There is no data connection; send PASV or "
	    "EPSV first.");
	return false;
}

/* ---- information ---- */

static void
commands_stat(struct gateway *gateway, const char *argument, size_t len)
{
	if (len > 0) {
		walk_stat(gateway, argument, len);
		return;
	}
	gateway_finish(gateway,
	    "211-Status:\r\n"
	    " The files are those of %s, by SFTP.\r\n"
	    " Logged in: %s. Type: %c; structure: F; mode: S.\r\n"
	    "211 End",
	    gateway->config->name,
	    gateway->logged_in ? gateway->user : "nobody", gateway->type);
}

static void
commands_syst(struct gateway *gateway, const char *argument, size_t len)
{
	gateway_finish(gateway, "215 UNIX Type: L8");
}

static void
commands_feat(struct gateway *gateway, const char *argument, size_t len)
{
	char facts[LIST_FACTS_MAX];

	gateway_finish(gateway,
	    "211-Features:\r\n"
	    "%s"
	    " EPSV\r\n"
	    " HOST\r\n"
	    " HASH SHA-256*\r\n"
	    " MDTM\r\n"
	    " MFMT\r\n"
	    " MLST %s\r\n"
	    " REST STREAM\r\n"
	    " SIZE\r\n"
	    " TVFS\r\n"
	    " UTF8\r\n"
	    "211 End",
	    /* Before the login, that may not be known. */
	    gateway->home != NULL &&
		    sftp_can(gateway->channels[0].sftp, SFTP_STATVFS) ?
		" AVBL\r\n" :
		"",
	    list_write_facts(LIST_ALL_FACTS, gateway->facts, true, facts));
}

/* Clients that speak UTF-8 send this when FEAT names it
 * (draft-ietf-ftpext-utf-8-option-00). */
static void
commands_utf8(struct gateway *gateway, const char *state)
{
	bool off = strcasecmp(state, " OFF") == 0;

	gateway->charset = off ? gateway->config->charset : NULL;
	if (gateway->charset == NULL)
		gateway_finish(gateway, "200 Names pass byte for byte.");
	else
		gateway_finish(gateway,
		    "200 Names are in the character set of "
		    "--client-charset.");
}

static void
commands_opts(struct gateway *gateway, const char *argument, size_t len)
{
	char facts[LIST_FACTS_MAX];

	if (strncasecmp(argument, "UTF8", 4) == 0) {
		commands_utf8(gateway, argument + 4);
	} else if (strncasecmp(argument, "UTF-8", 5) == 0) {
		commands_utf8(gateway, argument + 5);
	} else if (strncasecmp(argument, "MLST", 4) == 0 &&
	    (argument[4] == ' ' || argument[4] == '\0')) {
		len = len > 5 ? len - 5 : 0;
		gateway->facts =
		    list_read_facts(argument + 4 + (argument[4] == ' '), len);
		gateway_finish(gateway, "200 MLST OPTS %s",
		    list_write_facts(gateway->facts, 0, false, facts));
	} else if (strncasecmp(argument, "HASH", 4) == 0 &&
	    (argument[4] == '\0' ||
		strcasecmp(argument + 4, " SHA-256") == 0)) {
		gateway_finish(gateway, "200 SHA-256");
	} else {
		gateway_finish(gateway, "501 There is no such option.");
	}
}

static void
commands_site(struct gateway *gateway, const char *argument, size_t len)
{
	size_t name_len = strcspn(argument, " ");
	const char *rest =
	    argument + name_len + strspn(argument + name_len, " ");

	commands_run_entry(gateway,
	    COMMANDS_FIND(site_entries, argument, name_len), rest,
	    strlen(rest));
}

static void
commands_umask(struct gateway *gateway, const char *argument, size_t len)
{
	unsigned mask = 0;

	if (len == 0) {
		if (gateway->umask < 0)
			gateway_finish(gateway,
			    "200 The umask is the SFTP server's.");
		else
			gateway_finish(gateway, "200 The umask is %03o.",
			    (unsigned)gateway->umask);
		return;
	}
	for (size_t i = 0; i < len && mask <= 0777; i++)
		mask = argument[i] < '0' || argument[i] > '7' ?
		    01000 :
		    mask * 8 + (unsigned)(argument[i] - '0');
	if (mask > 0777) {
		gateway_finish(gateway,
		    "501 SITE UMASK needs an octal number "
		    "up to 777.");
		return;
	}
	gateway->umask = (int)mask;
	gateway_finish(gateway, "200 The umask is %03o.", mask);
}

static void
commands_help(struct gateway *gateway, const char *argument, size_t len)
{
	gateway_reply(gateway, "214-Commands:");
	for (size_t i = 0; i < sizeof(entries) / sizeof(*entries); i += 8) {
		char line[128];
		size_t at = 0;

		for (size_t j = i;
		     j < i + 8 && j < sizeof(entries) / sizeof(*entries); j++)
			at += (size_t)snprintf(line + at, sizeof(line) - at,
			    " %-6s", entries[j].name);
		gateway_reply(gateway, "%s", line);
	}
	gateway_finish(gateway, "214 SITE CHMOD, SITE UMASK, SITE HELP");
}

/* RFC 7151: there is one host, whatever the client calls it. */
static void
commands_host(struct gateway *gateway, const char *argument, size_t len)
{
	if (gateway->user != NULL)
		gateway_finish(gateway, "503 HOST comes before USER.");
	else
		gateway_finish(gateway, "220 All hosts have the same files.");
}

static void
commands_noop(struct gateway *gateway, const char *argument, size_t len)
{
	gateway_finish(gateway, "200 Nothing done.");
}
