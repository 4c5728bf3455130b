/*
 * A side: what can connect ("dial") and listen.  The near side does it with
 * sockets, the far side with SSH channels and remote forwards.  A session has
 * one toward the client and one toward the server, and does not know which is
 * which.
 */
#ifndef TUNNEL_SIDE_H
#define TUNNEL_SIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/stream.h"

struct side;
struct side_listener;
struct policy_peer;
struct ports;

/* What a stream is for. */
enum side_use {
	SIDE_CONTROL,
	SIDE_DATA,
};

/* Where to connect to. */
struct side_to {
	const char *host; /* a name or an address, as that side sees it */
	uint16_t port;
	const struct addr *from; /* the local address to use; NULL: any.  The
				  * far side ignores it */
	enum side_use use;
	const struct policy_peer *client; /* of the session; NULL: none.  Only
					   * the sides of the gateway and of
					   * SOCKS use it */
};

/* Where to listen. */
struct side_at {
	/*
	 * An address of that side's host; "*": all of them; "localhost": its
	 * loopback (the far side has it in both families).
	 */
	const char *host;
	uint16_t port;			  /* 0: any */
	struct ports *ports;		  /* port 0: one of these; NULL: any */
	const struct policy_peer *client; /* as in struct side_to */

	/* The near side: the address may belong to another host (NET_FOREIGN).
	 */
	bool foreign;

	/* Takes any number of connections (for control connections); else
	 * one. */
	bool many;
};

struct side_listener_handler {
	/*
	 * It listens.  v4 and v6, with the port, are what a peer on that side
	 * can be told; AF_UNSPEC: it cannot be reached by that family.  With
	 * "*" they are 0.0.0.0 and ::, since nothing is known of the host.
	 */
	void (*listening)(void *ctx, const struct addr *v4,
	    const struct addr *v6);

	/*
	 * A connection came.  The stream belongs to the callee; it is open,
	 * stopped and without a handler.  local and peer are its ends,
	 * AF_UNSPEC if they are not known (on the far side).  Returns true if
	 * it was taken: then the listener refuses all others, unless it takes
	 * many.  False: the callee has closed the stream, and the listener
	 * continues.
	 */
	bool (*accepted)(void *ctx, struct stream *stream,
	    const struct addr *local, const struct addr *peer);

	/*
	 * A connection came, but was reset before its peer could be seen.  The
	 * listener continues.  May be NULL.
	 */
	void (*vanished)(void *ctx);

	/*
	 * After accepted(), on the far side: a further connection came to a
	 * listener that takes one, and was refused.  One of the two may be
	 * a stranger's.  place says where, for people; valid in the call.  NULL
	 * for one that takes many.
	 */
	void (*second)(void *ctx, const char *place);

	/*
	 * It could not be made; or, after listening(), it is lost with its
	 * link, and so is what it has accepted, though the stream may report
	 * that late.  No callback follows, but it must still be closed.  why,
	 * for people, includes what to do if that is known; valid in the call.
	 */
	void (*failed)(void *ctx, int err, const char *why);
};

/*
 * Connects.  to is copied.  Returns a connecting stream, which belongs to the
 * caller; NULL if it cannot even be tried (out of memory, link down).
 */
struct stream *side_dial(struct side *side, const struct side_to *to,
    const struct stream_handler *handler, void *ctx);

/* The side for the data connections of a session whose control connection that
 * is, on this side.  It is the side itself, unless each session has one. */
struct side *side_for_data(struct side *side, const struct stream *control);

/* Does that control connection, on this side, stand still because the SSH
 * connection is being made again?  Then nothing can be expected of the server.
 */
bool side_is_paused(struct side *side, const struct stream *control);

/* How often a session has outlived its SSH connection so far, a loss that it
 * may outlive included, and for how long it has stood still. */
struct side_losses {
	unsigned n;
	uint64_t ms;
};

/* Those of the session with that control connection; none if the side has no
 * such sessions. */
struct side_losses side_losses_of(struct side *side,
    const struct stream *control);

/* The two ends of an open stream of that side; AF_UNSPEC if they are not known,
 * as always on the far side. */
void side_ends(struct side *side, const struct stream *stream,
    struct addr *ret_local, struct addr *ret_peer);

/* What to log about a connection of this side that ended after a while without
 * traffic, see link_idle_hint(); NULL: nothing, as always on the near side. */
const char *side_idle_hint(struct side *side, bool accepted);

/*
 * Listens.  at is copied, except its ports, which must outlive the listener.
 * Callbacks come from the loop, never from inside the call.  NULL when out of
 * memory.
 */
struct side_listener *side_listen(struct side *side, const struct side_at *at,
    const struct side_listener_handler *handler, void *ctx);

/*
 * Closes the listener, and gives its port back to at.ports.  reusable: no
 * connection can still be on the way to it, so that the side may use it again.
 * NULL is allowed.  No callback follows.
 */
void side_listener_close(struct side_listener *listener, bool reusable);

/*
 * Is the clean end of a stream that this listener accepted really the peer's?
 * The end of ssh's Unix socket is clean even if ssh was killed.
 */
enum side_end {
	SIDE_END_CLEAN, /* it is */
	SIDE_END_ASKED, /* done is called once, from the loop, unless
			 * *ret_check is cancelled before */
	SIDE_END_LOST,	/* the link is lost */
};
struct side_check;
typedef void side_check_cb(void *ctx, bool clean);
enum side_end side_check_end(struct side_listener *listener,
    side_check_cb *done, void *ctx, struct side_check **ret_check);
void side_check_cancel(struct side *side, struct side_check *check);

/*
 * What stream_end_is_proven() is for a stream that this listener accepted,
 * after its clean end.  False only on the far side: the SSH server has never
 * sent EOF, and the whole connection is closed.  stream NULL, for one that we
 * had ended before: false if the SSH server has never sent EOF.
 */
bool side_end_is_proven(const struct side_listener *listener,
    const struct stream *stream);

struct links;
struct net;
struct uv_loop_s;

/*
 * The near side: this host looks names up.  It listens at addresses only.  loop
 * and net are borrowed.  NULL when out of memory.
 */
struct side *near_side_new(struct uv_loop_s *loop, struct net *net);

/*
 * The far side: sshd looks names up.  A listener is a remote forward of sshd;
 * at.ports is ignored.  If it was closed as reusable, it is kept, refuses
 * everybody, and is used again for the same host.  When the last idle one is
 * used, another is made in reserve.  A listener fails if it should be beyond
 * loopback and sshd has made it on its loopback (GatewayPorts).
 *
 * Control connections are on the first link.  So are data connections, unless
 * spread: then links_choose() chooses; but of several links with the same load,
 * a listener uses one that has an idle forward, which saves a round trip.
 *
 * What far clients use must not be spread: two links deliver to one client in
 * no order, so a reply could overtake the data before it; and sshd may still
 * deliver data to the client by a link that seems to have no data connection.
 *
 * directory: private, for its Unix sockets.  One side that spreads and one that
 * does not may use the same.  All arguments are borrowed and outlive the side.
 * NULL when out of memory.
 */
struct side *far_side_new(struct uv_loop_s *loop, struct links *links,
    struct net *net, const char *directory, bool spread);

/* Is no listener of a far side open? */
bool far_side_is_unused(const struct side *side);

/* Takes a reference, which a side_free() gives back.  Returns side. */
struct side *side_keep(struct side *side);

/* Gives a reference back; with the last one, frees the side.  All listeners
 * must be closed before.  NULL is allowed. */
void side_free(struct side *side);

/* Implementations embed struct side and struct side_listener first. */
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
	/* NULL: the side itself. */
	struct side *(*for_data)(struct side *, const struct stream *);
	/* NULL: never. */
	bool (*is_paused)(struct side *, const struct stream *);
	/* NULL: none. */
	struct side_losses (*losses)(struct side *, const struct stream *);
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
	bool has_own_ports; /* clients are at ports that only this side knows:
			     * the address in PORT says nothing */
	unsigned kept;	    /* references beside the first */
};

struct side_listener {
	struct side *side;
};

#endif
