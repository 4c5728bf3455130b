/*
 * What the two halves of config_check.h share.
 */
#ifndef PROCESS_CONFIG_CHECK_PRIV_H
#define PROCESS_CONFIG_CHECK_PRIV_H

#include "base/addr.h"
#include "process/config_check.h"

/* Most addresses of one name that are looked at. */
#define CONFIG_CHECK_ADDRESSES 16

/* What [defaults] says for the process, or NULL. */
const struct setting *config_check_process(const struct config *config,
    const char *key);

/* That of the tunnel's forward number n. */
const struct setting *config_check_forward(const struct config_tunnel *tunnel,
    size_t n);

/* Finds the addresses as a local tunnel does (tunnel/tunnel_local.c).  Returns
 * how many; 0 with the reason. */
size_t config_check_addresses(const char *bind,
    struct addr found[CONFIG_CHECK_ADDRESSES], bool *ret_dual,
    const char **ret_why);

/*
 * No two listen at the same place.  servers has for each tunnel the SSH server
 * as ssh_try() names it; NULL: those with the same options have the same.  0 or
 * a negative errno with why.
 */
int config_check_places(const struct config *config,
    const struct command_line *line, char **servers, char *why);

#endif
