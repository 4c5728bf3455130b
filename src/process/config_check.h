/*
 * Whether the tunnels of a configuration can run here, and together: what
 * culvert up would fail on, or do otherwise than it reads.
 */
#ifndef PROCESS_CONFIG_CHECK_H
#define PROCESS_CONFIG_CHECK_H

#include "conf/config.h"

/*
 * The tunnels that line names, or all if it names none: there are not too many
 * destinations, and no two listen at the same address and port, nor does
 * --metrics; "localhost" is 127.0.0.1 and ::1, and 0.0.0.0 all of IPv4.  Looks
 * names up.  0, or -EINVAL or -ENOMEM with a text for people in why, which
 * begins with the place.
 */
int config_check_together(const struct config *config,
    const struct command_line *line, char why[SETTINGS_WHY_MAX]);

/*
 * For each of them: this process may bind its addresses and ports and those of
 * --metrics, they have an allow where others can connect, user exists, files
 * and directories are there, and ssh takes its options ("ssh -G", which may run
 * what Match exec says, for at most LIMIT_SSH_TRY_MS).  By what ssh says, no
 * two listen at one port of an SSH server.  Only for a process that ends soon:
 * it waits, and as root it becomes user, for good, when addresses have been
 * checked.  Returns as the above.
 */
int config_check_here(const struct config *config,
    const struct command_line *line, char why[SETTINGS_WHY_MAX]);

#endif
