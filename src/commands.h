/*
 * The subcommands: "culvert config ..." and the like.  Each is given the
 * command line from its own name on, and returns an enum exit_status.
 */
#ifndef COMMANDS_H
#define COMMANDS_H

/* Prints the effective configuration, or checks it. */
int command_config(int argc, char **argv);

#endif
