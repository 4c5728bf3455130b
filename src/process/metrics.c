/*
 * Metrics by HTTP.
 */
#include "process/metrics.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "process/app.h"
#include "base/cleanup.h"
#include "base/sockfile.h"
#include "limits.h"

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct metrics {
	struct app *app;
	struct MHD_Daemon *daemon;
	uv_poll_t poll; /* of its epoll */
	uv_timer_t timer;
	unsigned int open_handles; /* that uv_close() has still to end */
};

/* ---- answers ---- */

static enum MHD_Result
respond(struct MHD_Connection *connection, unsigned code, const char *type,
    char *text, size_t len, enum MHD_ResponseMemoryMode mode)
{
	struct MHD_Response *response =
	    MHD_create_response_from_buffer(len, text, mode);
	enum MHD_Result result = MHD_NO;

	if (response == NULL) {
		if (mode == MHD_RESPMEM_MUST_FREE)
			free(text);
		return MHD_NO;
	}
	if (MHD_add_response_header(response, "Content-Type", type) == MHD_YES)
		result = MHD_queue_response(connection, code, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result
refuse(struct MHD_Connection *connection, unsigned code, const char *words)
{
	return respond(connection, code, "text/plain", (char *)(uintptr_t)words,
	    strlen(words), MHD_RESPMEM_PERSISTENT);
}

/* Its parameters are libmicrohttpd's. */
static enum MHD_Result
on_request(void *ctx, struct MHD_Connection *connection, const char *url,
    const char *method, const char *version, const char *upload,
    size_t *upload_len, void **request)
{
	static int begun;
	struct metrics *metrics = ctx;
	size_t len;
	char *text;

	(void)version;
	(void)upload;
	/* First it is called with the headers only. */
	if (*request == NULL) {
		*request = &begun;
		return MHD_YES;
	}
	/* A body is none of ours. */
	*upload_len = 0;
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
		    "only GET is possible here\n");
	if (strcmp(url, "/metrics") != 0)
		return refuse(connection, MHD_HTTP_NOT_FOUND,
		    "what is here is at /metrics\n");
	text = metrics_text(metrics->app, &len);
	if (text == NULL)
		return MHD_NO;
	return respond(connection, MHD_HTTP_OK, METRICS_TYPE, text, len,
	    MHD_RESPMEM_MUST_FREE);
}

/* ---- the loop ---- */

static void on_timer(uv_timer_t *timer);

static void
run(struct metrics *metrics)
{
	MHD_UNSIGNED_LONG_LONG ms;

	/* Where it had as many connections as it takes, and some have gone in
	 * the first, only the second looks for new ones. */
	MHD_run(metrics->daemon);
	MHD_run(metrics->daemon);
	if (MHD_get_timeout(metrics->daemon, &ms) == MHD_YES)
		uv_timer_start(&metrics->timer, on_timer, ms, 0);
	else
		uv_timer_stop(&metrics->timer);
}

static void
on_timer(uv_timer_t *timer)
{
	run(timer->data);
}

static void
on_ready(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	run(poll->data);
}

/* ---- where it listens ---- */

/* A descriptor, or a negative errno. */
static int
listen_at(const struct addr *at, const char *path)
{
	CLEANUP(cleanup_fd) int fd = -1;
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct sockaddr_storage storage;
	const struct sockaddr *sa = (const struct sockaddr *)&storage;
	socklen_t len;
	int on = 1;

	if (path != NULL) {
		if (strlen(path) >= sizeof(un.sun_path))
			return -ENAMETOOLONG;
		memcpy(un.sun_path, path, strlen(path));
		sockfile_remove_stale(path);
		sa = (const struct sockaddr *)&un;
		len = sizeof(un);
	} else {
		len = addr_to_sockaddr(at, &storage);
	}
	fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0);
	if (fd < 0)
		return -errno;
	if (path == NULL)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	else
		fchmod(fd, S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP);
	if (bind(fd, sa, len) != 0 || listen(fd, SOMAXCONN) != 0)
		return -errno;
	return steal_fd(&fd);
}

/* ---- its life ---- */

static void
on_closed(uv_handle_t *handle)
{
	struct metrics *metrics = handle->data;

	if (--metrics->open_handles > 0)
		return;
	/* Not before the loop has let go of its epoll. */
	MHD_stop_daemon(metrics->daemon);
	free(metrics);
}

void
metrics_drain(struct metrics *metrics)
{
	int fd = metrics == NULL ? -1 : MHD_quiesce_daemon(metrics->daemon);

	cleanup_fd(&fd);
}

void
metrics_close(struct metrics *metrics)
{
	if (metrics == NULL)
		return;
	uv_close((uv_handle_t *)&metrics->poll, on_closed);
	uv_close((uv_handle_t *)&metrics->timer, on_closed);
}

/* Joins the loop, and does not keep it alive. */
static int
join_loop(struct metrics *metrics)
{
	uv_loop_t *loop = &metrics->app->loop;
	const union MHD_DaemonInfo *info =
	    MHD_get_daemon_info(metrics->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	int err = info == NULL ?
	    -EINVAL :
	    uv_poll_init(loop, &metrics->poll, info->epoll_fd);

	if (err != 0)
		return err;
	uv_timer_init(loop, &metrics->timer);
	metrics->open_handles = 2;
	metrics->poll.data = metrics->timer.data = metrics;
	uv_unref((uv_handle_t *)&metrics->poll);
	uv_unref((uv_handle_t *)&metrics->timer);
	return uv_poll_start(&metrics->poll, UV_READABLE, on_ready);
}

struct metrics *
metrics_open(struct app *app, const struct addr *at, const char *path,
    char *why, size_t why_size)
{
	struct metrics *metrics = calloc(1, sizeof(*metrics));
	int fd = listen_at(at, path);
	int err = fd < 0 ? fd : metrics == NULL ? -ENOMEM : 0;

	if (err == 0) {
		metrics->app = app;
		metrics->daemon = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL,
		    on_request, metrics, MHD_OPTION_LISTEN_SOCKET, fd,
		    MHD_OPTION_CONNECTION_LIMIT, LIMIT_METRICS_CONNECTIONS,
		    MHD_OPTION_CONNECTION_TIMEOUT, LIMIT_METRICS_S,
		    MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		    (size_t)LIMIT_METRICS_REQUEST, MHD_OPTION_END);
		err = metrics->daemon == NULL ? -ENOMEM : join_loop(metrics);
	}
	if (err == 0)
		return metrics;
	snprintf(why, why_size, "cannot listen for --metrics: %s",
	    strerror(-err));
	if (metrics != NULL && metrics->daemon != NULL)
		MHD_stop_daemon(metrics->daemon);
	else
		cleanup_fd(&fd);
	free(metrics);
	return NULL;
}
