/*
 * What the user's configuration of ssh does not set, and culvert has better
 * values for.  Two ssh -G run at the same time: what one prints for the
 * destination is compared with what the other prints without any configuration.
 * What the user or the system has set is not changed.
 *
 * - Ciphers: AES-GCM first, if the CPU has AES instructions.
 * - ServerAliveInterval, which is off: a dead connection would be noticed only
 *   by the next transfer.
 * - ConnectTimeout, which is off: ssh would wait forever for an sshd that
 *   accepts the connection and says nothing.
 */
#ifndef SSH_DEFAULTS_H
#define SSH_DEFAULTS_H

#include <uv.h>

#include "ssh/link.h"

struct defaults;

struct defaults_answer {
	const char *ciphers; /* the list to request, valid in the call; or NULL
			      * and why says why there is none */
	const char *why;
	unsigned timeouts; /* of enum link_timeout: those that are not set */
};

/* Called once, from the loop; nothing runs then.  May call defaults_free(). */
typedef void defaults_cb(void *ctx, const struct defaults_answer *answer);

/* Starts both; ciphers are looked at only with options->cipher_order.  options
 * is borrowed.  0, or a negative errno: then done does not come. */
int defaults_find(uv_loop_t *loop, const struct link_options *options,
    defaults_cb *done, void *ctx, struct defaults **ret);

/* Ends both: done comes soon, without ciphers. */
void defaults_stop(struct defaults *defaults);

/* Only after done, or in it; the loop frees it.  NULL is allowed. */
void defaults_free(struct defaults *defaults);

#endif
