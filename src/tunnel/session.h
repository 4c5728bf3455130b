/*
 * A session: one control connection through a tunnel, its engine, and its
 * data connections.  It carries the engine's actions out and tells it what
 * happens; it decides nothing.
 */
#ifndef TUNNEL_SESSION_H
#define TUNNEL_SESSION_H

#include <sys/types.h>
#include <uv.h>

#include "engine/engine.h"
#include "tunnel/info.h"
#include "tunnel/policy.h"
#include "tunnel/side.h"
#include "tunnel/throttle.h"

struct session;
struct transfer_log;

/* What a session takes from its tunnel; outlives it. */
struct session_options {
	const char *name; /* of the tunnel, or NULL */
	uv_loop_t *loop;
	struct side *side[2]; /* by enum engine_peer: toward that peer */
	bool server_is_far;   /* beyond sshd: -L */
	const char *server_host;
	uint16_t server_port;
	const struct policy *policy;
	struct transfer_log *log; /* or NULL */
	struct tunnel_stats *stats;

	/*
	 * Where the listeners of data connections toward that peer are made
	 * (struct side_at); NULL: at the address that the control connection
	 * to that peer has on our side, which only the near side knows; on the
	 * far side, at its loopback.
	 */
	const char *listen_at[2];

	/* Where clients may be when a client's own address is not known. */
	const struct subnet *networks;
	size_t n_networks;

	/* Data connections to the server may use another SSH connection than
	 * the control connection. */
	bool upload_apart;

	struct engine_memory *memory; /* of the tunnel */
	struct throttle *throttle;    /* ... for all data connections */
};

struct session_handler {
	/* Somebody has logged in, or with TLS nobody can tell any more; at most
	 * once. */
	void (*logged_in)(void *ctx);

	/* It has ended, by itself or not, and is already dead. */
	void (*ended)(void *ctx, struct session *session);
};

/*
 * Begins a session on an accepted control connection, which becomes its own,
 * whatever is returned.  local and peer are its ends, AF_UNSPEC where they are
 * not known; number is for the log.
 * Returns NULL when out of memory: then ended() does not come.
 */
struct session *session_new(const struct session_options *options,
    unsigned long number, struct stream *client, const struct addr *local,
    const struct addr *peer, const struct session_handler *handler, void *ctx);

/* What it is doing now; texts are borrowed until the next call of anything. */
void session_describe(const struct session *session, struct session_info *ret);

/* Starts reading; ended() may come before it returns. */
void session_begin(struct session *session);

/*
 * Ends it as soon as that cuts no transfer, with 421 and why to the client
 * (copied; at most 99 characters count).  Commands that are not answered, and
 * data connections that are not used, are waited for for LIMIT_DRAIN_MS.
 */
void session_drain(struct session *session, const char *why);

/* Ends it now: 421 and why to the client; running transfers are cut.  ended()
 * comes before it returns. */
void session_stop(struct session *session, const char *why);

#endif
