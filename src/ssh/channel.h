/*
 * A channel as a stream (RFC 4254 section 5).  proxy.c reads the packets and
 * calls what is here; the owner of the stream calls through base/stream.h.
 *
 * A channel whose owner has given it up lives on, without callbacks, until the
 * peer has closed it too, since only then its number is free.  A channel that
 * the peer has ended lives on without a number, until its owner gives it up.
 */
#ifndef SSH_CHANNEL_H
#define SSH_CHANNEL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include "base/buf.h"
#include "base/stream.h"
#include "ssh/chan.h"
#include "ssh/link.h"
#include "ssh/conn.h"
#include "ssh/reason.h"
#include "ssh/window.h"

struct channel;
TAILQ_HEAD(channel_queue, channel);

/* One connection in proxy mode (proxy.h), and what its channels share. */
struct proxy {
	uv_loop_t *loop;
	const struct proxy_handler *handler;
	void *ctx;
	struct conn *conn; /* NULL: lost */
	bool up;
	struct channel_queue waiting; /* for room in the mux socket */
	struct channel **table;	      /* by number; NULL: the number is free */
	uint32_t size;		      /* of table */
	unsigned int refusals;	      /* channels that the peer has refused */
	struct link_info *info;	      /* borrowed */
	bool closes_early; /* the SSH server was seen to send CLOSE behind its
			    * EOF, before ours, when it had window left */
	struct reason *reason; /* borrowed; or NULL */

	/* Packets for one channel, one after the other, which its owner will
	 * get in one call. */
	struct channel *gathering; /* NULL: none */
	struct iovec pieces[STREAM_PIECES];
	size_t n_pieces;
};

/* Makes a channel with that free number, and opens it.  NULL when out of
 * memory. */
struct channel *channel_new(struct proxy *proxy, uint32_t number,
    const char *host, uint16_t port, enum link_use use,
    const struct stream_handler *handler, void *ctx);

struct stream *channel_stream(struct channel *channel);

/* May a message of that type come for a channel that is closed, or for its
 * number, which has another one by now?  Node's ssh2 answers requests behind
 * its CLOSE. */
bool channel_is_late(const struct chan_message *message);

/* Has its owner not given it up? */
bool channel_is_owned(const struct channel *channel);

/*
 * A message of the peer for this channel, of any type with a channel; its data
 * must stay valid until channel_deliver().  Owners are called back from inside
 * both.  Returns 0, or -EPROTO when the peer cannot be
 * speaking our protocol.
 */
int channel_message(struct channel *channel,
    const struct chan_message *message);

/* All messages that came with one read are through: what is gathered of them
 * goes to its owner. */
void channel_deliver(struct proxy *proxy);

/* The mux socket has room: each waiting channel in turn sends a packet, or some
 * more when it is alone. */
void channel_turns(struct proxy *proxy);

/*
 * The proxy connection is lost: takes the channel out of it.  No callback
 * comes from inside; channel_tell() makes those that are due.
 */
void channel_lost(struct channel *channel);
void channel_tell(struct channel *channel);

#endif
