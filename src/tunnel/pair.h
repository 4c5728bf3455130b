/*
 * Two streams inside the process, connected to each other: what is written to
 * one comes out of the other (base/stream.h).  The gateway's control and data
 * connections are such pairs.
 */
#ifndef TUNNEL_PAIR_H
#define TUNNEL_PAIR_H

#include <uv.h>

#include "base/stream.h"

/*
 * Makes both ends.  ret_dialled is connecting, and goes on with handler and ctx
 * as any stream that was dialled; ret_other is open and has no handler yet.
 * 0, or -ENOMEM.
 */
int pair_new(uv_loop_t *loop, const struct stream_handler *handler, void *ctx,
    struct stream **ret_dialled, struct stream **ret_other);

/* The dialled end is connected: both ends get opened(), from the loop. */
void pair_connect(struct stream *other);

/* Closes this end; the dialled one gets closed() with err and why (copied). */
void pair_fail(struct stream *other, int err, const char *why);

#endif
