/*
 * The begin and the end of a monitor (ssh/monitor.h), for the tests that have
 * one.
 */
#ifndef UNIT_MONITOR_LIFE_H
#define UNIT_MONITOR_LIFE_H

#include <uv.h>

#include "ssh/monitor.h"

/* Forks a monitor and attaches it to the loop; fails the running test if it
 * cannot.  The monitor has the options as they are at this moment. */
void monitor_life_begin(struct monitor **monitor, uv_loop_t *loop,
    const struct monitor_options *options, monitor_lost_cb *lost, void *ctx);

/* Ends *monitor, which becomes NULL; does nothing if it is NULL. */
void monitor_life_end(struct monitor **monitor, uv_loop_t *loop);

/* Ends *monitor, and begins one for a single destination.  It becomes
 * options->monitor, too. */
void monitor_life_renew(struct monitor **monitor, uv_loop_t *loop,
    struct link_options *options, monitor_lost_cb *lost, void *ctx);

#endif
