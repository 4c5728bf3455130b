/*
 * Names to addresses, in libuv's thread pool.
 */
#ifndef NET_RESOLVE_H
#define NET_RESOLVE_H

#include <stdint.h>
#include <uv.h>

#include "base/addr.h"

/* Most addresses of one name that are looked at. */
#define RESOLVE_MAX 16

struct resolve;

/*
 * n > 0 addresses in getaddrinfo's order, or n == 0 with why (a text of
 * gai_strerror).  Both are valid only during the call.
 */
typedef void resolve_cb(void *ctx, const struct addr *found, size_t n,
    const char *why);

/*
 * Looks host up (a numeric address works too) and calls back from the loop
 * with port filled in.  Returns NULL when out of memory.
 */
struct resolve *resolve_start(uv_loop_t *loop, const char *host, uint16_t port,
    resolve_cb *done, void *ctx);

/* No callback any more.  Not after the callback.  NULL is allowed. */
void resolve_cancel(struct resolve *resolve);

#endif
