/*
 * A side: what can dial and listen.  The near side does it with sockets, the
 * far side with SSH channels and remote forwards.  A session has one toward
 * the client and one toward the server; it never asks which is which.
 */
#ifndef TUNNEL_SIDE_H
#define TUNNEL_SIDE_H

#include <stdint.h>

#include "base/addr.h"
#include "base/stream.h"

struct side;
struct side_listener;

struct side_listener_handler {
	/*
	 * It listens.  v4 and v6: the addresses a peer on that side can be
	 * told, with the port; AF_UNSPEC when not reachable by that family.
	 */
	void (*listening)(void *ctx, const struct addr *v4,
	    const struct addr *v6);

	/*
	 * A connection came; the stream is the callee's, open, stopped and
	 * without a handler.  peer is AF_UNSPEC where it cannot be known (far
	 * listeners).
	 */
	void (*accepted)(void *ctx, struct stream *stream,
	    const struct addr *local, const struct addr *peer);

	/* It could not be made, or is lost.  why is valid in the call. */
	void (*failed)(void *ctx, int err, const char *why);
};

/*
 * Where to: host is a name or a numeric address as the side itself resolves
 * it (the far side: in sshd's words).  from: the local address to use, or
 * NULL; the far side has none.
 */
struct stream *side_dial(struct side *side, const char *host, uint16_t port,
    const struct addr *from, const struct stream_handler *handler, void *ctx);

/*
 * Listens for data connections of one session.  at: the local address to bind
 * (port 0: any), or NULL where the side knows better (far: sshd's loopback).
 * Callbacks come from the loop, never from inside the call.  NULL when out of
 * memory.
 */
struct side_listener *side_listen(struct side *side, const struct addr *at,
    const struct side_listener_handler *handler, void *ctx);

/*
 * Gives the listener back.  reusable: it has done its work and nobody may
 * still be on the way to it, so that the side may lend it again.  NULL is
 * allowed; no callback follows.
 */
void side_listener_close(struct side_listener *listener, bool reusable);

/* Implementations embed these first. */
struct side_ops {
	struct stream *(*dial)(struct side *, const char *, uint16_t,
	    const struct addr *, const struct stream_handler *, void *);
	struct side_listener *(*listen)(struct side *, const struct addr *,
	    const struct side_listener_handler *, void *);
	void (*unlisten)(struct side_listener *, bool);
};

struct side {
	const struct side_ops *ops;
};

struct side_listener {
	struct side *side;
};

#endif
