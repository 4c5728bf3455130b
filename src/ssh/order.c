/*
 * The order of ciphers that a link asks for.
 */
#include "ssh/order.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "limits.h"
#include "ssh/ciphers.h"
#include "ssh/master.h"

/* One ssh -G. */
struct order_run {
	struct order *order;
	uv_process_t process;
	uv_poll_t poll; /* of fd */
	int fd;		/* its standard output */
	bool running;
	bool good; /* it has ended with 0 */
	char text[LIMIT_SSH_CONFIG];
	size_t len;
};

/* The user's configuration, and none. */
#define ORDER_RUNS 2

struct order {
	uv_loop_t *loop;
	order_cb *done;
	void *ctx;
	uv_timer_t timer;
	bool late;
	unsigned int running;
	unsigned int open_handles; /* that uv_close() has still to end */
	struct order_run runs[ORDER_RUNS];
};

/* ---- its end ---- */

static void
order_handle_closed(uv_handle_t *handle)
{
	struct order *order = handle->data;

	if (--order->open_handles == 0)
		free(order);
}

void
order_free(struct order *order)
{
	uv_handle_t *handles[1 + 2 * ORDER_RUNS];
	size_t n = 0;

	if (order == NULL)
		return;
	assert(order->running == 0);
	handles[n++] = (uv_handle_t *)&order->timer;
	for (size_t i = 0; i < ORDER_RUNS; i++) {
		handles[n++] = (uv_handle_t *)&order->runs[i].process;
		handles[n++] = (uv_handle_t *)&order->runs[i].poll;
		cleanup_fd(&order->runs[i].fd);
	}
	for (size_t i = 0; i < n; i++) {
		/* Those that did not get so far have no data. */
		if (handles[i]->data == NULL)
			continue;
		handles[i]->data = order;
		order->open_handles++;
		uv_close(handles[i], order_handle_closed);
	}
}

/* What came of it: a list, or NULL and *ret_why. */
static const char *
order_result(const struct order *order, char list[LIMIT_SSH_CIPHERS],
    const char **ret_why)
{
	char configured[LIMIT_SSH_CIPHERS], own[LIMIT_SSH_CIPHERS];
	const struct order_run *runs = order->runs;

	if (order->late)
		*ret_why = "ssh -G took too long";
	else if (!runs[0].good || !runs[1].good)
		*ret_why = "ssh -G failed";
	else if (ciphers_find(runs[0].text, runs[0].len, configured) != 0 ||
	    ciphers_find(runs[1].text, runs[1].len, own) != 0)
		*ret_why = "ssh -G names no ciphers";
	else if (strcmp(configured, own) != 0)
		*ret_why = "it is configured";
	else if (!ciphers_reorder(own, list))
		*ret_why = "it is right";
	else
		return list;
	return NULL;
}

static void
order_end(struct order *order)
{
	char list[LIMIT_SSH_CIPHERS];
	const char *why = NULL;
	const char *result = order_result(order, list, &why);

	uv_timer_stop(&order->timer);
	order->done(order->ctx, result, why);
}

static void
order_kill(struct order *order)
{
	for (size_t i = 0; i < ORDER_RUNS; i++) {
		if (order->runs[i].running)
			kill(-order->runs[i].process.pid, SIGKILL);
	}
}

void
order_stop(struct order *order)
{
	order_kill(order);
}

static void
order_late(uv_timer_t *timer)
{
	struct order *order = timer->data;

	order->late = true;
	order_kill(order);
}

/* ---- one ssh -G ---- */

/* Takes what is in the pipe.  False when no more is wanted. */
static bool
run_read(struct order_run *run)
{
	ssize_t n;

	for (;;) {
		n = read(run->fd, run->text + run->len,
		    sizeof(run->text) - run->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n <= 0) /* its end; or the text is full */
			return false;
		run->len += (size_t)n;
	}
}

static void
run_ready(uv_poll_t *poll, int status, int events)
{
	struct order_run *run = poll->data;

	(void)events;
	if (status < 0 || !run_read(run))
		uv_poll_stop(poll);
	/* It may wait for ever for a reader. */
	if (run->len == sizeof(run->text) && run->running)
		kill(-run->process.pid, SIGKILL);
}

static void
run_exited(uv_process_t *process, int64_t status, int signal)
{
	struct order_run *run = process->data;
	struct order *order = run->order;

	run->running = false;
	/* Not to the end of the pipe: others may have it still. */
	uv_poll_stop(&run->poll);
	run_read(run);
	run->good = status == 0 && signal == 0 && run->len < sizeof(run->text);
	if (--order->running == 0)
		order_end(order);
}

static int
run_start(struct order_run *run, const char **argv)
{
	struct order *order = run->order;
	CLEANUP(cleanup_fd) int out = -1;
	uv_stdio_container_t stdio[3] = { { .flags = UV_IGNORE },
		{ .flags = UV_INHERIT_FD }, { .flags = UV_IGNORE } };
	uv_process_options_t options = {
		.file = "/proc/self/exe",
		.args = (char **)(uintptr_t)argv,
		.flags = UV_PROCESS_DETACHED, /* a session of its own */
		.stdio = stdio,
		.stdio_count = 3,
		.exit_cb = run_exited,
	};
	int fds[2];
	int err;

	if (pipe2(fds, O_CLOEXEC) != 0)
		return -errno;
	run->fd = fds[0];
	out = fds[1];
	if (fcntl(run->fd, F_SETFL, O_NONBLOCK) != 0)
		return -errno;
	err = uv_poll_init(order->loop, &run->poll, run->fd);
	if (err != 0)
		return err;
	run->poll.data = run;
	err = uv_poll_start(&run->poll, UV_READABLE, run_ready);
	if (err != 0)
		return err;
	stdio[1].data.fd = out;
	err = uv_spawn(order->loop, &run->process, &options);
	/* The handle is to be closed in either case. */
	run->process.data = run;
	if (err != 0) {
		uv_poll_stop(&run->poll);
		return err;
	}
	run->running = true;
	order->running++;
	return 0;
}

/* ---- order.h ---- */

static int
order_start(struct order *order, const struct link_options *options)
{
	static const char *const question[] = { "-G", NULL };
	char ppid[16];
	const char *own[] = { "culvert", MASTER_EXEC_ARGUMENT, ppid,
		options->program, "-F", "none", "-G", "--", "host.invalid",
		NULL };
	const char **configured;
	int err;

	snprintf(ppid, sizeof(ppid), "%d", (int)getpid());
	configured = master_argv(options, ppid, question);
	if (configured == NULL)
		return -ENOMEM;
	err = run_start(&order->runs[0], configured);
	free(configured);
	if (err == 0)
		err = run_start(&order->runs[1], own);
	return err;
}

int
order_ask(uv_loop_t *loop, const struct link_options *options, order_cb *done,
    void *ctx, struct order **ret)
{
	struct order *order;
	int err;

	if (!ciphers_cpu_has_aes())
		return -ENOTSUP;
	order = calloc(1, sizeof(*order));
	if (order == NULL)
		return -ENOMEM;
	order->loop = loop;
	order->done = done;
	order->ctx = ctx;
	for (size_t i = 0; i < ORDER_RUNS; i++) {
		order->runs[i].order = order;
		order->runs[i].fd = -1;
	}
	uv_timer_init(loop, &order->timer);
	order->timer.data = order;
	uv_timer_start(&order->timer, order_late, LIMIT_SSH_CONFIG_MS, 0);
	err = order_start(order, options);
	if (order->running == 0) {
		order_free(order);
		return err;
	}
	if (err != 0) /* one of them is enough to wait for, not to know */
		order_kill(order);
	*ret = order;
	return 0;
}
