/*
 * A session: one control connection through a tunnel, its engine, and its
 * data connections.  It carries the engine's actions out and tells it what
 * happens; it decides nothing.
 */
#ifndef TUNNEL_SESSION_H
#define TUNNEL_SESSION_H

#include <sys/queue.h>
#include <sys/types.h>
#include <uv.h>

#include "engine/engine.h"
#include "limits.h"
#include "tunnel/admission.h"
#include "tunnel/policy.h"
#include "tunnel/side.h"
#include "tunnel/throttle.h"

struct session;
struct reconnect;
struct transfer_log;

LIST_HEAD(session_list, session);

#define INFO_OUTCOMES (ENGINE_TRUNCATED + 1)

/* By direction, 0: to the client, download; 1: to the server, upload. */
#define INFO_DIRECTIONS 2

/* What a tunnel has counted since it was made; zeroed at first. */
struct tunnel_stats {
	uint64_t sessions; /* that have begun */
	uint64_t refusals[REFUSALS];
	uint64_t transfers[INFO_DIRECTIONS][INFO_OUTCOMES];
	uint64_t bytes[INFO_DIRECTIONS]; /* relayed by data connections */
};

/* A transfer that is running. */
struct transfer_info {
	const struct engine_report *report; /* what is known at its beginning;
					     * borrowed */
	uint64_t bytes;			    /* so far */
	uint64_t ms;			    /* since it began */
};

/* One for each data connection, and one without. */
#define SESSION_TRANSFERS_MAX (LIMIT_SESSION_DATA + 1)

struct session_info {
	unsigned long number;
	const char *client; /* its address; "the SSH server" if not known */
	const char *user;   /* who has logged in; "": nobody, or not known */
	uint64_t ms;	    /* since the session began */
	struct transfer_info transfers[SESSION_TRANSFERS_MAX];
	size_t n_transfers;
};

/* What sessions take from their tunnel; outlives them. */
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

	/* Where data connections toward that peer listen (struct side_at);
	 * NULL: at our end of the control connection to that peer, or, on the
	 * far side, where that is not known, at the loopback address. */
	const char *listen_at[2];

	/* Where clients may be if a client's own address is not known. */
	const struct subnet *networks;
	size_t n_networks;

	/* Data connections to the server may use another SSH connection than
	 * the control connection. */
	bool upload_apart;

	struct session_list *sessions; /* it is one of these */
	unsigned long *last_number;    /* the number of the latest session */
	struct reconnect *reconnect;   /* has the link that it needs */
	struct engine_memory *memory;  /* of the tunnel */
	struct throttle *throttle;     /* ... for all data connections */
};

/*
 * Begins a session on an accepted control connection.  local and peer are its
 * ends, AF_UNSPEC where they are not known.  The stream and the place belong to
 * the session, whatever is returned.  It is in options->sessions until it has
 * ended, which may be before this returns.  False: out of memory.
 */
bool session_begin(const struct session_options *options, struct stream *client,
    const struct addr *local, const struct addr *peer,
    struct admission_place *place);

/* What it is doing now; texts are valid until the next call of anything. */
void session_describe(const struct session *session, struct session_info *ret);

/*
 * Ends it as soon as that cuts no transfer, with 421 and why to the client (at
 * most 99 characters are copied).  It waits at most LIMIT_DRAIN_MS for replies
 * to commands and for the use of data connections that are prepared.
 */
void session_drain(struct session *session, const char *why);

/* Ends it now: 421 and why to the client; running transfers are cut.  When this
 * returns, it has ended. */
void session_stop(struct session *session, const char *why);

#endif
