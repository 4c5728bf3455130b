/*
 * What the user permits, and who may connect.
 */
#include "tunnel/policy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool
policy_allows(const struct policy *policy, const struct addr *peer)
{
	return policy->n_allow == 0 ||
	    subnets_have(policy->allow, policy->n_allow, peer);
}

/* Is the connection over loopback?  Either end shows it: a client may bind its
 * socket to another address of this host. */
static bool
is_over_loopback(const struct addr *local, const struct addr *peer)
{
	return addr_is_loopback(local) || addr_is_loopback(peer);
}

void
policy_learn(const struct policy *policy, const struct addr *local,
    const struct addr *peer, struct policy_peer *ret)
{
	*ret = (struct policy_peer) { .addr = *peer, .at = *local };
	ret->local = is_over_loopback(local, peer);
	if (!ret->local)
		return;
	/* Without any_user, no other user was permitted.  A look-up might fail
	 * now, because the client may have closed the connection. */
	ret->uid = geteuid();
	ret->uid_known = !policy->any_user ||
	    owner_of_peer(policy->owners, local, peer, &ret->uid) == 0;
}

bool
policy_has_closed(const struct policy *policy, const struct policy_peer *client)
{
	uid_t uid;
	int err;

	/* If its user could not be looked up before, it cannot be now. */
	if (!client->uid_known)
		return false;
	err = owner_of_peer(policy->owners, &client->at, &client->addr, &uid);
	return err == -ESTALE || err == -ENOENT;
}

/*
 * Over loopback: does the connection from *peer to *local belong to user id?
 * known: that id is certain; otherwise none is admitted.  If the answer is not
 * POLICY_ADMITTED, writes why; there owner says whose id it is.
 */
static enum policy_answer
policy_check_user(const struct policy *policy, const struct addr *local,
    const struct addr *peer, bool known, uid_t id, const char *owner, char *why,
    size_t why_size)
{
	uid_t uid;
	int err = owner_of_peer(policy->owners, local, peer, &uid);

	if (err == 0 && known && uid == id)
		return POLICY_ADMITTED;
	if (err == 0)
		snprintf(why, why_size,
		    "it belongs to user id %lu, %s to user id %lu; "
		    "--any-user accepts connections of all users",
		    (unsigned long)uid, owner, (unsigned long)id);
	else if (err == -ESTALE)
		snprintf(why, why_size,
		    "it was closed before its user could be looked up; a "
		    "client that closes after the reply is accepted, and "
		    "--any-user accepts connections of all users");
	else if (err == -ENOENT)
		snprintf(why, why_size,
		    "the kernel does not report its user: the connection was "
		    "reset, or the kernel module tcp_diag is missing; "
		    "--any-user accepts connections of all users");
	else
		snprintf(why, why_size, "its user cannot be looked up: %s",
		    strerror(-err));
	return err == 0 ? POLICY_STRANGER : POLICY_UNKNOWN;
}

bool
policy_takes(const struct policy *policy, const struct addr *local,
    const struct addr *peer, char *why, size_t why_size,
    enum refusal *ret_refusal)
{
	enum policy_answer answer;

	if (!policy_allows(policy, peer)) {
		snprintf(why, why_size, "no --allow contains that address");
		*ret_refusal = REFUSAL_ADDRESS;
		return false;
	}
	if (policy->any_user || !is_over_loopback(local, peer))
		return true;
	answer = policy_check_user(policy, local, peer, true, geteuid(),
	    "culvert", why, why_size);
	if (answer == POLICY_ADMITTED)
		return true;
	*ret_refusal =
	    answer == POLICY_UNKNOWN ? REFUSAL_LOOK_UP : REFUSAL_USER;
	return false;
}

enum policy_answer
policy_admits(const struct policy *policy, const struct policy_peer *client,
    const struct addr *local, const struct addr *peer, char *why,
    size_t why_size)
{
	if (client->addr.family == AF_UNSPEC || peer->family == AF_UNSPEC)
		return POLICY_ADMITTED;
	if (!addr_same_ip(&client->addr, peer)) {
		snprintf(why, why_size,
		    "it does not come from the address of the session's "
		    "client");
		return POLICY_STRANGER;
	}
	if (!client->local || policy->any_user)
		return POLICY_ADMITTED;
	return policy_check_user(policy, local, peer, client->uid_known,
	    client->uid, "the session", why, why_size);
}
