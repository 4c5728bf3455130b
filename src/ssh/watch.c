/*
 * Watches whether the ssh of a link still answers.
 */
#include "ssh/watch.h"

#include <stdlib.h>

/* So many periods a question may be open. */
#define WATCH_PERIODS 3

struct watch {
	uv_timer_t timer;
	struct link *link;
	watch_cb *silent;
	void *ctx;
	struct link_alive *check; /* the open question, or NULL */
	unsigned int waited;	  /* periods */
};

/* Of its end others tell the link. */
static void
watch_on_answer(void *ctx, bool alive)
{
	struct watch *watch = ctx;

	(void)alive;
	watch->check = NULL;
}

static void
watch_on_period(uv_timer_t *timer)
{
	struct watch *watch = timer->data;

	if (watch->check == NULL) {
		watch->waited = 0;
		watch->check =
		    link_alive_check(watch->link, watch_on_answer, watch);
		return;
	}
	if (++watch->waited < WATCH_PERIODS)
		return;
	uv_timer_stop(&watch->timer);
	watch->silent(watch->ctx);
}

struct watch *
watch_new(uv_loop_t *loop, struct link *link, uint64_t period_ms,
    watch_cb *silent, void *ctx)
{
	struct watch *watch = calloc(1, sizeof(*watch));

	if (watch == NULL)
		return NULL;
	watch->link = link;
	watch->silent = silent;
	watch->ctx = ctx;
	uv_timer_init(loop, &watch->timer);
	watch->timer.data = watch;
	uv_timer_start(&watch->timer, watch_on_period, period_ms, period_ms);
	uv_unref((uv_handle_t *)&watch->timer);
	return watch;
}

static void
watch_on_freed(uv_handle_t *handle)
{
	free(handle->data);
}

void
watch_free(struct watch *watch)
{
	if (watch == NULL)
		return;
	link_alive_cancel(watch->check);
	uv_close((uv_handle_t *)&watch->timer, watch_on_freed);
}
