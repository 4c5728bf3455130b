/*
 * A transfer command that waits, because it has come before its data
 * connection; and why a transfer was stopped.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/priv.h"

struct transfer_wait {
	struct task task;
	unsigned seconds;
	size_t len;
	uint8_t *line;
};

const char *
task_stop_text(enum task_stop why)
{
	static const char *const texts[] = {
		[TASK_ABORTED] = "The transfer was aborted",
		[TASK_DATA_LOST] = "The data connection was lost",
		[TASK_CONTROL_LOST] = "The control connection was lost",
		[TASK_FAILED] = "The SSH connection was lost",
	};

	return texts[why];
}

static void
transfer_wait_free(struct task *task)
{
	free(((struct transfer_wait *)task)->line);
	free(task);
}

static void
transfer_wait_fail(struct gateway *gateway, const char *text)
{
	gateway_data_reset_it(gateway);
	task_end(gateway);
	gateway->restart = 0;
	gateway_finish(gateway, "425 %s.", text);
}

static void
transfer_wait_stop(struct task *task, enum task_stop why)
{
	transfer_wait_fail(task->gateway,
	    why == TASK_DATA_LOST ? "The data connection was not made" :
				    task_stop_text(why));
}

static void
transfer_wait_tick(struct task *task)
{
	struct transfer_wait *wait = (struct transfer_wait *)task;

	if (++wait->seconds > LIMIT_GATEWAY_DATA_S)
		transfer_wait_fail(task->gateway,
		    "The data connection was not made");
}

static void
transfer_wait_over(struct task *task)
{
	struct transfer_wait *wait = (struct transfer_wait *)task;
	struct gateway *gateway = task->gateway;
	uint8_t *line = wait->line;
	size_t len = wait->len;

	wait->line = NULL;
	task_end(gateway);
	commands_run(gateway, line, len);
	free(line);
}

bool
transfer_must_wait(struct gateway *gateway, const uint8_t *line, size_t len)
{
	static const struct task_ops ops = {
		.data_up = transfer_wait_over,
		.tick = transfer_wait_tick,
		.stop = transfer_wait_stop,
		.free = transfer_wait_free,
	};
	struct transfer_wait *wait;
	uint8_t *copy;

	if (gateway->data != DATA_LISTENING)
		return false;
	wait = calloc(1, sizeof(*wait));
	copy = malloc(len);
	if (wait == NULL || copy == NULL) {
		free(wait);
		free(copy);
		return false;
	}
	memcpy(copy, line, len);
	wait->line = copy;
	wait->len = len;
	task_begin(gateway, &wait->task, &ops);
	return true;
}
