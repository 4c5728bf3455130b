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
	bool dual;	/* it is "*", IPv4 as well */
	const char *host;
	uint16_t port;
	const struct setting *setting;	    /* that says so */
	const struct config_tunnel *tunnel; /* NULL: --metrics */
	const char *server; /* as ssh -G names it; NULL: not known */
};

struct places {
	struct place *list; /* heap; those of one forward are together */
	size_t n;
};

/* Finds those of the tunnels that line names; looks up names.  0, or -EINVAL or
 * -ENOMEM with why.  The caller frees ret->list in any case. */
int places_find(const struct config *config, const struct command_line *line,
    struct places *ret, char why[SETTINGS_WHY_MAX]);

/*
 * Checks that no two are the same.  On the SSH servers where server is not
 * known, tunnels with the same link options have the same server.  0, or
 * -EINVAL with why.
 */
int places_check(const struct places *places, char why[SETTINGS_WHY_MAX]);

#endif
