/*
 * A data connection of a session: two ends, one toward the client and one
 * toward the server, each of which listens or connects; the relay between
 * them; and the transfer that uses it.  One object stands for all of that, from
 * ENGINE_DATA_OPEN to ENGINE_DATA_CLOSE.  Its number is the engine's name for
 * it.
 *
 * It decides nothing.  What happens is reported to the engine as an event, and
 * what to do comes back as an action.  Bytes are relayed as soon as both
 * streams exist.  The EOF of one peer is not passed on by itself: the engine
 * is told, and replies with ENGINE_DATA_SHUT.
 *
 * dataconn.c has its life and the engine's actions, dataconn_end.c what
 * happens to one end, dataconn_relay.c how bytes get from one end to the other,
 * dataconn_watch.c the timers.  Only the files of a session include this, by
 * session.h.
 */
#ifndef TUNNEL_DATACONN_H
#define TUNNEL_DATACONN_H

#include <nettle/sha2.h>
#include <sys/queue.h>
#include <uv.h>

#include "base/buf.h"
#include "engine/engine.h"
#include "ftp/framing.h"
#include "tunnel/rate.h"
#include "tunnel/side.h"

/* What is known of the EOF of one end. */
struct data_eof {
	enum {
		EOF_NONE,
		EOF_HELD,     /* behind bytes that are held */
		EOF_CHECKING, /* did it come from the peer? */
		EOF_HANDLED,  /* the engine was told */
	} state;
	bool unproven;	  /* see stream_end_is_proven(), side_end_is_proven() */
	bool doubtful;	  /* see stream_end_is_doubtful() */
	bool after_ours;  /* handled after we had ended our direction */
	bool closed;	  /* the stream is closed: to be told after the EOF */
	uint64_t idle_ms; /* how long nothing had moved before it */
};

/* What comes from a peer, which is not read while that is held back. */
struct dataconn_in {
	struct framing_reader framing;
	bool paused;	 /* the other end's queue is full */
	struct buf held; /* received, but must wait for the rate */
	struct rate_flow flow;
	size_t slack;	      /* bytes that are read although it is held back */
	uint64_t waits_at;    /* when it began to be held back; 0: it is not */
	uint64_t waited_ms;   /* how long it was held back in all, until then */
	bool stalled;	      /* once for LIMIT_IDLE_END_MS or longer, */
	uint64_t since_stall; /* ... and so many bytes have come since */
};

/* What goes to a peer. */
struct dataconn_out {
	uint64_t sent; /* bytes */
	struct sha256_ctx digest;
	bool shut; /* we have ended our direction */
};

enum dataconn_end_state {
	END_NOT_UP,
	END_DIAL_FAILED, /* side_dial() returned NULL */
	/* The stream is open, or was: */
	END_ACCEPTED,  /* it came by the listener */
	END_CONNECTED, /* culvert has connected to the peer */
};

/* The end toward one peer.  Times are uv_now(), in milliseconds. */
struct dataconn_end {
	struct dataconn *conn;
	enum engine_peer peer;
	struct side *side;
	struct engine_data_end how;	/* listens, or connects where */
	struct side_listener *listener; /* NULL: none, or closed */
	bool listening;		  /* it was ready; it may accept before that */
	uint16_t port;		  /* where it listens, once it does; else 0 */
	struct stream *stream;	  /* NULL: none yet, or closed */
	struct side_check *check; /* of the EOF, while it is pending */
	enum dataconn_end_state state;
	uint64_t up_at; /* when the stream was opened */
	struct data_eof eof;
	struct dataconn_in in;
	struct dataconn_out out;
};

/* A transfer, from ENGINE_BEGIN to ENGINE_REPORT.  Zeroed at first. */
struct dataconn_transfer {
	bool running;
	uint64_t began_at;	   /* uv_now() */
	struct side_losses losses; /* of the session, until it began */
	uint64_t before; /* bytes that its data connection had carried */
	struct engine_report report; /* user and why are not kept */
	char *name;		     /* the report's */
};

enum dataconn_timer {
	DATACONN_ENGINE,   /* ENGINE_DATA_TIMER */
	DATACONN_QUIET,	   /* ENGINE_DATA_QUIET */
	DATACONN_DELIVERY, /* looks whether the client has everything */
	DATACONN_UNUSED,   /* closes a listener to which no client comes */
	DATACONN_FAILED,   /* reports that side_dial() returned NULL */
	DATACONN_TIMERS,
};

struct dataconn {
	LIST_ENTRY(dataconn) link; /* of the session's data */
	struct session *session;
	uint32_t number;
	struct dataconn_end end[2]; /* by enum engine_peer */
	struct dataconn_transfer transfer;
	bool unproven; /* ENGINE_DATA_OPEN */
	uv_timer_t timers[DATACONN_TIMERS];
	unsigned int open_timers; /* that uv_close() has not ended yet */
	bool closed;		  /* only the timers keep the memory */
	uint64_t moved_at; /* when bytes came last, or an end was opened */
	struct {
		uint64_t ms;	/* ENGINE_DATA_QUIET */
		uint64_t due;	/* when its timer is due */
		uint64_t moved; /* dataconn_moved() when it was started */
	} quiet;
	struct {
		uint64_t ms;	/* until the next look */
		uint64_t since; /* ssh has everything for a far client since
				 * then; 0: not yet */
	} delivery;
};

LIST_HEAD(dataconn_list, dataconn);

/* The session's data connection with that number; NULL: none. */
struct dataconn *dataconn_find(const struct session *session, uint32_t number);

/*
 * The engine's actions: dataconn_dial() carries out ENGINE_DATA_DIAL, and so
 * on. dataconn_close() closes what is left, the client's stream by
 * stream_finish(); conn is dead.
 */
typedef void dataconn_action(struct dataconn *conn,
    const struct engine_action *action);
dataconn_action dataconn_dial, dataconn_timer, dataconn_quiet, dataconn_framing,
    dataconn_read_on, dataconn_ending, dataconn_shut, dataconn_drop,
    dataconn_reset, dataconn_close;

/* Tells the engine how many bytes each data connection of the session has
 * relayed by now. */
void dataconn_tell_counts(struct session *session);

/* Bytes that both peers have, by what is known here: grows with every byte that
 * arrives. */
uint64_t dataconn_moved(const struct dataconn *conn);

/* ---- shared by the dataconn files ---- */

static inline struct dataconn_end *
dataconn_other(struct dataconn_end *end)
{
	return &end->conn->end[end->peer == ENGINE_CLIENT ? ENGINE_SERVER :
							    ENGINE_CLIENT];
}

/* Was its stream open at some time? */
static inline bool
dataconn_was_up(const struct dataconn_end *end)
{
	return end->state == END_ACCEPTED || end->state == END_CONNECTED;
}

/* The peer has ended its direction after ours, and so has everything. */
static inline bool
dataconn_eof_has_all(const struct data_eof *eof)
{
	return eof->state == EOF_HANDLED && eof->after_ours && !eof->unproven;
}

/* Do bytes of that end wait for the rate? */
static inline bool
dataconn_holds(const struct dataconn_end *from)
{
	return buf_len(&from->in.held) > 0;
}

/*
 * Tells the engine about that end, and carries out what it replies: when this
 * returns, the data connection may be closed and the session over; the memory
 * is freed later.  The event's peer, number and counts are filled in here.
 *
 *	dataconn_tell(end, .type = ENGINE_DATA_LOST, .why = why);
 */
void dataconn_tell_event(struct dataconn_end *end,
    struct engine_data_event event);
#define dataconn_tell(end, ...) \
	dataconn_tell_event((end), (struct engine_data_event) { __VA_ARGS__ })

/* dataconn_end.c: opens an end: listens, or connects if it is the server's (a
 * client is connected to when the server has come).  False: out of memory. */
bool dataconn_open_end(struct dataconn_end *end);
/* Connects to that peer. */
void dataconn_dial_end(struct dataconn_end *end);
/* The EOF of that end, with all bytes before it relayed. */
void dataconn_take_eof(struct dataconn_end *end);
/* Closes an end whose stream exists: its peer sees a reset, the engine is told
 * why. */
void dataconn_lose(struct dataconn_end *end, const char *why);
/* Closes an end: its listener, and its stream in that way. */
void dataconn_let_go(struct dataconn_end *end, void (*how)(struct stream *));

/* dataconn_relay.c */
void dataconn_relay_init(struct dataconn_end *end);
/* Reads from that end, or stops that: to be called when anything has changed on
 * which this depends. */
void dataconn_read_or_not(struct dataconn_end *end);
/* Bytes that came from an end; they are relayed, or held. */
void dataconn_relay_data(struct dataconn_end *from, const struct iovec *pieces,
    size_t n);
/* The other end takes bytes again. */
void dataconn_relay_drained(struct dataconn_end *from);
/* Discards what is held of that end. */
void dataconn_discard(struct dataconn_end *from);

/* dataconn_watch.c: starts to look whether the client, who was sent the EOF,
 * has everything. */
void dataconn_watch_delivery(struct dataconn *conn);
/* Closes the listener toward the client when nobody comes. */
void dataconn_watch_unused(struct dataconn *conn);

#endif
