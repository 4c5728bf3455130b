/*
 * Who may connect where.
 */
#ifndef TUNNEL_POLICY_H
#define TUNNEL_POLICY_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/addr.h"

/* Whose control connection it is, as far as this host can tell. */
struct policy_peer {
	struct addr addr;
	bool local; /* on loopback: the user counts */
	bool uid_known;
	uid_t uid;
};

/* Looks at a control connection just accepted at *local from *peer. */
void policy_learn(const struct addr *local, const struct addr *peer,
    struct policy_peer *ret);

/*
 * May a data connection accepted at *local from *peer belong to that client?
 * It must come from the same address, and on loopback from the same user
 * (unless any_user).  When not, why (of why_size bytes) says it.
 */
bool policy_admits(const struct policy_peer *client, bool any_user,
    const struct addr *local, const struct addr *peer, char *why,
    size_t why_size);

#endif
