/*
 * The places where the tunnels of a configuration, and --metrics, would listen.
 */
#ifndef PROCESS_CONFIG_PLACES_H
#define PROCESS_CONFIG_PLACES_H

#include "base/addr.h"
#include "conf/config.h"

/* One address and port.  A forward has one for each address of its name. */
struct place {
	struct addr at; /* with the port; AF_UNSPEC: on the SSH server */
	bool dual;	/* the bind address is "*": IPv4 as well */
	bool sftp;	/* of "sftp/" */
	const char *host;
	uint16_t port;
	const struct setting *setting;	    /* the one that names it */
	const struct config_tunnel *tunnel; /* NULL: --metrics */
	const char *server; /* as ssh -G names it; NULL: not known */
};

struct places {
	struct place *list; /* heap; those of one forward are together */
	size_t n;
};

/* Finds the places of the tunnels that line names; looks up names, so it may
 * block.  Returns 0, or -EINVAL or -ENOMEM with a message in why.  The caller
 * frees ret->list in any case. */
int places_find(const struct config *config, const struct command_line *line,
    struct places *ret, char why[SETTINGS_WHY_MAX]);

/*
 * Checks that no two places are the same.  Where the SSH server is not known
 * (server), tunnels with the same link options have the same one.  Returns 0,
 * or -EINVAL with a message in why.
 */
int places_check(const struct places *places, char why[SETTINGS_WHY_MAX]);

#endif
