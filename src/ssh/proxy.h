/*
 * A connection to ssh's control socket in proxy mode (PROTOCOL.mux), and the
 * channels on it.
 *
 * ssh ends itself ("no remote_id") when such a connection closes while a
 * channel is being opened or after one was refused; seen in 9.2p1, and the code
 * is the same up to 10.x.  So it stays as long as ssh, and cannot be replaced.
 */
#ifndef SSH_PROXY_H
#define SSH_PROXY_H

#include <uv.h>

#include "base/stream.h"
#include "ssh/link.h"
#include "ssh/reason.h"

struct proxy;

/* Called from the loop only. */
struct proxy_handler {
	/* Channels can be opened. */
	void (*up)(void *ctx);

	/* The connection has broken; err: a negative errno. */
	void (*lost)(void *ctx, int err);
};

/* Connects to the control socket at path.  info (its path and sends_eof) and
 * reason (or NULL) are borrowed.  0 or a negative errno. */
int proxy_new(uv_loop_t *loop, const char *path, struct link_info *info,
    struct reason *reason, const struct proxy_handler *handler, void *ctx,
    struct proxy **ret);

/* All channels are lost: closed() comes from inside.  From the loop only. */
void proxy_abort(struct proxy *proxy);

/* Breaks the connection: lost() comes, from the loop. */
void proxy_break(struct proxy *proxy);

/* After proxy_abort().  NULL is allowed. */
void proxy_free(struct proxy *proxy);

/* See link_dial(); host NULL: link_sftp(). */
struct stream *proxy_dial(struct proxy *proxy, const char *host, uint16_t port,
    enum link_use use, const struct stream_handler *handler, void *ctx);

/* The number of channels; owned: see link_data_streams(). */
unsigned int proxy_channels(const struct proxy *proxy, bool owned);

/* The number of channels that were refused so far. */
unsigned int proxy_refusals(const struct proxy *proxy);

#endif
