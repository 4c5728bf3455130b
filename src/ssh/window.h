/*
 * How much the peers of our channels may send unasked: the receive windows
 * (RFC 4254 section 5.2).  A policy, no I/O; the clock is handed in, in
 * microseconds of any beginning.
 *
 * Theory of operation.  A window that is smaller than what is on its way in
 * one round trip holds the sender up.  So the round trip is measured, in time
 * and in bytes: a question is sent to the peer, and what comes on the channel
 * until the answer is what came in one.  Without what waited somewhere, the
 * trip would have taken the shortest time that was seen on this connection, so
 *
 *	came * shortest / time
 *
 * is what the path itself holds.  (Of each channel its opening is a round trip
 * as well, and one in which nothing of its own waits.)  Thus the window is to
 * be that and some more: as much again, so that it is soon found out when the
 * path can hold more, but no more than LIMIT_WINDOW_AHEAD.  For what is more
 * than the path holds waits, when ssh is the slowest of all, in one buffer of
 * ssh, which it extends by small steps, copying all of it each time: with 2 MiB
 * in there it is as fast as ever, with 30 it may stand still for seconds.
 *
 * A reader that lags behind gets no more, and less when he lags much.  A window
 * cannot be taken back, only not given again: so each has a target, and what is
 * consumed is given back up to it.
 *
 * What the peers may send and what has come and is not consumed, of all
 * channels for data, never exceeds the budget, but for LIMIT_WINDOW_SMALL each
 * channel, below which none can work; that of a control connection counts
 * besides.  No target is larger than the equal share of all channels for data,
 * so who came first gives way to who comes later.  But a reader that stops
 * keeps what he has, and so no window takes all that is free.
 */
#ifndef SSH_WINDOW_H
#define SSH_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

/* What all channels of the process share; the caller's to keep. */
struct window_budget {
	uint64_t max;	  /* bytes, --max-memory */
	uint32_t largest; /* one window, --max-window */
	uint64_t used;	  /* by those for data: promised to peers, or come and
			   * not consumed */
	unsigned int n;	  /* windows for data */
};

void window_budget_init(struct window_budget *budget, uint64_t max,
    uint32_t largest);

/* What the channels of one SSH connection share, its path; the caller's to
 * keep. */
struct window_path {
	struct window_budget *budget;
	uint64_t shortest; /* round trip that was seen; 0: none */
	uint64_t since;	   /* ... from then on */
	uint64_t busy;	   /* when much data came for the last time */
};

void window_path_init(struct window_path *path, struct window_budget *budget);

/* Of one channel; embedded in it. */
struct window {
	struct window_budget *budget;
	struct window_path *path; /* NULL: it is closed, and the path may go */
	bool grows;		  /* it is for data */
	uint32_t target;	  /* what left and held are to be */
	uint32_t left;		  /* the peer may still send that much */
	uint32_t held;		  /* came, is not consumed */
	uint32_t most_held;	  /* since the question */
	uint64_t came;		  /* since the question, or the answer */
	bool asked;		  /* the question has no answer yet */
	uint64_t asked_at;	  /* or opened at */
};

/*
 * Begins.  grows: for data; else it is small and stays so.  Returns what to
 * give the peer first; that much is promised from here on.
 *
 * What was seen of the path is forgotten from time to time, since paths change,
 * but not while data are on their way, which make every trip longer.
 */
uint32_t window_open(struct window *window, struct window_path *path,
    bool grows, uint64_t now);

/* The peer has opened the channel. */
void window_opened(struct window *window, uint64_t now);

/* len bytes came.  False: more than was promised; nothing has changed then. */
bool window_receive(struct window *window, uint32_t len)
    __attribute__((warn_unused_result));

/* len bytes of them have been consumed. */
void window_consume(struct window *window, uint32_t len);

/*
 * What to give the peer now, which is promised from here on; 0: nothing yet.
 * To be asked after window_consume(), and after window_answered().
 */
uint32_t window_grant(struct window *window);

/* Is a question due?  True once for each: it is to be sent, behind the grants.
 */
bool window_asks(struct window *window, uint64_t now);

/* The answer to the question came. */
void window_answered(struct window *window, uint64_t now);

/* No more comes.  All is given back to the budget but what is held, which is
 * so as it is consumed.  Twice is allowed. */
void window_close(struct window *window);

#endif
