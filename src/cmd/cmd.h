/*
 * The subcommands: "culvert config ..." and the like.  Each is given the
 * command line from its own name on, and returns an enum exit_status.
 */
#ifndef CMD_CMD_H
#define CMD_CMD_H

#include <stdbool.h>

#include "conf/config.h"

#define COMMAND_LONG 256

/* An option of a subcommand; a list of them ends with letter 0. */
struct command_word {
	const char *name; /* the long one, or NULL */
	int letter; /* the short one; from COMMAND_LONG on: there is none */
	unsigned *count; /* how often it was given; or NULL */
	const char *
	    *value; /* what it takes goes here; NULL: it takes nothing */
};

/*
 * Reads a command line from its own name on; --help is one of every command's,
 * and prints help.  Returns true with *ret_status when that is all; else
 * *ret_first is the first word behind the options.
 */
bool command_read(int argc, char **argv, const struct command_word *words,
    const char *help, int *ret_first, int *ret_status);

/*
 * Reads it: -f, -q, -v, --help, one more flag, --background where background is
 * true, and names.  help is printed when it is asked for.  Returns true with
 * *ret_status when that is all.
 */
bool command_line_read(int argc, char **argv, const char *flag, bool background,
    const char *help, struct command_line *ret, int *ret_status);

/* Says what is wrong, and where help is; returns EXIT_USAGE. */
int command_misused(const char *name, const char *what);

/* Runs the tunnels of -L and -R until they end; or --help, --version. */
int command_run(int argc, char **argv);

/* Starts tunnels of the configuration file, and runs until they end. */
int command_up(int argc, char **argv);

/* Says what culverts are doing. */
int command_status(int argc, char **argv);

/* stop, drain, reload. */
int command_order(int argc, char **argv);

/* Says whether transfers will work, and if not, what the fix is. */
int command_check(int argc, char **argv);

/* Prints the effective configuration, or checks it. */
int command_config(int argc, char **argv);

#endif
