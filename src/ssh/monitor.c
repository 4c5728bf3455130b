/*
 * The main process's end of the monitor: its start, requests and answers.
 */
#include "ssh/monitor.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fds.h"
#include "base/log.h"
#include "ssh/monitor_priv.h"

/* A process that was started and has not ended. */
struct monitor_process {
	uint32_t number; /* 0: none */
	monitor_ended_cb *ended;
	void *ctx;
};

struct monitor {
	size_t n; /* destinations */
	pid_t pid;
	int fd;
	char directory[PRIVDIR_MAX];
	uv_poll_t poll; /* of fd */
	bool attached;
	bool gone;
	monitor_lost_cb *lost;
	void *ctx;
	monitor_read_cb *read; /* waits for an answer; or NULL */
	void *read_ctx;
	int log;		/* from monitor_hello, or -1 */
	monitor_log_cb *opened; /* waits for an answer; or NULL */
	void *opened_ctx;
	uint32_t last_number;
	unsigned int running;
	struct monitor_process processes[MONITOR_PROCESSES_MAX];
};

/* ---- the fork ---- */

/* Waits for the first packet of the monitor.  0 or a negative errno. */
static int
monitor_read_hello(struct monitor *monitor)
{
	struct monitor_hello hello;
	ssize_t n;

	do
		n = fds_receive(monitor->fd, &hello, sizeof(hello),
		    &monitor->log);
	while (n == -EINTR);
	if (n != sizeof(hello)) {
		log_err("cannot start the monitor process");
		return -EPIPE;
	}
	hello.text[sizeof(hello.text) - 1] = '\0';
	if (hello.err != 0)
		log_err("%s", hello.text);
	else if (hello.text[0] != '\0')
		log_warn("%s", hello.text);
	memcpy(monitor->directory, hello.directory, sizeof(hello.directory));
	return hello.err;
}

int
monitor_fork(const struct monitor_options *options, struct monitor **ret)
{
	struct monitor *monitor = calloc(1, sizeof(*monitor));
	int fds[2] = { -1, -1 };
	int err = 0;

	if (monitor != NULL) {
		monitor->n = options->n;
		monitor->log = -1;
	}
	if (monitor == NULL ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0 ||
	    (monitor->pid = fork()) < 0) {
		err = -errno;
		log_err("cannot start the monitor process: %s", strerror(-err));
		cleanup_fd(&fds[0]);
		cleanup_fd(&fds[1]);
		free(monitor);
		return err;
	}
	if (monitor->pid == 0) {
		close(fds[0]); /* else it would never see EOF */
		monitor_main(fds[1], options);
	}
	close(fds[1]);
	monitor->fd = fds[0];
	err = monitor_read_hello(monitor);
	if (err == 0 && fcntl(monitor->fd, F_SETFL, O_NONBLOCK) != 0)
		err = -errno;
	if (err != 0) {
		monitor_free(monitor);
		return err;
	}
	*ret = monitor;
	return 0;
}

const char *
monitor_directory(const struct monitor *monitor)
{
	return monitor->directory;
}

pid_t
monitor_pid(const struct monitor *monitor)
{
	return monitor->pid;
}

unsigned int
monitor_running(const struct monitor *monitor)
{
	return monitor->running;
}

void
monitor_free(struct monitor *monitor)
{
	if (monitor == NULL)
		return;
	assert(!monitor->attached);
	cleanup_fd(&monitor->fd);
	cleanup_fd(&monitor->log);
	while (waitpid(monitor->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(monitor);
}

/* ---- its answers ---- */

static struct monitor_process *
monitor_find(struct monitor *monitor, uint32_t number)
{
	for (size_t i = 0; i < MONITOR_PLACES(monitor->n); i++)
		if (monitor->processes[i].number == number)
			return &monitor->processes[i];
	return NULL;
}

/* Keeps the loop running while a process runs. */
static void
monitor_count(struct monitor *monitor, bool one_more)
{
	monitor->running += one_more ? 1 : -1U;
	if (!monitor->attached)
		return;
	if (monitor->running > 0)
		uv_ref((uv_handle_t *)&monitor->poll);
	else
		uv_unref((uv_handle_t *)&monitor->poll);
}

static void
monitor_ended(struct monitor *monitor, struct monitor_process *process,
    const struct monitor_end *end)
{
	struct monitor_process ended = *process;

	*process = (struct monitor_process) { .number = 0 };
	monitor_count(monitor, false);
	ended.ended(ended.ctx, end);
}

static void
monitor_gone(struct monitor *monitor)
{
	const struct monitor_end end = { .err = -EPIPE };

	monitor->gone = true;
	uv_poll_stop(&monitor->poll);
	monitor->lost(monitor->ctx);
	for (size_t i = 0; i < MONITOR_PLACES(monitor->n); i++)
		if (monitor->processes[i].number != 0)
			monitor_ended(monitor, &monitor->processes[i], &end);
}

static void
monitor_has_read(struct monitor *monitor, int err, int fd)
{
	monitor_read_cb *done = monitor->read;
	char *bytes = fd < 0 ? NULL : malloc(LIMIT_CONFIG);
	size_t len = 0;
	ssize_t n = 1;

	monitor->read = NULL;
	while (bytes != NULL && len < LIMIT_CONFIG && n > 0) {
		n = read(fd, bytes + len, LIMIT_CONFIG - len);
		len += n > 0 ? (size_t)n : 0;
	}
	if (done != NULL)
		done(monitor->read_ctx,
		    err == 0 && bytes == NULL ? -ENOMEM : err, bytes, len);
	free(bytes);
}

/* fd: the descriptor that came with the answer, or -1.  The caller closes it,
 * unless this sets it to -1. */
static void
monitor_answered(struct monitor *monitor, const struct monitor_answer *answer,
    int *fd)
{
	const struct monitor_end end = { answer->err, answer->status,
		answer->signal };
	struct monitor_process *process;
	monitor_log_cb *opened = monitor->opened;

	if (answer->type == MONITOR_READ) {
		monitor_has_read(monitor, answer->err, *fd);
	} else if (answer->type == MONITOR_OPEN_LOG) {
		monitor->opened = NULL;
		if (opened != NULL)
			opened(monitor->opened_ctx,
			    answer->err != 0 ? answer->err : steal_fd(fd));
	} else if (answer->number != 0) {
		process = monitor_find(monitor, answer->number);
		if (process != NULL)
			monitor_ended(monitor, process, &end);
	}
}

static void
monitor_ready(uv_poll_t *poll, int status, int events)
{
	struct monitor *monitor = poll->data;
	struct monitor_answer answer;
	ssize_t n;

	while (monitor->attached) {
		CLEANUP(cleanup_fd) int fd = -1;

		n = fds_receive(monitor->fd, &answer, sizeof(answer), &fd);
		if (n == -EINTR)
			continue;
		/* When memory is short the answer stays in the socket. */
		if (n == -EAGAIN || n == -ENOMEM)
			return;
		if (n != sizeof(answer)) {
			monitor_gone(monitor);
			return;
		}
		monitor_answered(monitor, &answer, &fd);
	}
}

int
monitor_attach(struct monitor *monitor, uv_loop_t *loop, monitor_lost_cb *lost,
    void *ctx)
{
	int err = uv_poll_init(loop, &monitor->poll, monitor->fd);

	if (err != 0)
		return err;
	monitor->poll.data = monitor;
	monitor->attached = true;
	monitor->lost = lost;
	monitor->ctx = ctx;
	uv_unref((uv_handle_t *)&monitor->poll);
	return uv_poll_start(&monitor->poll, UV_READABLE, monitor_ready);
}

void
monitor_detach(struct monitor *monitor)
{
	if (!monitor->attached)
		return;
	monitor->attached = false;
	uv_close((uv_handle_t *)&monitor->poll, NULL);
}

/* ---- requests ---- */

/* fd: a descriptor to pass with the request, or -1.  0 or a negative errno. */
static int
monitor_send(const struct monitor *monitor, struct monitor_request *request,
    int fd)
{
	struct pollfd room = { .fd = monitor->fd, .events = POLLOUT };
	int err = -EPIPE;

	if (!monitor->gone)
		err = fds_send(monitor->fd, request, sizeof(*request), fd);
	/* When many destinations start, the socket fills up.  The monitor
	 * needs about a millisecond for each request. */
	while (err == -EAGAIN && poll(&room, 1, LIMIT_MONITOR_REQUEST_MS) == 1)
		err = fds_send(monitor->fd, request, sizeof(*request), fd);
	return err;
}

int
monitor_read(struct monitor *monitor, monitor_read_cb *done, void *ctx)
{
	struct monitor_request request = { .type = MONITOR_READ };
	int err = -EBUSY;

	if (monitor->read == NULL)
		err = monitor_send(monitor, &request, -1);
	if (err == 0) {
		monitor->read = done;
		monitor->read_ctx = ctx;
	}
	return err;
}

int
monitor_take_log(struct monitor *monitor)
{
	return steal_fd(&monitor->log);
}

int
monitor_open_log(struct monitor *monitor, monitor_log_cb *done, void *ctx)
{
	struct monitor_request request = { .type = MONITOR_OPEN_LOG };
	int err = -EBUSY;

	if (monitor->opened == NULL)
		err = monitor_send(monitor, &request, -1);
	if (err == 0) {
		monitor->opened = done;
		monitor->opened_ctx = ctx;
	}
	return err;
}

int
monitor_leave_terminal(struct monitor *monitor)
{
	struct monitor_request request = { .type = MONITOR_LEAVE_TERMINAL };

	return monitor_send(monitor, &request, -1);
}

int
monitor_use(struct monitor *monitor, size_t to, const char *name)
{
	struct monitor_request request = {
		.type = MONITOR_USE,
		.to = (uint32_t)to,
	};
	int err;

	if (to >= LIMIT_DESTINATIONS)
		return -EINVAL;
	snprintf(request.name, sizeof(request.name), "%s", name);
	err = monitor_send(monitor, &request, -1);
	if (err == 0 && to >= monitor->n)
		monitor->n = to + 1;
	return err;
}

/* Numbers and sends a request that starts a process. */
static int
monitor_begin(struct monitor *monitor, struct monitor_request *request, int fd,
    monitor_ended_cb *ended, void *ctx, uint32_t *ret_number)
{
	struct monitor_process *process = monitor_find(monitor, 0);
	int err;

	if (process == NULL)
		return -EAGAIN;
	do
		request->number = ++monitor->last_number;
	while (request->number == 0 ||
	    monitor_find(monitor, request->number) != NULL);
	err = monitor_send(monitor, request, fd);
	if (err != 0)
		return err;
	*process = (struct monitor_process) { request->number, ended, ctx };
	monitor_count(monitor, true);
	*ret_number = request->number;
	return 0;
}

int
monitor_start(struct monitor *monitor, const struct cmdline *cmdline,
    int output, monitor_ended_cb *ended, void *ctx, uint32_t *ret_number)
{
	struct monitor_request request = {
		.type = MONITOR_START,
		.kind = cmdline->kind,
		.to = (uint32_t)cmdline->to,
		.link = (uint32_t)cmdline->link,
		.timeouts = cmdline->timeouts,
	};

	if (cmdline->account != NULL)
		request.account = *cmdline->account;
	if (cmdline->ciphers != NULL)
		snprintf(request.ciphers, sizeof(request.ciphers), "%s",
		    cmdline->ciphers);
	return monitor_begin(monitor, &request, output, ended, ctx, ret_number);
}

int
monitor_start_metrics(struct monitor *monitor, int listener,
    monitor_ended_cb *ended, void *ctx, uint32_t *ret_number)
{
	struct monitor_request request = { .type = MONITOR_START_METRICS };

	return monitor_begin(monitor, &request, listener, ended, ctx,
	    ret_number);
}

void
monitor_signal(struct monitor *monitor, uint32_t number, int signum)
{
	struct monitor_request request = {
		.type = MONITOR_SIGNAL,
		.number = number,
		.signum = signum,
	};

	/* If that fails, the monitor has ended, and the process with it. */
	monitor_send(monitor, &request, -1);
}
