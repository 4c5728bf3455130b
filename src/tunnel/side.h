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
 * Connects to host:port as that side sees it.  from: the local address to use,
 * or NULL; the far side has none.  Returns a connecting stream, the caller's,
 * or NULL when it cannot even be tried (out of memory, link down).
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

/*
 * Is the clean end of a stream that a listener of this side accepted really
 * the peer's?  The end of ssh's Unix socket is clean even when ssh was killed.
 * SIDE_END_ASKED: done comes once, from the loop, unless *ret_check is
 * cancelled before.
 */
enum side_end {
	SIDE_END_CLEAN,
	SIDE_END_ASKED,
	SIDE_END_LOST,
};
struct side_check;
typedef void side_check_cb(void *ctx, bool clean);
enum side_end side_check_end(struct side *side, side_check_cb *done, void *ctx,
    struct side_check **ret_check);
void side_check_cancel(struct side *side, struct side_check *check);

/* The sides there are. */
struct link;
struct net;
struct uv_loop_s;

/*
 * The near side: hosts are numeric addresses.  All is borrowed.  NULL when out
 * of memory.
 */
struct side *near_side_new(struct uv_loop_s *loop, struct net *net);

/*
 * The far side of a link: sshd looks names up.  A listener is a remote forward
 * on sshd's loopback and is kept for reuse when it is given back as reusable;
 * while nobody has it, it accepts nobody.  directory: private, for its Unix
 * sockets.  Everything is borrowed and outlives the side.
 */
struct side *far_side_new(struct uv_loop_s *loop, struct link *link,
    struct net *net, const char *directory);

/* All listeners have been closed before.  NULL is allowed. */
void side_free(struct side *side);

/* Implementations embed these first. */
struct side_ops {
	struct stream *(*dial)(struct side *, const char *, uint16_t,
	    const struct addr *, const struct stream_handler *, void *);
	struct side_listener *(*listen)(struct side *, const struct addr *,
	    const struct side_listener_handler *, void *);
	void (*unlisten)(struct side_listener *, bool);
	/* Both NULL where a clean end is what it seems. */
	enum side_end (*check_end)(struct side *, side_check_cb *, void *,
	    struct side_check **);
	void (*cancel_check)(struct side_check *);
	void (*free)(struct side *);
};

struct side {
	const struct side_ops *ops;
};

struct side_listener {
	struct side *side;
};

#endif
