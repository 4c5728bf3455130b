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

struct addr;
struct session;
struct stream;
struct tunnel;

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

/*
 * Begins a session of that tunnel on an accepted control connection.  local and
 * peer are its ends, AF_UNSPEC where they are not known.  The stream and the
 * place belong to the session, whatever is returned.  It is in the tunnel's
 * list until it has ended, which may be before this returns.  False: out of
 * memory.
 */
bool session_begin(struct tunnel *tunnel, struct stream *client,
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
