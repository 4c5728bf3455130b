/*
 * What the doctor suggests: the culvert command, and what the key may do at
 * least.  Pure.
 */
#ifndef CHECK_SUGGEST_H
#define CHECK_SUGGEST_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/options.h"

/* Bytes of what is suggested. */
#define SUGGEST_MAX 8192

/* What was found out of each forward. */
struct suggest_modes {
	bool known;   /* the FTP server was asked */
	bool passive; /* toward it; works */
	bool active;
	bool ipv6; /* active mode takes the IPv6 loopback of the SSH server */
};

/*
 * The mode toward the servers that is to be asked for, given what the options
 * say: one where the other works with no server, else OPTIONS_SAME.
 */
enum options_mode suggest_mode(const struct options *options,
    const struct suggest_modes *modes);

/*
 * The options in front of the key in authorized_keys: forwarding, and of that
 * what these forwards take in that mode; doc/topologies.md has the reasons.
 * False: it does not fit.
 */
bool suggest_key_line(const struct options *options,
    const struct suggest_modes *modes, enum options_mode mode, char *text,
    size_t size);

/* Is that of a -R loopback, or no address at all: there on every host? */
bool suggest_is_local(const char *bind);

/* The FTP clients of a -R in active mode, as PermitOpen (sshd_config) has them:
 * "any" where --allow names a network.  False: it does not fit. */
bool suggest_clients(const struct options *options,
    const struct forward *forward, char *text, size_t size);

/* An option as it was given. */
struct suggest_option {
	const char *name;  /* without its dashes */
	const char *value; /* or NULL */
};

/* What of a command is to be another one than was given, since it failed. */
enum suggest_part {
	SUGGEST_NOTHING,
	SUGGEST_SERVER_HOST, /* of a -L or -R */
	SUGGEST_SERVER_PORT,
	SUGGEST_OPTION,	   /* that value, whether it was given or not */
	SUGGEST_GIVEN,	   /* that value, if it was given */
	SUGGEST_NO_OPTION, /* without it */
	SUGGEST_DESTINATION,
	SUGGEST_TUNNEL, /* that one, of the configuration file */
};

struct suggest_change {
	enum suggest_part part;
	size_t forward;	   /* which -L or -R, from 0 */
	const char *name;  /* of the option */
	const char *value; /* in its place; PORT, in capitals, is to be
			    * replaced by who runs it */
};

/* What a command consists of. */
struct suggest_command {
	const struct suggest_change *changes;
	size_t n_changes;
	const struct suggest_option *options;
	size_t n_options;
	const char *tunnel; /* of the configuration file at */
	const char *config; /* ... which is not the default one; or NULL */
	/* Unless OPTIONS_SAME: in place of any other; of a tunnel, as a comment
	 * behind the command. */
	enum options_mode mode;
	const char *destination;
};

/* The command, as a shell takes it.  False: it does not fit. */
bool suggest_command(const struct suggest_command *command, char *text,
    size_t size);

/* The same of ssh with those words and that destination. */
bool suggest_ssh(const char *const *words, size_t n, const char *destination,
    char *text, size_t size);

/* That as one word of a shell, quoted where it must be. */
bool suggest_word(const char *word, char *text, size_t size);

#endif
