/*
 * Names to addresses, in libuv's thread pool.
 */
#ifndef NET_RESOLVE_H
#define NET_RESOLVE_H

#include <stdint.h>
#include <uv.h>

#include "base/addr.h"

/* At most so many addresses of a name are used. */
#define RESOLVE_MAX 16

struct resolve;

/*
 * Gets n > 0 addresses in the order of getaddrinfo(3), or n == 0 and the reason
 * in why (the text of gai_strerror(3)).  Both are valid only during the call.
 */
typedef void resolve_cb(void *ctx, const struct addr *found, size_t n,
    const char *why);

/*
 * Looks up host, a name or a numeric address.  done is called from the loop,
 * with port in each address.  Returns NULL when out of memory.
 */
struct resolve *resolve_start(uv_loop_t *loop, const char *host, uint16_t port,
    resolve_cb *done, void *ctx);

/* Prevents the callback.  Do not call it after the callback.  NULL is allowed.
 */
void resolve_cancel(struct resolve *resolve);

#endif
