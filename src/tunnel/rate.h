/*
 * Limits in bytes per second: token buckets, and a queue of those that wait for
 * tokens.  Pure: now is in milliseconds of a clock that never goes back.
 */
#ifndef TUNNEL_RATE_H
#define TUNNEL_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

/* A bucket.  It is full at first, and holds the bytes of 100 ms, but at least
 * RATE_BURST. */
#define RATE_BURST (16 * 1024)

struct rate {
	uint64_t per_second; /* 0: no limit */
	uint64_t tokens;     /* bytes */
	uint64_t rest;	     /* thousandths of a byte */
	uint64_t at;	     /* when the tokens were counted */
};

void rate_init(struct rate *rate, uint64_t per_second, uint64_t now);

/* How many bytes may pass now; UINT64_MAX without a limit. */
uint64_t rate_left(struct rate *rate, uint64_t now);

/* So many bytes pass; no more than rate_left() has returned. */
void rate_spend(struct rate *rate, uint64_t bytes);

/* One direction of a data connection, which embeds it. */
struct rate_flow {
	TAILQ_ENTRY(rate_flow) link;
	struct rate *own; /* its session's bucket, besides the queue's */
	size_t wants;	  /* so many bytes, while it waits */
	bool waits;

	/* So many of these bytes may pass now, and their tokens are spent.  In
	 * the call this flow and others may wait again or leave. */
	void (*granted)(struct rate_flow *flow, size_t bytes);
};

/* Flows with one bucket in common. */
struct rate_queue {
	struct rate all;
	TAILQ_HEAD(, rate_flow) waiting;
	size_t n;	/* how many wait */
	uint64_t spare; /* tokens that the last turn has left over */
};

void rate_queue_init(struct rate_queue *queue, uint64_t per_second,
    uint64_t now);

/*
 * Returns how many of so many bytes of a flow may pass at once, and spends
 * their tokens.  While others wait, new tokens are theirs, and only what they
 * have left over is available.
 */
size_t rate_take(struct rate_queue *queue, struct rate_flow *flow, size_t bytes,
    uint64_t now);

/* The flow waits for so many bytes (also if it waited for another number); or
 * waits no longer. */
void rate_wait(struct rate_queue *queue, struct rate_flow *flow, size_t bytes);
void rate_leave(struct rate_queue *queue, struct rate_flow *flow);

/* Shares the tokens that there are now equally among those that wait. */
void rate_turn(struct rate_queue *queue, uint64_t now);

#endif
