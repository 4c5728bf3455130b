/*
 * Bytes a second: token buckets, and who of those that wait gets how much.  It
 * reads no clock: now is in milliseconds of one that never goes back.
 */
#ifndef TUNNEL_RATE_H
#define TUNNEL_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

/* A bucket.  It is full at first, and holds what comes in 100 ms, but at least
 * RATE_BURST. */
#define RATE_BURST (16 * 1024)

struct rate {
	uint64_t per_second; /* 0: no limit */
	uint64_t tokens;     /* bytes */
	uint64_t rest;	     /* thousandths of one */
	uint64_t at;	     /* when they were counted */
};

void rate_init(struct rate *rate, uint64_t per_second, uint64_t now);

/* How many bytes may go now; UINT64_MAX without a limit. */
uint64_t rate_left(struct rate *rate, uint64_t now);

/* They went; no more than were left. */
void rate_spend(struct rate *rate, uint64_t bytes);

/* One direction of a data connection; embedded there. */
struct rate_flow {
	TAILQ_ENTRY(rate_flow) link;
	struct rate *own; /* of its session, besides the queue's */
	size_t wants;	  /* bytes, while it waits */
	bool waits;

	/* bytes of those that it wants may go now, and are spent.  It may
	 * wait again, and leave, in the call; so may others. */
	void (*granted)(struct rate_flow *flow, size_t bytes);
};

/* Flows with one bucket in common. */
struct rate_queue {
	struct rate all;
	TAILQ_HEAD(, rate_flow) waiting;
	size_t n;	/* of them */
	uint64_t spare; /* what the last turn has left of the bucket */
};

void rate_queue_init(struct rate_queue *queue, uint64_t per_second,
    uint64_t now);

/*
 * How many of so many bytes of a flow may go at once; they are spent.  As long
 * as others wait those have what comes, and only what they have left is to be
 * had.
 */
size_t rate_take(struct rate_queue *queue, struct rate_flow *flow, size_t bytes,
    uint64_t now);

/* It waits for so many (instead of as many as it did); or no longer. */
void rate_wait(struct rate_queue *queue, struct rate_flow *flow, size_t bytes);
void rate_leave(struct rate_queue *queue, struct rate_flow *flow);

/* Time has passed: what there is goes to those that wait, to each the same. */
void rate_turn(struct rate_queue *queue, uint64_t now);

#endif
