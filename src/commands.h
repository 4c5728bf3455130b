/*
 * The subcommands: "culvert config ..." and the like.  Each is given the
 * command line from its own name on, and returns an enum exit_status.
 */
#ifndef COMMANDS_H
#define COMMANDS_H

#include <stdbool.h>

#include "conf/options.h"

/* What is logged from now on: -q and -v. */
void commands_set_log(const struct options *options);

/* What all of them take. */
struct command_line {
	const char *path; /* -f: the configuration file, or else the default */
	bool flag;	  /* the one that is the command's own */
	unsigned verbose; /* how often -v was given */
	bool quiet;
	char **names; /* of tunnels */
	int n_names;
	char default_path[512];
};

/*
 * Reads it: -f, -q, -v, --help, one more flag and names.  help is printed when
 * it is asked for.  Returns true with *ret_status when that is all.
 */
bool command_line_read(int argc, char **argv, const char *flag,
    const char *help, struct command_line *ret, int *ret_status);

/* Says what is wrong, and where help is; returns EXIT_USAGE. */
int command_misused(const char *name, const char *what);

/* Starts tunnels of the configuration file, and runs until they end. */
int command_up(int argc, char **argv);

/* Says what culverts are doing. */
int command_status(int argc, char **argv);

/* stop, drain, reload. */
int command_order(int argc, char **argv);

/* Says what would become of transfers, and what cures it. */
int command_check(int argc, char **argv);

/* Prints the effective configuration, or checks it. */
int command_config(int argc, char **argv);

#endif
