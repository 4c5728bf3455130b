/*
 * Watches whether the ssh of a link still answers.  That the connection is dead
 * ssh finds out by itself (ServerAliveInterval); that ssh is stopped, or hangs,
 * nobody else would.
 */
#ifndef SSH_WATCH_H
#define SSH_WATCH_H

#include <stdint.h>
#include <uv.h>

#include "ssh/link.h"

struct watch;

/* It has not answered a question for three periods.  Once, from the loop. */
typedef void watch_cb(void *ctx);

/*
 * Asks each period_ms from now on, one question at a time (MUX_C_ALIVE_CHECK of
 * PROTOCOL.mux); the link is up.  NULL when out of memory.
 */
struct watch *watch_new(uv_loop_t *loop, struct link *link, uint64_t period_ms,
    watch_cb *silent, void *ctx);

/* No callback follows.  NULL is allowed.  The loop frees it. */
void watch_free(struct watch *watch);

#endif
