/*
 * The passenger side of ssh's control socket: remote forwards and alive
 * checks on one connection.  ssh answers in order, one request at a time, and
 * stops reading while sshd is being asked for a forward; requests are sent
 * without waiting for the answers of those before.
 *
 * It also owns the forwards and the checks of link.h, which name no link.
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

	/* The connection has broken. */
	void (*lost)(void *ctx, int err);
};

/* Connects to the control socket at path.  reason, for what sshd refuses, or
 * NULL, is borrowed.  0 or a negative errno. */
int requests_new(uv_loop_t *loop, const char *path, struct reason *reason,
    const struct requests_handler *handler, void *ctx, struct requests **ret);

/*
 * Gives up all forwards and what is not answered: from inside the call each
 * forward's done() has port 0, then each alive check false.  For calls from the
 * loop only.
 */
void requests_abort(struct requests *requests);

/* Breaks the connection: lost() comes, from the loop. */
void requests_break(struct requests *requests);

/* After requests_abort().  NULL is allowed. */
void requests_free(struct requests *requests);

/* As link_forward_open() and link_alive_check(). */
struct link_forward *requests_forward(struct requests *requests,
    const char *host, uint16_t port, const char *path, link_forward_cb *done,
    void *ctx);
struct link_alive *requests_alive(struct requests *requests,
    link_alive_cb *done, void *ctx);

#endif
