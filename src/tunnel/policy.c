/*
 * Who may connect where.
 */
#include "tunnel/policy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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
	*ret = (struct policy_peer) { .addr = *peer, .at = *local };
	ret->local = addr_is_loopback(peer);
	ret->uid_known =
	    ret->local && owner_of_peer(local, peer, &ret->uid) == 0;
}

/* On loopback: the user, or false with why. */
static bool
find_user(const struct addr *local, const struct addr *peer, uid_t *ret,
    char *why, size_t why_size)
{
	int err = owner_of_peer(local, peer, ret);

	if (err == -ESTALE)
		snprintf(why, why_size,
		    "it was closed before its user could be looked up");
	else if (err != 0)
		snprintf(why, why_size,
		    "its user cannot be looked up (%s); --any-user takes "
		    "everybody",
		    strerror(-err));
	return err == 0;
}

/* May that user use what this process listens on? */
static bool
is_own_user(const struct addr *local, const struct addr *peer, char *why,
    size_t why_size, enum refusal *ret_refusal)
{
	uid_t uid;

	if (!find_user(local, peer, &uid, why, why_size)) {
		*ret_refusal = REFUSAL_LOOK_UP;
		return false;
	}
	if (uid == geteuid())
		return true;
	*ret_refusal = REFUSAL_USER;
	snprintf(why, why_size,
	    "it belongs to user id %lu, culvert to %lu; --any-user takes "
	    "everybody",
	    (unsigned long)uid, (unsigned long)geteuid());
	return false;
}

bool
policy_takes(const struct policy *policy, const struct addr *local,
    const struct addr *peer, char *why, size_t why_size,
    enum refusal *ret_refusal)
{
	if (!policy_allows(policy, peer)) {
		snprintf(why, why_size, "no --allow has that address");
		*ret_refusal = REFUSAL_ADDRESS;
		return false;
	}
	return policy->any_user || !addr_is_loopback(peer) ||
	    is_own_user(local, peer, why, why_size, ret_refusal);
}

/* Whose is the control connection?  A look-up that has failed at its beginning,
 * for want of a descriptor, say, is made up for. */
static bool
user_of(const struct policy_peer *client, uid_t *ret)
{
	if (!client->uid_known)
		return owner_of_peer(&client->at, &client->addr, ret) == 0;
	*ret = client->uid;
	return true;
}

/* On loopback: the same user? */
static bool
same_user(const struct policy_peer *client, const struct addr *local,
    const struct addr *peer, char *why, size_t why_size)
{
	uid_t uid, own;
	bool own_known = user_of(client, &own);

	if (!find_user(local, peer, &uid, why, why_size))
		return false;
	if (own_known && uid == own)
		return true;
	if (!own_known)
		snprintf(why, why_size,
		    "the user of the control connection is not known; "
		    "--any-user takes everybody");
	else
		snprintf(why, why_size,
		    "it belongs to user id %lu, the session to %lu; "
		    "--any-user takes everybody",
		    (unsigned long)uid, (unsigned long)own);
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
