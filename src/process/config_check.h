/*
 * Whether the tunnels of a configuration can run here, and together: what
 * culvert up would fail on, or do otherwise than it reads.
 */
#ifndef PROCESS_CONFIG_CHECK_H
#define PROCESS_CONFIG_CHECK_H

#include <stddef.h>

#include "conf/config.h"
#include "limits.h"

/*
 * Checks the tunnels that line names together.  There are not too many
 * destinations: tunnels with the same link options share one.  No two tunnels
 * listen on the same address and port, nor does --metrics; "localhost" is
 * 127.0.0.1 and ::1, and 0.0.0.0 all of IPv4.  Looks up names.
 *
 * Returns 0 with the first tunnel of each destination in ret_first and their
 * number in *ret_n (both may be NULL), or -EINVAL or -ENOMEM with a text that
 * begins with the place in why.
 */
int config_check_together(const struct config *config,
    const struct command_line *line,
    const struct config_tunnel *ret_first[LIMIT_DESTINATIONS], size_t *ret_n,
    char why[SETTINGS_WHY_MAX]);

/*
 * Checks each of these tunnels on this host: this process may bind its
 * addresses and ports and those of --metrics; it has an "allow" where clients
 * on other hosts can connect; user exists; files and directories exist; and ssh
 * accepts its options ("ssh -G", which may run programs of Match exec, for at
 * most LIMIT_SSH_TRY_MS).  By what ssh -G says of the destination, no two
 * listen at the same port of an SSH server.
 *
 * Only for a process that ends soon: it waits, and started as root it becomes
 * user when addresses have been checked.  Returns 0 or as above.
 */
int config_check_here(const struct config *config,
    const struct command_line *line, char why[SETTINGS_WHY_MAX]);

#endif
