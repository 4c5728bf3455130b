/*
 * What culvert check suggests: the culvert command, and the least that the key
 * must permit.  Pure.
 */
#ifndef CHECK_SUGGEST_H
#define CHECK_SUGGEST_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/options.h"

/* Bytes of a suggestion.  In all functions: false, and an empty text, if it is
 * too long. */
#define SUGGEST_MAX 8192

/* Which modes work for a forward. */
struct suggest_modes {
	bool known;   /* the FTP server was tested */
	bool passive; /* passive mode toward it works */
	bool active;
	bool ipv6; /* active mode uses the IPv6 loopback of the SSH server */
};

/* Is there a forward to an FTP server; or of "sftp/"? */
bool suggest_has_ftp(const struct options *options);
bool suggest_has_sftp(const struct options *options);

/*
 * The --server-mode to suggest: the mode that the options name, if it works; a
 * mode that works if the other one does not; else OPTIONS_SAME.
 */
enum options_mode suggest_mode(const struct options *options,
    const struct suggest_modes *modes);

/*
 * The options to put in front of the key in authorized_keys.  They permit only
 * the forwarding that these forwards need in that mode, and SFTP if there is an
 * "sftp/"; doc/topologies.md has the reasons.
 */
bool suggest_key_line(const struct options *options,
    const struct suggest_modes *modes, enum options_mode mode, char *text,
    size_t size);

/* The same for sshd_config, if all forwards are of "sftp/"; else an empty text.
 */
bool suggest_sshd_config(const struct options *options, const char *user,
    char *text, size_t size);

/*
 * Where sshd listens: with -R for FTP clients, with -L for data connections in
 * active mode (ipv6: the server uses IPv6, although its name does not tell).
 */
const char *suggest_far_host(const struct options *options,
    const struct forward *forward, bool ipv6);

/* Is that localhost or a loopback address, or empty? */
bool suggest_is_loopback(const char *host);

/* Is the bind address of that -R one that every host has: loopback, or all? */
bool suggest_is_local(const char *bind);

/* The FTP clients of a -R in active mode, as arguments of PermitOpen in
 * sshd_config; "any" if --allow names a network, or they are too many. */
void suggest_clients(const struct options *options,
    const struct forward *forward, char *text, size_t size);

/* An option as it was given. */
struct suggest_option {
	const char *name;  /* without its dashes */
	const char *value; /* or NULL */
};

/* The part of the command that failed, and so must change. */
enum suggest_part {
	SUGGEST_NOTHING,
	SUGGEST_SERVER_HOST, /* of a -L or -R */
	SUGGEST_SERVER_PORT,
	SUGGEST_OPTION,	   /* an option, whether it was given or not */
	SUGGEST_GIVEN,	   /* an option, if it was given */
	SUGGEST_NO_OPTION, /* an option to remove */
	SUGGEST_DESTINATION,
	SUGGEST_TUNNEL, /* of the configuration file */
};

struct suggest_change {
	enum suggest_part part;
	size_t forward;	   /* which -L or -R, from 0 */
	const char *name;  /* of the option */
	const char *value; /* the new one; a word in capitals, such as PORT, is
			    * for the user to replace */
};

/* Changes of a command that are stored; more are ignored. */
#define SUGGEST_CHANGES 16

/* The parts of a command. */
struct suggest_command {
	struct suggest_change changes[SUGGEST_CHANGES];
	size_t n_changes;
	bool has_capitals; /* a change has, which the user must replace */
	const struct suggest_option *options;
	size_t n_options;
	const char *tunnel; /* of the configuration file; or NULL */
	const char *config; /* that file, if it is not the default; or NULL */
	/* Unless OPTIONS_SAME, replaces the given one; for a tunnel it becomes
	 * a comment after the command. */
	enum options_mode mode;
	const char *destination;
};

void suggest_add(struct suggest_command *command, struct suggest_change change);

/* The command, quoted for a shell. */
bool suggest_command(const struct suggest_command *command, char *text,
    size_t size);

/* The same for ssh with those arguments and that destination. */
bool suggest_ssh(const char *const *words, size_t n, const char *destination,
    char *text, size_t size);

/* One word for a shell, quoted if necessary. */
bool suggest_word(const char *word, char *text, size_t size);

#endif
