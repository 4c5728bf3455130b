/*
 * Names to addresses, in libuv's thread pool.
 */
#ifndef NET_RESOLVE_H
#define NET_RESOLVE_H

#include <stdint.h>
#include <uv.h>

#include "base/addr.h"

/* The most addresses of a name that are used. */
#define RESOLVE_MAX 16

struct resolve;

/*
 * Is called with n > 0 addresses in the order of getaddrinfo(3), or with n == 0
 * and the reason in why (the text of gai_strerror(3)).  Both are valid only
 * during the call.
 */
typedef void resolve_cb(void *ctx, const struct addr *found, size_t n,
    const char *why);

/*
 * Looks up host, a name or a numeric address.  done is called once, from the
 * loop, with port in each address.  Returns NULL when out of memory.  The
 * pointer becomes invalid when done returns.
 */
struct resolve *resolve_start(uv_loop_t *loop, const char *host, uint16_t port,
    resolve_cb *done, void *ctx);

/* Cancels a look-up: done is not called, and the pointer becomes invalid.  Do
 * not call it after done.  NULL is allowed. */
void resolve_cancel(struct resolve *resolve);

#endif
