/*
 * Finds out which local user owns the other end of a loopback connection, by
 * NETLINK_SOCK_DIAG (sock_diag(7)).
 */
#ifndef NET_OWNER_H
#define NET_OWNER_H

#include <sys/types.h>

#include "base/addr.h"

/* A netlink socket.  It stays open, so that look-ups work even when no
 * descriptor is left. */
struct owners;

/* Returns NULL when out of memory; the caller frees it.  If the socket cannot
 * be opened now, each look-up tries again.  owners_free() allows NULL. */
struct owners *owners_new(void);
void owners_free(struct owners *owners);

/*
 * Looks up the peer's end of a connection that was accepted at *local: the
 * socket of this host with the local address *peer and the remote address
 * *local.  Sends one request to the kernel, which answers at once.  Returns 0
 * and sets *ret_uid; -ENOENT if there is no such socket (the peer is on another
 * host or in another network namespace, or the socket no longer exists);
 * -ESTALE if the owner has closed it, so that its user is unknown; another
 * negative errno if the kernel does not answer.
 */
int owner_of_peer(struct owners *owners, const struct addr *local,
    const struct addr *peer, uid_t *ret_uid);

#endif
