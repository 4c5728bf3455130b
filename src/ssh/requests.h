/*
 * The connection to ssh's control socket for requests (PROTOCOL.mux): remote
 * forwards and alive checks.  ssh answers in order, and reads nothing while it
 * waits for sshd's answer about a forward; requests are sent without waiting
 * for earlier answers.
 *
 * link_forward_close() and link_alive_cancel() of link.h are here, too.
 */
#ifndef SSH_REQUESTS_H
#define SSH_REQUESTS_H

#include <uv.h>

#include "ssh/link.h"
#include "ssh/reason.h"

struct requests;

/* Called from the loop only. */
struct requests_handler {
	/* Hellos are exchanged; requests may be made. */
	void (*up)(void *ctx);

	/* The connection has broken; err: a negative errno. */
	void (*lost)(void *ctx, int err);

	/* After requests_watch(): ssh does not answer; called once. */
	void (*silent)(void *ctx);
};

/* Connects to the control socket at path.  reason (borrowed, or NULL) explains
 * refusals of sshd.  0 or a negative errno. */
int requests_new(uv_loop_t *loop, const char *path, struct reason *reason,
    const struct requests_handler *handler, void *ctx, struct requests **ret);

/*
 * Ends all forwards and all that is not answered: before it returns, it calls
 * done() of each forward with port 0, then that of each alive check with false.
 * For calls from the loop only.
 */
void requests_abort(struct requests *requests);

/* Breaks the connection: lost() comes, from the loop. */
void requests_break(struct requests *requests);

/* After requests_abort(); the loop frees it.  NULL is allowed. */
void requests_free(struct requests *requests);

/* See link_forward_open() and link_alive_check(). */
struct link_forward *requests_forward(struct requests *requests,
    const char *host, uint16_t port, const char *path, link_forward_cb *done,
    void *ctx);
struct link_alive *requests_alive(struct requests *requests,
    link_alive_cb *done, void *ctx);

/*
 * After up(): sends an alive check each period_ms, one at a time, and calls
 * silent() if one has no answer after three periods.  ssh itself notices a dead
 * connection (ServerAliveInterval), but not that ssh is stopped or hangs.
 */
void requests_watch(struct requests *requests, uint64_t period_ms);

#endif
