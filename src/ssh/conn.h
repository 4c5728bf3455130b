/*
 * One connection to ssh's control socket: bytes in as they come, bytes out
 * through a bounded queue.  It knows nothing of what they mean.
 *
 * It is read all the time: what ssh cannot get rid of it keeps in one buffer,
 * at a cost that grows with what is in there.
 */
#ifndef SSH_CONN_H
#define SSH_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <uv.h>

#include "base/buf.h"

struct conn;

/* Called from the loop only, never from inside a call. */
struct conn_handler {
	/*
	 * len bytes are there and none before them.  Returns how many it took,
	 * which are whole messages, or a negative errno for what is no
	 * protocol: then lost() follows.
	 */
	ssize_t (*input)(void *ctx, const uint8_t *bytes, size_t len);

	/* conn_offer() may take more again, after it took less; may be NULL. */
	void (*room)(void *ctx);

	/* ssh has closed it, or it failed.  Nothing else follows. */
	void (*lost)(void *ctx, int err);
};

/* Connects.  0 or a negative errno; then *ret is untouched. */
int conn_new(uv_loop_t *loop, const char *path,
    const struct conn_handler *handler, void *ctx, struct conn **ret);

/* No callback follows.  NULL is allowed.  The loop frees it. */
void conn_free(struct conn *conn);

/*
 * Sends n pieces, one behind the other, or queues them.  A queue that overflows
 * and memory that is not there break the connection: lost() comes, from the
 * loop.
 */
void conn_send(struct conn *conn, const struct iovec *pieces, size_t n);

/*
 * Sends whole groups of pieces, group of them each, as far as they go at once,
 * and copies nothing but the rest of one that went in part.  Returns how many
 * were taken; when these are not all of the n pieces, room() comes.
 */
size_t conn_offer(struct conn *conn, const struct iovec *pieces, size_t n,
    size_t group);

/* Sends what a codec wrote to message, and empties it; err is its return. */
void conn_send_buf(struct conn *conn, struct buf *message, int err);

/* Ends it from our side: lost() comes, from the loop. */
void conn_break(struct conn *conn);

/* Is less than max bytes queued? */
bool conn_has_room(const struct conn *conn, size_t max);

/* Bytes that were given or taken so far, and how many of them have left. */
uint64_t conn_taken(const struct conn *conn);
uint64_t conn_sent(const struct conn *conn);

#endif
