/*
 * The side toward SOCKS clients (tunnel/side.h), for "-L socks/".  A tunnel
 * passes each connection that it accepts to socks_side_take(); what becomes of
 * it depends on its request:
 *
 *	CONNECT to a port that this side listens on: a data connection in
 *	passive mode
 *	BIND: a data connection in active mode, once this side connects to that
 *	port
 *	any other CONNECT: a control connection, for which a router finds the
 *	session (capture/router.h)
 *
 * So listening and connecting need no socket: the ports exist only in SOCKS
 * requests.  A client that does not use BIND for its active mode is connected
 * to as any other client.
 *
 * Whoever connects must be the client of the session, by the rules of
 * policy_admits().
 */
#ifndef CAPTURE_SOCKS_SIDE_H
#define CAPTURE_SOCKS_SIDE_H

#include "capture/router.h"
#include "net/sock.h"
#include "tunnel/policy.h"
#include "tunnel/side.h"
#include "tunnel/tunnel.h"

/* The ports of all such sides of the process, and the clients that are not yet
 * part of a session.  While a tunnel drains, its successor, which has its
 * address, takes the connections for both. */
struct socks_hub;

/* loop and net are borrowed.  NULL when out of memory. */
struct socks_hub *socks_hub_new(uv_loop_t *loop, struct net *net);

/* All sides must be freed before.  NULL is allowed. */
void socks_hub_free(struct socks_hub *hub);

struct socks_config {
	struct side *near;	     /* for active clients without BIND */
	const struct policy *policy; /* who may connect */
	struct router *router;	     /* of control connections */
	const char *log_name;	     /* of the tunnel; or NULL */
};

/* config is copied; what it points to is borrowed, as is the hub.  NULL when
 * out of memory. */
struct side *socks_side_new(struct socks_hub *hub,
    const struct socks_config *config);

/* The tunnel that accepts its connections, before the first one is taken. */
void socks_side_set_tunnel(struct side *side, struct tunnel *tunnel);

/* No more connections will be taken, and those that are not part of a session
 * are closed.  After this, sessions may still use the side, also if what config
 * points to is gone, except near.  Call it before side_free(); NULL is allowed.
 */
void socks_side_close(struct side *side);

/* For tunnel_options.accepted: ctx is the side. */
tunnel_accepted_cb socks_side_take;

#endif
