/*
 * The proxy side of ssh's control socket: one connection, and the channels on
 * it (PROTOCOL.mux, "Proxy mode").
 *
 * ssh ends itself ("no remote_id") when a proxy connection closes on which a
 * channel was refused or is still being opened; seen in 9.2p1, the code is the
 * same up to 10.x.  So the connection lives as long as ssh does: it cannot be
 * replaced by a fresh one.
 */
#ifndef SSH_PROXY_H
#define SSH_PROXY_H

#include <uv.h>

#include "base/stream.h"
#include "ssh/link.h"
#include "ssh/reason.h"
#include "ssh/window.h"

struct proxy;

/* Called from the loop only. */
struct proxy_handler {
	/* The connection is in proxy mode; channels may be opened. */
	void (*up)(void *ctx);

	/* The connection has broken. */
	void (*lost)(void *ctx, int err);
};

/* Connects to the control socket at path.  way, of the channels' windows, and
 * sends_eof, which is set when the SSH server has sent EOF on a channel, are
 * borrowed; so is reason, for what sshd refuses, or NULL.  0 or a negative
 * errno. */
int proxy_new(uv_loop_t *loop, const char *path, struct window_path *way,
    bool *sends_eof, struct reason *reason, const struct proxy_handler *handler,
    void *ctx, struct proxy **ret);

/* Loses every channel: closed() comes from inside.  From the loop only. */
void proxy_abort(struct proxy *proxy);

/* Breaks the connection: lost() comes, from the loop. */
void proxy_break(struct proxy *proxy);

/* After proxy_abort().  NULL is allowed. */
void proxy_free(struct proxy *proxy);

/* As link_dial(). */
struct stream *proxy_dial(struct proxy *proxy, const char *host, uint16_t port,
    enum link_use use, const struct stream_handler *handler, void *ctx);

/* Its channels; only those whose owner has not given them up, or all that are
 * not quite closed. */
unsigned int proxy_channels(const struct proxy *proxy, bool owned);

/* Channels that were refused so far. */
unsigned int proxy_refusals(const struct proxy *proxy);

#endif
