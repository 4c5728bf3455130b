/*
 * Who may connect where.
 */
#include "tunnel/policy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "net/owner.h"

bool
policy_allows(const struct policy *policy, const struct addr *peer)
{
	return policy->n_allow == 0 ||
	    subnets_have(policy->allow, policy->n_allow, peer);
}

void
policy_learn(const struct addr *local, const struct addr *peer,
    struct policy_peer *ret)
{
	*ret = (struct policy_peer) { .addr = *peer };
	ret->local = addr_is_loopback(peer);
	ret->uid_known =
	    ret->local && owner_of_peer(local, peer, &ret->uid) == 0;
}

/* On loopback: the same user? */
static bool
same_user(const struct policy_peer *client, const struct addr *local,
    const struct addr *peer, char *why, size_t why_size)
{
	uid_t uid;
	int err = owner_of_peer(local, peer, &uid);

	if (err == 0 && client->uid_known && uid == client->uid)
		return true;
	if (err == -ESTALE)
		snprintf(why, why_size,
		    "it was closed before its user could be looked up");
	else if (err != 0)
		snprintf(why, why_size,
		    "its user cannot be looked up (%s); --any-user takes "
		    "everybody",
		    strerror(-err));
	else if (!client->uid_known)
		snprintf(why, why_size,
		    "the user of the control connection is not known; "
		    "--any-user takes everybody");
	else
		snprintf(why, why_size,
		    "it belongs to user id %lu, the session to %lu; "
		    "--any-user takes everybody",
		    (unsigned long)uid, (unsigned long)client->uid);
	return false;
}

bool
policy_admits(const struct policy_peer *client, bool any_user,
    const struct addr *local, const struct addr *peer, char *why,
    size_t why_size)
{
	if (client->addr.family == AF_UNSPEC || peer->family == AF_UNSPEC)
		return true;
	if (!addr_same_ip(&client->addr, peer)) {
		snprintf(why, why_size,
		    "it does not come from the session's client");
		return false;
	}
	if (!client->local || any_user)
		return true;
	return same_user(client, local, peer, why, why_size);
}
