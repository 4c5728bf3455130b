/*
 * What the user's configuration of ssh leaves at its defaults, where culvert
 * has better ones: what ssh -G says of it is compared to what it says of none.
 * What the user, or the system's policy, has set is theirs.
 *
 * - The order of ciphers: AES-GCM first, where the CPU has AES.
 * - ServerAliveInterval, which is off: a connection that is dead would be found
 *   out only by the next transfer.
 * - ConnectTimeout, which is off: an sshd that takes the connection and says
 *   nothing would be waited for for ever.
 *
 * Both questions run at once, each in a session of its own, without a
 * terminal, so that they can be ended with all that they started (Match exec).
 */
#ifndef SSH_DEFAULTS_H
#define SSH_DEFAULTS_H

#include <stdbool.h>
#include <uv.h>

#include "ssh/link.h"

struct defaults;

struct defaults_answer {
	const char *ciphers; /* to ask for, valid in the call; NULL: none, */
	const char *why;     /* and why says why not */
	unsigned timeouts;   /* that are not set, of enum link_timeout */
};

/* Called once, from the loop, and nothing runs any more. */
typedef void defaults_cb(void *ctx, const struct defaults_answer *answer);

/*
 * Begins to ask; about ciphers only with options->cipher_order.  Returns 0, or
 * a negative errno, and then done does not come.
 */
int defaults_ask(uv_loop_t *loop, const struct link_options *options,
    defaults_cb *done, void *ctx, struct defaults **ret);

/* Ends it: done comes soon, without ciphers. */
void defaults_stop(struct defaults *defaults);

/* Only after done, or in it.  NULL is allowed.  The loop frees it. */
void defaults_free(struct defaults *defaults);

#endif
