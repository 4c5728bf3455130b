/*
 * An ssh that the monitor runs.
 */
#include "ssh/run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"

/* The most reads at a time; together they read more than a pipe holds. */
#define SSH_RUN_READS 64

struct ssh_run {
	uv_poll_t poll; /* of fd */
	int fd;		/* to read what it writes */
	struct monitor *monitor;
	uint32_t number; /* the monitor's for the process */
	const struct ssh_run_handler *handler;
	void *ctx;
};

/* Passes on what is in the pipe, but only so much at a time that an endless
 * writer does not hold up the loop. */
static void
ssh_run_read(struct ssh_run *run)
{
	char bytes[4096];
	ssize_t n = 1;

	for (int i = 0; i < SSH_RUN_READS && n > 0; i++) {
		do
			n = read(run->fd, bytes, sizeof(bytes));
		while (n < 0 && errno == EINTR);
		if (n > 0)
			run->handler->wrote(run->ctx, bytes, (size_t)n);
	}
	if (n == 0 || (n < 0 && errno != EAGAIN))
		uv_poll_stop(&run->poll);
}

static void
ssh_run_on_ready(uv_poll_t *poll, int status, int events)
{
	if (status < 0)
		uv_poll_stop(poll);
	else
		ssh_run_read(poll->data);
}

static void
ssh_run_on_ended(void *ctx, const struct monitor_end *end)
{
	struct ssh_run *run = ctx;

	/* Does not wait for the end of the pipe: a process that ssh has
	 * started, such as a ProxyCommand, may keep it open. */
	uv_poll_stop(&run->poll);
	ssh_run_read(run);
	run->handler->ended(run->ctx, end);
}

int
ssh_run_start(uv_loop_t *loop, struct monitor *monitor,
    const struct cmdline *cmdline, const struct ssh_run_handler *handler,
    void *ctx, struct ssh_run **ret)
{
	struct ssh_run *run = calloc(1, sizeof(*run));
	CLEANUP(cleanup_fd) int output = -1;
	int fds[2];
	int err;

	if (run == NULL)
		return -ENOMEM;
	run->monitor = monitor;
	run->handler = handler;
	run->ctx = ctx;
	if (pipe2(fds, O_CLOEXEC) != 0) {
		err = -errno;
		free(run);
		return err;
	}
	run->fd = fds[0];
	output = fds[1];
	err = uv_poll_init(loop, &run->poll, run->fd);
	if (err != 0) {
		close(run->fd);
		free(run);
		return err;
	}
	run->poll.data = run;
	err = uv_poll_start(&run->poll, UV_READABLE, ssh_run_on_ready);
	if (err == 0)
		err = monitor_start(monitor, cmdline, output, ssh_run_on_ended,
		    run, &run->number);
	if (err != 0)
		ssh_run_free(run);
	else
		*ret = run;
	return err;
}

void
ssh_run_signal(const struct ssh_run *run, int signum)
{
	monitor_signal(run->monitor, run->number, signum);
}

static void
ssh_run_on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void
ssh_run_free(struct ssh_run *run)
{
	if (run == NULL)
		return;
	uv_close((uv_handle_t *)&run->poll, ssh_run_on_closed);
	close(run->fd);
}
