/*
 * Receive windows: how much the peers of channels may send (RFC 4254 section
 * 5.2).  No I/O; the caller passes the time, in microseconds since any moment.
 *
 * Theory of operation.  A window smaller than what is on its way during one
 * round trip holds the sender up.  So round trips are measured, in time and in
 * bytes: a probe is sent to the peer, and what comes on the channel until
 * the answer came in one round trip.  Without waiting anywhere, the round trip
 * would have taken the shortest time that was seen on this connection, so
 *
 *	came * shortest / time
 *
 * is what the path itself holds.  (Opening a channel is a round trip as well,
 * in which nothing of its own waits.)  The window becomes this and as much
 * again, so that more capacity is soon noticed, but at most LIMIT_WINDOW_AHEAD
 * more: what the path does not hold waits, if ssh is the slowest part, in one
 * buffer that ssh extends in small steps, copying all of it.  With 2 MiB in it
 * ssh is fast; with 30 MiB it may stand still for seconds.
 *
 * A reader that lags behind gets no larger window, and a smaller one if it lags
 * much.  What was granted cannot be taken back; a window shrinks only if it is
 * not renewed.  So each has a target, up to which consumed bytes are granted
 * again.
 *
 * What the peers of all data channels may send, and what has come and is not
 * consumed, never exceeds the budget, except for LIMIT_WINDOW_SMALL for each
 * channel, without which none works; control connections are not counted.  No
 * target exceeds the equal share of all data channels, so old channels give way
 * to new ones.  But a reader that stops keeps its window, so no window takes
 * all that is free.
 */
#ifndef SSH_WINDOW_H
#define SSH_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

/* Shared by all channels of the process; the caller keeps it. */
struct window_budget {
	uint64_t max;	  /* bytes, --max-memory */
	uint32_t largest; /* bytes of one window, --max-window */
	uint64_t used;	  /* by data: granted, or come and not consumed */
	unsigned int n;	  /* windows for data */
};

void window_budget_init(struct window_budget *budget, uint64_t max,
    uint32_t largest);

/* Shared by the channels of one SSH connection; the caller keeps it. */
struct window_path {
	struct window_budget *budget;
	uint64_t shortest; /* shortest round trip measured, or 0 */
	uint64_t since;	   /* when that measurement began */
	uint64_t busy;	   /* when much data came for the last time */
};

void window_path_init(struct window_path *path, struct window_budget *budget);

/* Of one channel; embedded in it. */
struct window {
	struct window_budget *budget;
	struct window_path *path; /* NULL: it is closed, and the path may go */
	bool grows;		  /* it is for data */
	uint32_t target;	  /* for left and held together */
	uint32_t left;		  /* what the peer may still send */
	uint32_t held;		  /* has come, is not consumed */
	uint32_t most_held;	  /* since the probe */
	uint64_t came;		  /* since the probe, or the answer */
	bool probing;		  /* the probe has no answer yet */
	uint64_t probed_at;	  /* or opened at */
};

/*
 * Begins.  grows: for data; else it stays small.  Returns the first grant for
 * the peer, in bytes.  What was seen of the path expires after some time, but
 * not while data are on their way, which lengthen every round trip.
 */
uint32_t window_open(struct window *window, struct window_path *path,
    bool grows, uint64_t now);

/* The peer has opened the channel. */
void window_opened(struct window *window, uint64_t now);

/* len bytes came.  False: more than was granted; nothing has changed. */
bool window_receive(struct window *window, uint32_t len)
    __attribute__((warn_unused_result));

/* len bytes of them were consumed. */
void window_consume(struct window *window, uint32_t len);

/* What to grant the peer now, in bytes; 0: nothing.  Call it after
 * window_consume() and window_answered(). */
uint32_t window_grant(struct window *window);

/* True, once, if a probe must be sent now, behind the grant. */
bool window_must_probe(struct window *window, uint64_t now);

/* The answer to the probe came. */
void window_answered(struct window *window, uint64_t now);

/* Nothing more comes.  What is held counts until it is consumed.  Allowed
 * twice. */
void window_close(struct window *window);

#endif
