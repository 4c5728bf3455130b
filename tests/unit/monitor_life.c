/*
 * The begin and the end of a monitor.
 */
#include "monitor_life.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

void
monitor_life_begin(struct monitor **monitor, uv_loop_t *loop,
    const struct monitor_options *options, monitor_lost_cb *lost, void *ctx)
{
	assert_int_equal(monitor_fork(options, monitor), 0);
	assert_int_equal(monitor_attach(*monitor, loop, lost, ctx), 0);
}

void
monitor_life_end(struct monitor **monitor, uv_loop_t *loop)
{
	if (*monitor == NULL)
		return;
	monitor_detach(*monitor);
	for (size_t i = 0; i < 2; i++) /* for the handle */
		uv_run(loop, UV_RUN_NOWAIT);
	monitor_free(*monitor);
	*monitor = NULL;
}

void
monitor_life_renew(struct monitor **monitor, uv_loop_t *loop,
    struct link_options *options, monitor_lost_cb *lost, void *ctx)
{
	const struct monitor_options all = { .first = options, .n = 1 };

	monitor_life_end(monitor, loop);
	monitor_life_begin(monitor, loop, &all, lost, ctx);
	options->monitor = *monitor;
}
