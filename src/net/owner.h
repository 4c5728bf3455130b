/*
 * Which local user owns the other end of a loopback connection, by
 * NETLINK_SOCK_DIAG (sock_diag(7)).
 */
#ifndef NET_OWNER_H
#define NET_OWNER_H

#include <sys/types.h>

#include "base/addr.h"

/* A way to the kernel, which stays open: so a look-up needs no descriptor, and
 * works when there is none left. */
struct owners;

/* NULL when out of memory.  If the kernel cannot be reached now, each look-up
 * tries again.  NULL may be freed. */
struct owners *owners_new(void);
void owners_free(struct owners *owners);

/*
 * Looks up, among this host's own sockets, the one whose local address is
 * *peer and whose remote address is *local: that is the peer's end of a
 * connection accepted at *local.  One request to the kernel, which answers at
 * once.
 * Returns 0 and sets *ret_uid; -ENOENT when there is no such socket here (the
 * peer is another host or another network namespace, or the socket has gone
 * altogether); -ESTALE when its owner has closed it already, so that nobody can
 * tell; another negative errno when the kernel does not answer.
 */
int owner_of_peer(struct owners *owners, const struct addr *local,
    const struct addr *peer, uid_t *ret_uid);

#endif
