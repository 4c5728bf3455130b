/*
 * The FTP servers that are known by name, and what their settings are called.
 * Pure.
 */
#ifndef CHECK_SERVER_H
#define CHECK_SERVER_H

enum server_kind {
	SERVER_UNKNOWN,
	SERVER_VSFTPD,
	SERVER_PROFTPD,
	SERVER_PUREFTPD,
	SERVER_IIS,
	SERVER_FILEZILLA,
	SERVER_PYFTPDLIB,
	SERVER_INETUTILS,
	SERVER_KINDS,
};

/* What a setting is about. */
enum server_topic {
	TOPIC_NONE,
	TOPIC_PASSIVE,	 /* passive mode is refused */
	TOPIC_ACTIVE,	 /* active mode is */
	TOPIC_VERB,	 /* one command of a mode is */
	TOPIC_ADDRESS,	 /* the address in a 227 is wrong */
	TOPIC_PORTS,	 /* the passive ports cannot be reached */
	TOPIC_PEER,	 /* the data connection's other end is not trusted */
	TOPIC_TLS,	 /* TLS is demanded, for the control connection */
	TOPIC_TLS_DATA,	 /* ... for data connections */
	TOPIC_LOGIN,	 /* a user is refused */
	TOPIC_ANONYMOUS, /* anonymous is */
	TOPIC_LIMITS,	 /* there are too many clients */
	TOPICS,
};

/* By a text that the server has said: its greeting, its reply to SYST or FEAT.
 * SERVER_UNKNOWN: it does not tell. */
enum server_kind server_recognise(const char *text);

/* Where its settings stand, "vsftpd.conf". */
const char *server_place(enum server_kind kind);

/* The line to put there, with the names of facts in braces; of an unknown one,
 * what is to be looked for. */
const char *server_setting(enum server_kind kind, enum server_topic topic);

#endif
