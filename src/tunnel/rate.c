/*
 * Token buckets, and how flows share one.
 */
#include "tunnel/rate.h"

/* After this time every bucket is full: no need to count a longer one. */
#define LONGEST_MS 100000

/* ---- a bucket ---- */

static uint64_t
rate_capacity(const struct rate *rate)
{
	uint64_t tenth = rate->per_second / 10;

	return tenth > RATE_BURST ? tenth : RATE_BURST;
}

void
rate_init(struct rate *rate, uint64_t per_second, uint64_t now)
{
	*rate = (struct rate) { .per_second = per_second, .at = now };
	rate->tokens = rate_capacity(rate);
}

uint64_t
rate_left(struct rate *rate, uint64_t now)
{
	uint64_t ms = now - rate->at, parts;

	if (rate->per_second == 0)
		return UINT64_MAX;
	if (ms > LONGEST_MS)
		ms = LONGEST_MS;
	parts = ms * rate->per_second + rate->rest;
	rate->at = now;
	rate->rest = parts % 1000;
	rate->tokens += parts / 1000;
	if (rate->tokens > rate_capacity(rate))
		rate->tokens = rate_capacity(rate);
	return rate->tokens;
}

void
rate_spend(struct rate *rate, uint64_t bytes)
{
	if (rate->per_second > 0)
		rate->tokens -= bytes;
}

/* ---- the queue ---- */

void
rate_queue_init(struct rate_queue *queue, uint64_t per_second, uint64_t now)
{
	*queue = (struct rate_queue) { .n = 0 };
	rate_init(&queue->all, per_second, now);
	TAILQ_INIT(&queue->waiting);
}

static uint64_t
rate_smaller(uint64_t one, uint64_t other)
{
	return one < other ? one : other;
}

size_t
rate_take(struct rate_queue *queue, struct rate_flow *flow, size_t bytes,
    uint64_t now)
{
	uint64_t may = rate_left(&queue->all, now);

	if (queue->n > 0)
		may = rate_smaller(may, queue->spare);
	may = rate_smaller(may, rate_left(flow->own, now));
	may = rate_smaller(may, bytes);
	rate_spend(&queue->all, may);
	rate_spend(flow->own, may);
	if (queue->n > 0)
		queue->spare -= may;
	return (size_t)may;
}

void
rate_wait(struct rate_queue *queue, struct rate_flow *flow, size_t bytes)
{
	flow->wants = bytes;
	if (flow->waits)
		return;
	if (queue->n == 0)
		queue->spare = 0;
	flow->waits = true;
	TAILQ_INSERT_TAIL(&queue->waiting, flow, link);
	queue->n++;
}

void
rate_leave(struct rate_queue *queue, struct rate_flow *flow)
{
	if (!flow->waits)
		return;
	flow->waits = false;
	TAILQ_REMOVE(&queue->waiting, flow, link);
	queue->n--;
}

/* Gives the first flow of the queue its equal share of left, and moves it to
 * the end.  n: how many flows, with this one, the turn has not served yet. */
static void
serve(struct rate_queue *queue, uint64_t left, size_t n, uint64_t now)
{
	struct rate_flow *flow = TAILQ_FIRST(&queue->waiting);
	uint64_t part = left / n;

	/* If there is less than a byte for each, the others get theirs in the
	 * next turn. */
	if (part == 0)
		part = 1;
	part = rate_smaller(part, flow->wants);
	part = rate_smaller(part, rate_left(flow->own, now));
	rate_spend(&queue->all, part);
	rate_spend(flow->own, part);
	rate_leave(queue, flow);
	if (part < flow->wants)
		rate_wait(queue, flow, flow->wants - (size_t)part);
	if (part > 0)
		flow->granted(flow, (size_t)part);
}

void
rate_turn(struct rate_queue *queue, uint64_t now)
{
	uint64_t left = 0;

	for (size_t n = queue->n; n > 0 && queue->n > 0; n--) {
		left = rate_left(&queue->all, now);
		if (left == 0)
			break;
		serve(queue, left, n, now);
	}
	queue->spare = queue->n > 0 ? rate_left(&queue->all, now) : 0;
}
