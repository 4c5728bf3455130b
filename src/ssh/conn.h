/*
 * One connection to ssh's control socket (PROTOCOL.mux): the handshake, then
 * whole messages in, and bytes out through a bounded queue.
 *
 * It is always read: ssh keeps what it cannot send in one buffer, whose cost
 * grows with its contents.
 */
#ifndef SSH_CONN_H
#define SSH_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include <uv.h>

#include "base/wire.h"

struct conn;

/* Called from the loop only, never from inside a call. */
struct conn_handler {
	/* The handshake is complete: messages can be sent. */
	void (*up)(void *ctx);

	/*
	 * A message of len bytes, without its length in front; valid until
	 * received() returns.  0, or a negative errno if it violates the
	 * protocol: then lost() follows.
	 */
	int (*message)(void *ctx, const uint8_t *bytes, size_t len);

	/* message() was called for all that has come; may be NULL. */
	void (*received)(void *ctx);

	/* conn_offer() has taken less than all, and may take more now; may be
	 * NULL. */
	void (*room)(void *ctx);

	/* ssh has closed it, or it failed; nothing else follows.  err: a
	 * negative errno. */
	void (*lost)(void *ctx, int err);
};

/* Connects to the Unix socket at path.  proxy: in proxy mode, where messages
 * are packets of chan.h; else they are those of mux.h.  0 or a negative errno;
 * then *ret is untouched. */
int conn_new(uv_loop_t *loop, const char *path, bool proxy,
    const struct conn_handler *handler, void *ctx, struct conn **ret);

/* No callback follows; the loop frees it.  NULL is allowed. */
void conn_free(struct conn *conn);

/*
 * Sends n pieces, or queues what the socket does not take.  If the queue
 * overflows or memory is short, the connection breaks: lost() comes, from the
 * loop.
 */
void conn_send(struct conn *conn, const struct iovec *pieces, size_t n);

/*
 * Sends as many of n groups of pieces as the socket takes; groups says how many
 * pieces each has.  Only the rest of a group of which a part was sent is
 * copied.  Returns how many groups were taken; if not all, room() comes.
 */
size_t conn_offer(struct conn *conn, const struct iovec *pieces,
    const size_t *groups, size_t n);

/* Sends a message, as conn_send(); if it was too long, the connection breaks.
 */
void conn_put(struct conn *conn, struct wire_message message);

/* Ends it from this side: lost() comes, from the loop. */
void conn_break(struct conn *conn);

/* Are fewer than max bytes queued? */
bool conn_has_room(const struct conn *conn, size_t max);

/* Bytes that were sent or queued since the start, and those sent. */
uint64_t conn_taken(const struct conn *conn);
uint64_t conn_sent(const struct conn *conn);

#endif
