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
#include "ssh/packets.h"
#include "ssh/reason.h"
#include "ssh/window.h"

struct channel;
TAILQ_HEAD(channel_queue, channel);

/* What the channels of one proxy connection share; proxy.c owns it. */
struct channel_mux {
	struct packets packets;
	struct channel_queue waiting; /* for the mux socket to have room */
	struct channel **table;	      /* by number; NULL: the number is free */
	uint32_t size;		      /* of table */
	unsigned int refusals;	      /* of openings, by the peer */
	struct window_path *way;      /* borrowed */
	bool *sends_eof;   /* of the link, borrowed: the server was seen to send
			    * EOF, so its CLOSE without one is a loss */
	bool closes_early; /* the SSH server was seen to send CLOSE behind its
			    * EOF, before ours, when it had window left */
	struct reason *reason; /* borrowed; or NULL */

	/* What came for one channel, one packet behind the other, and is to be
	 * told to its owner in one call. */
	struct channel *gathering; /* NULL: nothing */
	struct iovec pieces[STREAM_PIECES];
	size_t n_pieces;
};

/*
 * Makes a channel with that free number and asks for it.  NULL when out of
 * memory.
 */
struct channel *channel_new(uv_loop_t *loop, struct channel_mux *mux,
    uint32_t number, const char *host, uint16_t port, enum link_use use,
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
void channel_deliver(struct channel_mux *mux);

/* The mux socket has room: each waiting channel in turn sends a packet, or some
 * more when it is alone. */
void channel_turns(struct channel_mux *mux);

/*
 * The proxy connection is lost: takes the channel out of it.  No callback
 * comes from inside; channel_tell() makes those that are due.
 */
void channel_lost(struct channel *channel);
void channel_tell(struct channel *channel);

#endif
