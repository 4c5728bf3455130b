/*
 * Whether the tunnels of a configuration can run here, and together: what
 * culvert up would fail on, or do otherwise than it reads.
 */
#ifndef CONFIG_CHECK_H
#define CONFIG_CHECK_H

#include "commands.h"
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
 * For each of them: user exists, the addresses are this host's and
 * have an allow where others can connect, files and directories are there, and
 * ssh takes its options ("ssh -G", which may run what Match exec says, for at
 * most LIMIT_SSH_TRY_MS).  Only for a process that ends soon: it waits, and as
 * root it first becomes user, for good.  Returns as the above.
 */
int config_check_here(const struct config *config,
    const struct command_line *line, char why[SETTINGS_WHY_MAX]);

#endif
