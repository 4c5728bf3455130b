/*
 * A data connection's inside, shared by dataconn.c (its ends), dataconn_relay.c
 * (what goes from one to the other, and how fast), dataconn_watch.c (its
 * timers) and dataconn_tell.c (what its owner is told).
 */
#ifndef TUNNEL_DATACONN_PRIV_H
#define TUNNEL_DATACONN_PRIV_H

#include <nettle/sha2.h>

#include "base/buf.h"
#include "ftp/framing.h"
#include "tunnel/dataconn.h"
#include "tunnel/throttle.h"

struct end {
	struct dataconn *conn;
	enum engine_peer peer;
	struct side *side;
	struct engine_data_end how;
	struct addr from;
	struct side_listener *listener;
	struct stream *stream;
	struct side_check *check; /* of its clean end, while asked */
	bool listening;		  /* the listener has stood */
	bool undialled;		  /* its dial could not be tried */
	bool accepted;		  /* the stream came through the listener */
	bool was_up;		  /* the stream has stood, */
	uint64_t up_at;		  /* ... since then */
	size_t slack;		  /* bytes still read while held back */
	uint64_t waited_ms; /* so long in all it was not read, since the other
			     * end or the rate was slower ... */
	uint64_t waits_at;  /* ... and while that is so: since then */
	bool paused;	    /* by the queue of the other end */
	bool ended;	    /* its EOF came ... */
	uint64_t idle_ms;   /* ... so long after anything had moved */
	bool end_unproven;  /* ... and may be no end */
	bool end_doubtful;  /* ... if the size is not known (stream.h) */
	bool end_early;	    /* ... and it was closed before our end */
	bool stalled;	    /* it was not read for LIMIT_IDLE_END_MS, and */
	uint64_t since;	    /* ... so many bytes have come since */
	bool closed_behind; /* ... and then it was closed; to be told */
	bool behind_ours;   /* ... behind the end that we sent, */
	bool took_end;	    /* ... and that is proven: it has all */
	bool shut;	    /* we have ended toward it */
	uint64_t sent;	    /* bytes relayed toward this peer, and */
	struct sha256_ctx digest;      /* ... theirs */
	struct framing_reader framing; /* of what this peer sends */

	/* What it has sent and may not go on yet, dataconn_relay.c. */
	struct rate_flow flow;
	struct buf held;
	bool end_held; /* its end has come behind that */
};

struct dataconn {
	uint32_t number;
	const struct dataconn_owner *owner;
	void *ctx;
	struct end end[2];
	char *server_host;
	bool dial_reply;
	bool unproven;	 /* dataconn_options */
	bool digests;	 /* are computed */
	uint64_t *count; /* [2], of the tunnel */
	struct addr announce;
	struct throttle *throttle; /* of its tunnel, or NULL */
	uv_timer_t timer;	   /* the engine's */
	uv_timer_t quiet;	   /* the engine's */
	uv_timer_t delivery;
	uv_timer_t unused; /* the listener toward the client expires */
	uv_timer_t failed; /* a dial that could not be tried */
	unsigned n_timers; /* handles that are not closed yet */
	bool closed;	   /* given up; only the handles keep it */
	uint64_t moved_at; /* when bytes came last, or an end stood up */
	uint64_t quiet_ms;
	uint64_t quiet_due; /* when it should run, in the loop's time */
	uint64_t seen;	    /* what had moved when quiet was started */
	uint64_t delivery_ms;
	uint64_t taken_at; /* when ssh had all for a far client; 0: not yet */
};

/* dataconn_tell.c: tells the engine; the owner may close the connection in it.
 */
void dataconn_emit(struct dataconn *conn, struct engine_data_event *event);
void dataconn_tell(struct end *end, enum engine_data_event_type type);
void dataconn_tell_delivered(struct end *end, bool assumed);
void dataconn_tell_eof(struct end *end);
/* It has closed the connection behind its end. */
void dataconn_tell_file_end(struct end *end, size_t files);
void dataconn_tell_ended(struct end *end, const char *why);
void dataconn_tell_lost(struct end *end, const char *why);
/* Behind the end, if nothing had moved for a while: the peer, or sshd, has
 * closed the connection. */
void dataconn_tell_idle_end(const struct end *end);

/* The client has been sent the end: looks from now on whether it has it all. */
void dataconn_watch_delivery(struct dataconn *conn);

/* The listener toward the client goes when nobody comes. */
void dataconn_watch_unused(struct dataconn *conn);

/* That end is dead: whoever is there sees a reset. */
void dataconn_lose(struct end *end, const char *why);
/* Keeps count of how long that end waits. */
void dataconn_count_wait(struct end *end);
/* Sends on what has come from that end. */
void dataconn_relay(struct end *from, const struct iovec *pieces, size_t n);
/* Nothing of that end is held any more: it is read again. */
void dataconn_released(struct end *from);

/* Without a throttle these do nothing, and there is nothing held. */

void dataconn_rate_init(struct dataconn *conn, struct throttle *throttle,
    struct rate *session);
/* With one: relays or holds what has come.  False: out of memory. */
bool dataconn_rate_data(struct end *from, const struct iovec *pieces, size_t n);
/* Is anything held of what that end has sent? */
bool dataconn_holds(const struct end *from);
/* The other end takes bytes again. */
void dataconn_rate_go_on(struct end *from);
/* What is held of that end goes nowhere. */
void dataconn_rate_drop(struct end *from);

#endif
