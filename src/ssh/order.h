/*
 * The order of ciphers that a link asks for: what ssh -G says of the user's
 * configuration is compared to what it says of none.  Only a list that is
 * OpenSSH's own is put into another order; one that the user, or the system's
 * policy, has set is theirs.
 *
 * Both questions run at once, each in a session of its own, without a
 * terminal, so that they can be ended with all that they started (Match exec).
 */
#ifndef SSH_ORDER_H
#define SSH_ORDER_H

#include <uv.h>

#include "ssh/link.h"

struct order;

/*
 * Called once, from the loop, and nothing runs any more.  list: the ciphers to
 * ask for, or NULL: none, and why says why not.  Both are valid in the call.
 */
typedef void order_cb(void *ctx, const char *list, const char *why);

/*
 * Begins to ask.  Returns 0; -ENOTSUP when this CPU does ChaCha20 better than
 * AES; or another negative errno.  Only after 0 done comes.
 */
int order_ask(uv_loop_t *loop, const struct link_options *options,
    order_cb *done, void *ctx, struct order **ret);

/* Ends it: done comes soon, without a list. */
void order_stop(struct order *order);

/* Only after done, or in it.  NULL is allowed.  The loop frees it. */
void order_free(struct order *order);

#endif
