/*
 * Checks whether the tunnels of a configuration can run together and on this
 * host: finds what would make culvert up fail, or act otherwise than the
 * configuration says.
 */
#ifndef PROCESS_CONFIG_CHECK_H
#define PROCESS_CONFIG_CHECK_H

#include <stddef.h>

#include "conf/config.h"
#include "limits.h"

/*
 * Checks the tunnels that line names against each other:
 * - There are at most LIMIT_DESTINATIONS destinations.  Tunnels with the same
 *   link options share one.
 * - No two tunnels listen on the same address and port, and none listens on
 * that of --metrics.  Here "localhost" is 127.0.0.1 and ::1, and 0.0.0.0 is
 * every IPv4 address.
 *
 * Looks up names, so it may block.  Returns 0 with the first tunnel of each
 * destination in ret_first and their number in *ret_n (both may be NULL); or
 * -EINVAL or -ENOMEM with a message in why that begins with the file and line.
 */
int config_check_together(const struct config *config,
    const struct command_line *line,
    const struct config_tunnel *ret_first[LIMIT_DESTINATIONS], size_t *ret_n,
    char why[SETTINGS_WHY_MAX]);

/*
 * Checks each tunnel that line names on this host:
 * - This process may bind its addresses and ports, and those of --metrics.
 * - It has an "allow" if clients on other hosts can connect, and a "login-file"
 *   if they can use files of an SFTP server.
 * - The user, the files and the directories exist.
 * - The login files are good, and the user can read them, as at a reload.
 * - ssh accepts its options.  This runs "ssh -G", which may run programs of
 *   Match exec, for at most LIMIT_SSH_TRY_MS.
 * - No two tunnels listen on the same port of an SSH server; ssh -G says which
 *   destinations are the same server.
 *
 * Call it only in a process that ends soon: it blocks, and a process that was
 * started as root becomes the user of --user after the addresses were checked.
 * Returns 0, or -EINVAL or -ENOMEM with a message in why.
 */
int config_check_here(const struct config *config,
    const struct command_line *line, char why[SETTINGS_WHY_MAX]);

#endif
