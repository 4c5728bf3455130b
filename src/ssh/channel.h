/*
 * A channel as a stream (RFC 4254 section 5).  proxy.c reads the packets and
 * calls these functions; the owner of the stream uses base/stream.h.
 *
 * A channel that its owner has closed stays, without callbacks, until the peer
 * has closed it too: only then its number is free.  A channel that the peer has
 * closed stays, without a number, until its owner closes it.
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
	/* The SSH server has sent CLOSE directly after its EOF, and before our
	 * EOF, for a channel that still had window: so that is no sign of a
	 * loss on this link. */
	bool closes_early;
	struct reason *reason; /* borrowed; or NULL */

	/* Packets for one channel, one after the other, which its owner will
	 * get in one call. */
	struct channel *gathering; /* NULL: none */
	struct iovec pieces[STREAM_PIECES];
	size_t n_pieces;
};

/* Opens a channel with that free number: to host and port; host NULL: a session
 * with the subsystem sftp.  NULL when out of memory. */
struct stream *channel_new(struct proxy *proxy, uint32_t number,
    const char *host, uint16_t port, enum link_use use,
    const struct stream_handler *handler, void *ctx);

/* May such a message come for a channel that is closed, or for the next one
 * with its number?  Node's ssh2 answers requests behind its CLOSE. */
bool channel_is_late(const struct chan_message *message);

/* Has its owner not closed it? */
bool channel_is_owned(const struct channel *channel);

/*
 * A message of the peer for this channel; its data must stay valid until
 * channel_deliver().  Both call the owners back.  0, or -EPROTO if the peer
 * violates the protocol for the whole connection.
 */
int channel_message(struct channel *channel,
    const struct chan_message *message);

/* All messages of one read were passed: gives what was gathered to its owner.
 */
void channel_deliver(struct proxy *proxy);

/* The mux socket has room: each waiting channel in turn sends a packet, or some
 * more if no other waits. */
void channel_turns(struct proxy *proxy);

/* The connection is lost: removes the channel from it, and later reports that
 * to the owner.  channel_lost() makes no callback. */
void channel_lost(struct channel *channel);
void channel_tell(struct channel *channel);

#endif
