/*
 * The rate of a tunnel's data connections.
 */
#include "tunnel/throttle.h"

#include <assert.h>
#include <stdlib.h>

/* How often tokens are shared: five times in the 100 ms that a bucket holds. */
#define TURN_MS 20

struct throttle {
	struct rate_queue queue;
	uv_timer_t timer; /* runs while somebody waits */
};

static void
throttle_on_turn(uv_timer_t *timer)
{
	struct throttle *throttle = timer->data;

	rate_turn(&throttle->queue, uv_now(timer->loop));
	if (throttle->queue.n == 0)
		uv_timer_stop(timer);
}

struct throttle *
throttle_new(uv_loop_t *loop, uint64_t per_second)
{
	struct throttle *throttle = calloc(1, sizeof(*throttle));

	if (throttle == NULL)
		return NULL;
	rate_queue_init(&throttle->queue, per_second, uv_now(loop));
	uv_timer_init(loop, &throttle->timer);
	throttle->timer.data = throttle;
	return throttle;
}

static void
throttle_on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void
throttle_free(struct throttle *throttle)
{
	if (throttle == NULL)
		return;
	assert(throttle->queue.n == 0);
	uv_close((uv_handle_t *)&throttle->timer, throttle_on_closed);
}

size_t
throttle_take(struct throttle *throttle, struct rate_flow *flow, size_t bytes)
{
	return rate_take(&throttle->queue, flow, bytes,
	    uv_now(throttle->timer.loop));
}

void
throttle_wait(struct throttle *throttle, struct rate_flow *flow, size_t bytes)
{
	rate_wait(&throttle->queue, flow, bytes);
	if (!uv_is_active((uv_handle_t *)&throttle->timer))
		uv_timer_start(&throttle->timer, throttle_on_turn, TURN_MS,
		    TURN_MS);
}

void
throttle_leave(struct throttle *throttle, struct rate_flow *flow)
{
	rate_leave(&throttle->queue, flow);
}
