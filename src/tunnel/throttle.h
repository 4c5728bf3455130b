/*
 * The rate of a tunnel's data connections: a queue of those that wait
 * (tunnel/rate.h), and its clock.
 */
#ifndef TUNNEL_THROTTLE_H
#define TUNNEL_THROTTLE_H

#include <uv.h>

#include "tunnel/rate.h"

struct throttle;

/* per_second: bytes of all data connections; 0: no limit.  NULL when out of
 * memory. */
struct throttle *throttle_new(uv_loop_t *loop, uint64_t per_second);

/* No flow may wait any more.  NULL is allowed. */
void throttle_free(struct throttle *throttle);

/* What rate_take(), rate_wait() and rate_leave() do, at the present time. */
size_t throttle_take(struct throttle *throttle, struct rate_flow *flow,
    size_t bytes);
void throttle_wait(struct throttle *throttle, struct rate_flow *flow,
    size_t bytes);
void throttle_leave(struct throttle *throttle, struct rate_flow *flow);

#endif
