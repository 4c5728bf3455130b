/*
 * A session: one control connection through a tunnel, its engine, and its
 * data connections.  It carries the engine's actions out and tells it what
 * happens; it decides nothing.
 */
#ifndef TUNNEL_SESSION_H
#define TUNNEL_SESSION_H

#include <sys/types.h>
#include <uv.h>

#include "tunnel/side.h"

struct session;

/* What a session takes from its tunnel; outlives it. */
struct session_options {
	uv_loop_t *loop;
	struct side *client_side;
	struct side *server_side;
	const char *server_host;
	uint16_t server_port;
	bool pass_foreign_port;
	bool allow_tls;
	bool any_user; /* data connections of other local users */
};

/* The session has ended by itself and is already dead. */
typedef void session_ended_cb(void *ctx, struct session *session);

/*
 * Begins a session on an accepted control connection, which becomes its own,
 * whatever is returned.  local and peer are its ends; number is for the log.
 * Returns NULL when out of memory.
 */
struct session *session_new(const struct session_options *options,
    unsigned long number, struct stream *client, const struct addr *local,
    const struct addr *peer, session_ended_cb *ended, void *ctx);

/* Starts reading; the callback may come before it returns. */
void session_begin(struct session *session);

/* Ends it now: 421 and why to the client; running transfers are cut.  The
 * callback comes before it returns. */
void session_stop(struct session *session, const char *why);

#endif
