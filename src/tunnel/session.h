/*
 * A session: one control connection through a tunnel, its engine, and its
 * data connections.  It carries the engine's actions out and tells it what
 * happens; it decides nothing.
 */
#ifndef TUNNEL_SESSION_H
#define TUNNEL_SESSION_H

#include <sys/types.h>
#include <uv.h>

#include "ftp/engine.h"
#include "tunnel/policy.h"
#include "tunnel/side.h"

struct session;

/* What a session takes from its tunnel; outlives it. */
struct session_options {
	uv_loop_t *loop;
	struct side *client_side;
	struct side *server_side;
	const char *server_host;
	uint16_t server_port;
	const struct policy *policy;

	/*
	 * Where the listeners of data connections are made (struct side_at);
	 * NULL: at the address that the control connection to that peer has on
	 * our side, which only the near side knows; on the far side, at its
	 * loopback.
	 */
	const char *client_at;
	const char *server_at;

	/* Where clients may be when a client's own address is not known. */
	const struct subnet *networks;
	size_t n_networks;

	/* Data connections to the server may use another SSH connection than
	 * the control connection. */
	bool upload_apart;

	struct engine_memory *memory; /* of the tunnel */
};

/* The session has ended by itself and is already dead. */
typedef void session_ended_cb(void *ctx, struct session *session);

/*
 * Begins a session on an accepted control connection, which becomes its own,
 * whatever is returned.  local and peer are its ends, AF_UNSPEC where they are
 * not known; number is for the log.
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
