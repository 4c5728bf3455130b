/*
 * The subcommands, like "culvert config ...".  Each gets the command line from
 * its own name on, and returns an enum exit_status.
 */
#ifndef CMD_CMD_H
#define CMD_CMD_H

#include <stdbool.h>

#include "conf/config.h"

/*
 * Handles each result of reading a command line, except OPTIONS_RUN: prints
 * help (texts; the last is NULL) or the version, or logs why.  name is the
 * subcommand's, or NULL.  Returns true if the command must end with the exit
 * status in *ret_status.
 */
bool command_ended(enum options_result result, const char *name,
    const char *const *help, const char *why, int *ret_status);

/* Called after the last output on stdout.  Returns status; or EXIT_FAILED if
 * something could not be written, which has been logged. */
int command_printed(int status);

/* Logs what is wrong, and where help is.  Returns EXIT_USAGE. */
int command_misused(const char *name, const char *what);

/*
 * Reads a command line with these options.  Returns true if the command must
 * end with the exit status in *ret_status; otherwise *ret_first is the index of
 * the first word after the options.
 */
bool command_read(int argc, char **argv, const struct options_own *own,
    const char *help, int *ret_first, int *ret_status);

/*
 * Reads -f, -q, -v, --help, one more flag, --background if background is true,
 * and names of tunnels.  Returns true if the command must end with the exit
 * status in *ret_status.
 */
bool command_line_read(int argc, char **argv, const char *flag, bool background,
    const char *help, struct command_line *ret, int *ret_status);

/* Runs the tunnels of -L and -R until they end; or prints help or the version.
 */
int command_run(int argc, char **argv);

/* Starts tunnels of the configuration file, and runs until they end. */
int command_up(int argc, char **argv);

/* Prints what the running culverts are doing. */
int command_status(int argc, char **argv);

/* culvert stop, drain and reload: orders to a running culvert. */
int command_order(int argc, char **argv);

/* Tests whether transfers will work, and prints a fix if not. */
int command_check(int argc, char **argv);

/* Runs a command whose FTP connections go through SSH. */
int command_exec(int argc, char **argv);

/* Prints the effective configuration, or checks it. */
int command_config(int argc, char **argv);

/* Prints rules for nft(8) that send connections to a tunnel. */
int command_capture_rules(int argc, char **argv);

/* Sets the password of a user in a login file. */
int command_passwd(int argc, char **argv);

#endif
