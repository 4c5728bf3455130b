/*
 * A data connection: two ends, one toward the client and one toward the
 * server, each of which listens or dials, and the relay between them.  It
 * decides nothing: what happens is told to the engine as events, what is done
 * comes back as calls.
 *
 * Bytes flow as soon as both streams exist.  An end of one peer (EOF) is not
 * passed on by itself: the engine is told, and calls dataconn_shut().
 */
#ifndef TUNNEL_DATACONN_H
#define TUNNEL_DATACONN_H

#include <uv.h>

#include "engine/engine.h"
#include "tunnel/policy.h"
#include "tunnel/side.h"

struct dataconn;
struct rate;
struct throttle;

struct dataconn_owner {
	/* event->data, and the bytes so far, are filled in. */
	void (*event)(void *ctx, const struct engine_data_event *event);

	/*
	 * Somebody connected to the listener toward expected: is it the
	 * session's own client or server?  If not it has been logged.
	 */
	enum policy_answer (*admit)(void *ctx, enum engine_peer expected,
	    const struct addr *local, const struct addr *peer);

	/*
	 * After so many milliseconds without a byte the connection to that
	 * peer, which was accepted or dialled, has ended, and was closed at
	 * once although we had not ended our direction.  The event about the
	 * end comes as well.
	 */
	void (*idle_end)(void *ctx, enum engine_peer peer, bool accepted,
	    uint64_t ms);
};

/* Of the end toward one peer. */
struct dataconn_end {
	struct side *side;
	struct engine_data_end how;

	/* Where its listener is made, if it listens. */
	const char *at;

	/* Where its dials come from: the address that the control connection
	 * has on our side (RFC 959 section 3.3; lftp checks it); AF_UNSPEC
	 * where that is not known. */
	struct addr from;
};

/* Borrowed for the call only, but for the sides, the ports, the throttle and
 * the rate. */
struct dataconn_options {
	uint32_t number;	    /* the engine's */
	struct dataconn_end end[2]; /* by enum engine_peer */
	const char *server_host;    /* dialled */
	bool dial_reply;	    /* ... unless a reply names another one */
	bool unproven;		    /* the engine logs it if it fails */
	uint64_t *count;	    /* bytes, of all, by enum engine_peer to
				     * which they go; outlives it */
	bool digests;		    /* of what passes, for dataconn_digest() */
	struct addr announce;	   /* told to the client; AF_UNSPEC: the address
				    * of the listener */
	struct ports *ports;	   /* for that listener; NULL: any */
	struct throttle *throttle; /* how fast bytes go on; NULL: at once */
	struct rate *session_rate; /* ... with one: and no faster than this */
};

/*
 * Makes the ends: listens, and dials the server.  A client that is to be
 * dialled is so once the server has come, or by dataconn_dial().
 * Returns NULL when out of memory.
 */
struct dataconn *dataconn_open(uv_loop_t *loop,
    const struct dataconn_options *options, const struct dataconn_owner *owner,
    void *ctx);

uint32_t dataconn_number(const struct dataconn *conn);

/* Has that peer's end ever stood? */
bool dataconn_was_up(const struct dataconn *conn, enum engine_peer peer);

/* Is it nobody's yet?  Until then the server's end is read although there is
 * no client, so that its end is seen; if it says something it is lost. */

/* Was it opened as unproven? */
bool dataconn_is_unproven(const struct dataconn *conn);

/* Bytes relayed toward that peer so far, and those of them that have not left
 * this process. */
uint64_t dataconn_sent(const struct dataconn *conn, enum engine_peer peer);
uint64_t dataconn_unsent(const struct dataconn *conn, enum engine_peer peer);

/* Grows with every byte that has arrived somewhere, in both directions. */
uint64_t dataconn_moved(const struct dataconn *conn);

/*
 * The SHA-256 of what has been relayed toward that peer since the last call, in
 * hexadecimal digits.  Returns text; NULL where none is computed.
 */
#define DATACONN_DIGEST_MAX 65
const char *dataconn_digest(struct dataconn *conn, enum engine_peer peer,
    char text[DATACONN_DIGEST_MAX]);

/* The engine's actions of the same names. */
void dataconn_dial(struct dataconn *conn);
void dataconn_timer(struct dataconn *conn, uint64_t ms);
void dataconn_framing(struct dataconn *conn, enum framing framing);
void dataconn_quiet(struct dataconn *conn, uint64_t ms);
void dataconn_read_on(struct dataconn *conn, enum engine_peer peer);
void dataconn_shut(struct dataconn *conn, enum engine_peer peer);
void dataconn_drop(struct dataconn *conn, enum engine_peer peer);
void dataconn_reset(struct dataconn *conn, enum engine_peer peer);

/* Closes what is left, the client's end politely.  conn is dead. */
void dataconn_close(struct dataconn *conn);

#endif
