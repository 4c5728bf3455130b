/*
 * One connection to ssh's control socket in proxy mode (PROTOCOL.mux): the
 * handshake, then packets of SSH channels (chan.h) in both directions.
 */
#ifndef SSH_PACKETS_H
#define SSH_PACKETS_H

#include <stdbool.h>
#include <uv.h>

#include "base/buf.h"
#include "ssh/chan.h"
#include "ssh/conn.h"

/* Called from the loop only. */
struct packets_handler {
	/* The connection is in proxy mode: packets may be sent. */
	void (*up)(void *ctx);

	/* A packet.  0, or a negative errno if it violates the protocol: then
	 * lost() follows.  May call packets_close(). */
	int (*packet)(void *ctx, const struct chan_message *packet);

	/* packet() was called for every packet received so far; may be NULL. */
	void (*received)(void *ctx);

	/* As in struct conn_handler; may be NULL. */
	void (*room)(void *ctx);

	/* The connection has broken; conn is NULL. */
	void (*lost)(void *ctx, int err);
};

/* Part of its owner, which may read conn, and writes packets to message. */
struct packets {
	struct conn *conn; /* NULL when lost or closed */
	struct buf message;
	bool requested; /* ssh's hello has come, proxy mode is requested */
	bool up;
	const struct packets_handler *handler;
	void *ctx;
};

/* Connects to the control socket at path.  0 or a negative errno; then there is
 * nothing to free. */
int packets_open(struct packets *packets, uv_loop_t *loop, const char *path,
    const struct packets_handler *handler, void *ctx);

/* Sends the packet in message, and empties it; err is what chan_put_...()
 * returned. */
void packets_send(struct packets *packets, int err);

/* No callback follows. */
void packets_close(struct packets *packets);

/* Closes, and frees what belongs to it. */
void packets_free(struct packets *packets);

#endif
