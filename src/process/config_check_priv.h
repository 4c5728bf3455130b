/*
 * What the two files of config_check.h share.
 */
#ifndef PROCESS_CONFIG_CHECK_PRIV_H
#define PROCESS_CONFIG_CHECK_PRIV_H

#include "base/addr.h"
#include "process/config_check.h"

/* Most addresses of one name that are checked. */
#define CONFIG_CHECK_ADDRESSES 16

/* The first setting with that key, or NULL. */
const struct setting *config_check_process(const struct config *config,
    const char *key);

/* The setting of the tunnel's forward number n. */
const struct setting *config_check_forward(const struct config_tunnel *tunnel,
    size_t n);

/* Looks up addresses as a local tunnel does (tunnel/tunnel_local.c).
 * Returns how many there are; 0 with the reason. */
size_t config_check_addresses(const char *bind,
    struct addr found[CONFIG_CHECK_ADDRESSES], bool *ret_dual,
    const char **ret_why);

/*
 * Checks that no two listen on the same address and port.  servers has the SSH
 * server of each tunnel, as ssh_try() names it; if it is NULL, tunnels with
 * the same link options have the same SSH server.  0 or a negative errno with
 * why.
 */
int config_check_places(const struct config *config,
    const struct command_line *line, char **servers, char *why);

#endif
