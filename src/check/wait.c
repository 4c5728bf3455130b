/*
 * How culvert check waits.
 */
#include "check/wait.h"

#include "limits.h"

void
wait_init(struct wait *wait, uv_loop_t *loop, uint64_t connect_s)
{
	const uint64_t connect =
	    connect_s > 0 ? connect_s * 1000 : LIMIT_CHECK_CONNECT_MS;

	*wait = (struct wait) { .loop = loop };
	wait->times = (struct wait_times) {
		.connect = connect,
		.greeting =
		    connect * LIMIT_CHECK_GREETING_MS / LIMIT_CHECK_CONNECT_MS,
		.sshd = connect * LIMIT_CHECK_SSHD_MS / LIMIT_CHECK_CONNECT_MS,
		.reply =
		    connect * LIMIT_CHECK_REPLY_MS / LIMIT_CHECK_CONNECT_MS,
		.listing =
		    connect * LIMIT_CHECK_LISTING_MS / LIMIT_CHECK_CONNECT_MS,
		.login = LIMIT_CHECK_SSH_MS,
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
	/* The loop may have stood still, while a user typed a password. */
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
