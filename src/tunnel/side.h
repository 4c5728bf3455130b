/*
 * A side: what can dial and listen.  The near side does it with sockets, the
 * far side with SSH channels and remote forwards.  A session has one toward
 * the client and one toward the server; it never asks which is which.
 */
#ifndef TUNNEL_SIDE_H
#define TUNNEL_SIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/stream.h"

struct side;
struct side_listener;
struct ports;

/* What a stream is for. */
enum side_use {
	SIDE_CONTROL,
	SIDE_DATA,
};

/* Where to dial. */
struct side_to {
	const char *host; /* a name or an address, as that side sees it */
	uint16_t port;
	const struct addr *from; /* the local address to use, or NULL; the far
				  * side has none */
	enum side_use use;
};

/* Where to listen. */
struct side_at {
	/*
	 * An address of that side's host; "*": all of them; "localhost": its
	 * loopback (the far side has it in both families).
	 */
	const char *host;
	uint16_t port;	     /* 0: any */
	struct ports *ports; /* port 0: one of these; NULL: any */

	/* For control connections: takes one after the other. */
	bool many;
};

struct side_listener_handler {
	/*
	 * It listens.  v4 and v6: what a peer on that side can be told, with
	 * the port; AF_UNSPEC when it cannot be reached by that family.  With
	 * "*" they are 0.0.0.0 and ::, since nothing is known of the host.
	 */
	void (*listening)(void *ctx, const struct addr *v4,
	    const struct addr *v6);

	/*
	 * A connection came; the stream is the callee's, open, stopped and
	 * without a handler.  local and peer are its ends, AF_UNSPEC where
	 * they cannot be known (the far side).  Returns true when it was
	 * taken: unless it takes many, the listener then refuses all others.
	 * False: the callee has given the stream up, it goes on listening.
	 */
	bool (*accepted)(void *ctx, struct stream *stream,
	    const struct addr *local, const struct addr *peer);

	/*
	 * A connection came, and was reset before anybody could see whose it
	 * was.  It goes on listening.  NULL: never mind.
	 */
	void (*vanished)(void *ctx);

	/*
	 * After accepted() a further connection has come to one that takes
	 * one, where nobody's address is known, and was refused: one of the two
	 * is a stranger's.  place, for people, is where, valid in the call.
	 * NULL for one that takes many.
	 */
	void (*second)(void *ctx, const char *place);

	/*
	 * It could not be made, or, after listening(), is lost with the link
	 * that carried it: then nobody comes by it any more, and what it has
	 * accepted is lost as well, though its stream may find out late.
	 * Nothing follows; it is still to be closed.  why, for people, says
	 * the cure too where one is known; valid in the call.
	 */
	void (*failed)(void *ctx, int err, const char *why);
};

/*
 * Connects.  to is copied.  Returns a connecting stream, the caller's, or NULL
 * when it cannot even be tried (out of memory, link down).
 */
struct stream *side_dial(struct side *side, const struct side_to *to,
    const struct stream_handler *handler, void *ctx);

/*
 * The two ends of an open stream that the side has dialled or accepted;
 * AF_UNSPEC where that is not known: always so on the far side.
 */
void side_ends(struct side *side, const struct stream *stream,
    struct addr *ret_local, struct addr *ret_peer);

/* What to say of a connection of this side that ended after a while without
 * traffic, see link_idle_hint(); NULL: nothing, and always on the near side. */
const char *side_idle_hint(struct side *side, bool accepted);

/*
 * Listens.  at is copied, but for its ports.  Callbacks come from the loop,
 * never from inside the call.  NULL when out of memory.
 */
struct side_listener *side_listen(struct side *side, const struct side_at *at,
    const struct side_listener_handler *handler, void *ctx);

/*
 * Gives the listener, and its port of at.ports, back.  reusable: it has done
 * its work and nobody may still be on the way to it, so that the side may lend
 * it again.  NULL is allowed; no callback follows.
 */
void side_listener_close(struct side_listener *listener, bool reusable);

/*
 * Is the clean end of a stream that this listener accepted really the peer's?
 * The end of ssh's Unix socket is clean even when ssh was killed.
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
enum side_end side_check_end(struct side_listener *listener,
    side_check_cb *done, void *ctx, struct side_check **ret_check);
void side_check_cancel(struct side *side, struct side_check *check);

/*
 * After a clean end: is a stream that this listener accepted known to have
 * ended as stream_end_is_proven() has it?  False only on the far side: the SSH
 * server has never been seen to send EOF, and the whole connection is closed.
 * NULL: a stream that we had ended before; then only the first of the two can
 * be seen.
 */
bool side_end_is_proven(const struct side_listener *listener,
    const struct stream *stream);

/* The sides there are. */
struct links;
struct net;
struct uv_loop_s;

/*
 * The near side: names are looked up here.  It listens at addresses only.  All
 * is borrowed.  NULL when out of memory.
 */
struct side *near_side_new(struct uv_loop_s *loop, struct net *net);

/*
 * The far side: sshd looks names up.  A listener is a remote forward of sshd;
 * at.ports does not count.  It is kept for reuse at the same host when it is
 * given back as reusable; while nobody has it, it accepts nobody.  While the
 * last idle one is lent, another is made in reserve.  A listener beyond
 * loopback that sshd has made on its loopback instead fails (GatewayPorts).
 *
 * What is for control is on the first link.  A data connection is so, too,
 * unless spread: then it is on the one that links_choose() says.  But where
 * several are as little loaded, a listener is taken from the link that has an
 * idle one: that saves a round trip.  An idle one of a link with more load is
 * left alone.
 *
 * Not to be spread is what far clients have: what is sent to one of them by two
 * links comes in no order (a reply and the data before it), and of a data
 * connection that the link has taken to its end the client may still read, by
 * sshd.
 *
 * directory: private, for its Unix sockets; there may be one side that spreads
 * and one that does not.  Everything is borrowed and outlives the side.
 */
struct side *far_side_new(struct uv_loop_s *loop, struct links *links,
    struct net *net, const char *directory, bool spread);

/* All listeners have been closed before.  NULL is allowed. */
void side_free(struct side *side);

/* Implementations embed these first. */
struct side_ops {
	struct stream *(*dial)(struct side *, const struct side_to *,
	    const struct stream_handler *, void *);
	/* NULL: they are not known. */
	void (*ends)(const struct stream *, struct addr *, struct addr *);
	struct side_listener *(*listen)(struct side *, const struct side_at *,
	    const struct side_listener_handler *, void *);
	void (*unlisten)(struct side_listener *, bool);
	/* Both NULL where a clean end is what it seems. */
	enum side_end (*check_end)(struct side_listener *, side_check_cb *,
	    void *, struct side_check **);
	void (*cancel_check)(struct side_check *);
	/* NULL: always. */
	bool (*end_is_proven)(const struct side_listener *,
	    const struct stream *);
	const char *(
	    *idle_hint)(struct side *, bool accepted); /* may be NULL */
	void (*free)(struct side *);
};

struct side {
	const struct side_ops *ops;
	const char *name;   /* for messages: "this host", "the SSH server" */
	bool sees_delivery; /* stream_undelivered() is about the peer; else
			     * about ssh, which has more between it and the
			     * peer */
};

struct side_listener {
	struct side *side;
};

#endif
