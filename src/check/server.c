/*
 * The kinds of FTP servers, and their settings.
 */
#include "check/server.h"

#include <stddef.h>
#include <string.h>

/* Texts in the greeting, or in the reply to SYST; the first match counts. */
static const struct {
	const char *words;
	enum server_kind kind;
} marks[] = {
	{ "vsFTPd", SERVER_VSFTPD },
	{ "ProFTPD", SERVER_PROFTPD },
	{ "proftpd", SERVER_PROFTPD },
	{ "Pure-FTPd", SERVER_PUREFTPD },
	{ "Microsoft FTP", SERVER_IIS },
	{ "FileZilla", SERVER_FILEZILLA },
	{ "pyftpdlib", SERVER_PYFTPDLIB },
	{ "GNU inetutils", SERVER_INETUTILS },
	{ "Windows_NT", SERVER_IIS },
	/* Greetings of servers that have too many clients. */
	{ "There are too many conn", SERVER_VSFTPD },
	{ "users (the maximum) are already", SERVER_PUREFTPD },
	{ "421 Too many connections (", SERVER_PUREFTPD },
	{ "from the same IP address", SERVER_PYFTPDLIB },
};

#define SERVER(kind, place) [SERVER_##kind] = (place),
#define SETTING(kind, topic, line)
static const char *const places[SERVER_KINDS] = {
#include "check/servers.def"
};
#undef SERVER
#undef SETTING

#define SERVER(kind, place)
#define SETTING(kind, topic, line) [SERVER_##kind][TOPIC_##topic] = (line),
static const char *const settings[SERVER_KINDS][TOPICS] = {
#include "check/servers.def"
};

enum server_kind
server_recognise(const char *text)
{
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (strstr(text, marks[i].words) != NULL)
			return marks[i].kind;
	return SERVER_UNKNOWN;
}

const char *
server_place(enum server_kind kind)
{
	return places[kind];
}

const char *
server_setting(enum server_kind kind, enum server_topic topic)
{
	const char *line = settings[kind][topic];

	return line != NULL ? line : settings[SERVER_UNKNOWN][topic];
}
