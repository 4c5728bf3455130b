/*
 * How culvert check waits.
 */
#include "check/wait.h"

#include "limits.h"

static uint64_t
wait_ms(uint64_t ms, uint64_t connect_s)
{
	return connect_s == 0 ? ms :
				ms * connect_s * 1000 / LIMIT_CHECK_CONNECT_MS;
}

void
wait_init(struct wait *wait, uv_loop_t *loop, uint64_t connect_s)
{
	*wait = (struct wait) {
		.loop = loop,
		.times = {
			.connect = wait_ms(LIMIT_CHECK_CONNECT_MS, connect_s),
			.greeting = wait_ms(LIMIT_CHECK_GREETING_MS, connect_s),
			.sshd = wait_ms(LIMIT_CHECK_SSHD_MS, connect_s),
			.reply = wait_ms(LIMIT_CHECK_REPLY_MS, connect_s),
			.listing = wait_ms(LIMIT_CHECK_LISTING_MS, connect_s),
			.settle = wait_ms(LIMIT_CHECK_SETTLE_MS, connect_s),
			.login = LIMIT_CHECK_SSH_MS,
		},
	};
	uv_timer_init(loop, &wait->timer);
	wait->timer.data = wait;
}

static void
wait_on_late(uv_timer_t *timer)
{
	struct wait *wait = timer->data;

	wait->late = true;
}

void
wait_begin(struct wait *wait, uint64_t ms)
{
	wait->late = false;
	/* The loop may not have run while a user typed a password. */
	uv_update_time(wait->loop);
	uv_timer_start(&wait->timer, wait_on_late, ms, 0);
}

bool
wait_more(struct wait *wait)
{
	if (!wait->over && !wait->late)
		uv_run(wait->loop, UV_RUN_ONCE);
	return !wait->over && !wait->late;
}

void
wait_end(struct wait *wait)
{
	wait->over = true;
	uv_close((uv_handle_t *)&wait->timer, NULL);
}
