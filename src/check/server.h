/*
 * The kinds of FTP servers that check knows, and the names of their settings
 * (servers.def).  Pure.
 */
#ifndef CHECK_SERVER_H
#define CHECK_SERVER_H

enum server_kind {
#define SERVER(kind, place) SERVER_##kind,
#define SETTING(kind, topic, line)
#include "check/servers.def"
#undef SERVER
#undef SETTING
	SERVER_KINDS,
};

/* What a setting is about. */
enum server_topic {
	TOPIC_NONE,
	TOPIC_PASSIVE,	 /* passive mode is refused */
	TOPIC_ACTIVE,	 /* active mode is refused */
	TOPIC_VERB,	 /* one command of a mode is refused */
	TOPIC_ADDRESS,	 /* the address in a 227 is wrong */
	TOPIC_PORTS,	 /* the passive ports cannot be reached */
	TOPIC_PEER,	 /* the data connection comes from another address */
	TOPIC_TLS,	 /* TLS is required for the control connection */
	TOPIC_TLS_DATA,	 /* ... for data connections */
	TOPIC_LOGIN,	 /* a user is refused */
	TOPIC_ANONYMOUS, /* anonymous is refused */
	TOPIC_LIMITS,	 /* there are too many clients */
	TOPICS,
};

/* The kind, by a text of the server: its greeting, or its reply to SYST. */
enum server_kind server_recognise(const char *text);

/* Where its settings are, such as "vsftpd.conf". */
const char *server_place(enum server_kind kind);

/* The line to put there, with names of facts in braces; for an unknown kind,
 * what to look for. */
const char *server_setting(enum server_kind kind, enum server_topic topic);

#endif
