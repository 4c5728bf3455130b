/*
 * --metrics in the main process: makes the listening socket, and has the
 * exporter started.
 */
#include "process/metrics.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sockfile.h"
#include "limits.h"
#include "process/control.h"
#include "ssh/pause.h"

#define EXPORTER "culvert-metrics"

struct metrics {
	struct shared *shared;
	int fd; /* of the listening socket; -1: closed */
	uv_timer_t timer;
	struct pause pause;
	uint64_t started_at; /* uv_now() */
	uint32_t number; /* of the exporter's process; 0: it is not running */
	bool closed;	 /* the timer has been closed */
};

/* ---- the program ---- */

/* Finds the exporter: in the directory of this program, as after a build, or
 * where it is installed.  Returns 0, or a negative errno with the second path
 * in path. */
static int
metrics_find_exporter(char path[PATH_MAX])
{
	const size_t room = PATH_MAX - sizeof(EXPORTER);
	ssize_t n = readlink("/proc/self/exe", path, room);
	char *slash;

	path[n > 0 ? n : 0] = '\0';
	slash = strrchr(path, '/');
	if (slash != NULL) {
		strcpy(slash + 1, EXPORTER);
		if (access(path, X_OK) == 0)
			return 0;
	}
	strcpy(path, CULVERT_LIBEXEC "/" EXPORTER);
	return access(path, X_OK) == 0 ? 0 : -errno;
}

static bool
has_metrics(const struct options *options)
{
	return options->metrics_path != NULL ||
	    options->metrics.family != AF_UNSPEC;
}

bool
metrics_arguments(const struct options *options, const char *const **ret)
{
	static const char *arguments[4];
	static char path[PATH_MAX];
	size_t n = 0;
	int err;

	*ret = NULL;
	if (!has_metrics(options))
		return true;
	err = metrics_find_exporter(path);
	if (err != 0) {
		log_err("cannot run the program for --metrics, %s: %s", path,
		    strerror(-err));
		return false;
	}
	arguments[n++] = path;
	if (options->no_confine)
		arguments[n++] = "--no-confine";
	/* The monitor starts it in the private directory. */
	arguments[n++] = CONTROL_NAME;
	arguments[n] = NULL;
	*ret = arguments;
	return true;
}

/* ---- the listening socket ---- */

/* Returns a listening socket, or a negative errno. */
static int
metrics_listen(const struct addr *at, const char *path)
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

/* ---- the exporter's life ---- */

static void
metrics_free_unused(struct metrics *metrics)
{
	if (metrics->closed && metrics->number == 0)
		free(metrics);
}

static void
metrics_on_closed(uv_handle_t *handle)
{
	struct metrics *metrics = handle->data;

	metrics->closed = true;
	metrics_free_unused(metrics);
}

static void
metrics_on_pause_over(uv_timer_t *timer)
{
	metrics_start(timer->data);
}

/* Starts the exporter again later, unless culvert drains or stops. */
static void
metrics_retry(struct metrics *metrics, const char *why)
{
	uint64_t ms;

	if (metrics->fd < 0 || metrics->shared->stopping)
		return;
	ms = pause_after(&metrics->pause,
	    uv_now(&metrics->shared->loop) - metrics->started_at);
	log_err("%s; restarting it in %.1f s", why, (double)ms / 1000);
	uv_timer_start(&metrics->timer, metrics_on_pause_over, ms, 0);
}

static void
metrics_on_ended(void *ctx, const struct monitor_end *end)
{
	struct metrics *metrics = ctx;
	char why[120];

	metrics->number = 0;
	if (end->err != 0)
		snprintf(why, sizeof(why),
		    "cannot start the metrics exporter: %s",
		    strerror(-end->err));
	else
		snprintf(why, sizeof(why),
		    "the metrics exporter has ended (%s %d)",
		    end->signal != 0 ? "signal" : "exit status",
		    end->signal != 0 ? end->signal : end->status);
	metrics_retry(metrics, why);
	metrics_free_unused(metrics);
}

void
metrics_start(struct metrics *metrics)
{
	struct monitor_end end = { .err = 0 };

	if (metrics == NULL || metrics->fd < 0)
		return;
	metrics->started_at = uv_now(&metrics->shared->loop);
	end.err = monitor_start_metrics(metrics->shared->monitor, metrics->fd,
	    metrics_on_ended, metrics, &metrics->number);
	if (end.err != 0)
		metrics_on_ended(metrics, &end);
}

void
metrics_drain(struct metrics *metrics)
{
	if (metrics == NULL || metrics->fd < 0)
		return;
	/* This takes effect on the exporter's copy, too. */
	shutdown(metrics->fd, SHUT_RDWR);
	cleanup_fd(&metrics->fd);
	metrics->fd = -1;
	uv_timer_stop(&metrics->timer);
}

void
metrics_close(struct metrics *metrics)
{
	if (metrics == NULL)
		return;
	metrics_drain(metrics);
	/* SIGKILL is enough: the exporter has nothing to complete. */
	if (metrics->number != 0)
		monitor_signal(metrics->shared->monitor, metrics->number,
		    SIGKILL);
	uv_close((uv_handle_t *)&metrics->timer, metrics_on_closed);
}

bool
metrics_open(struct shared *shared, const struct options *options,
    struct metrics **ret)
{
	const char *path = options->metrics_path;
	CLEANUP(cleanup_fd) int fd = -1;
	struct metrics *metrics;
	char at[ADDR_TEXT_MAX];

	*ret = NULL;
	if (!has_metrics(options))
		return true;
	fd = metrics_listen(&options->metrics, path);
	if (fd < 0) {
		log_err("cannot listen on %s for --metrics: %s%s",
		    path != NULL ? path : addr_format(&options->metrics, at),
		    strerror(-fd),
		    fd == -EADDRINUSE ? ": give this culvert another address, "
					"or stop the program that listens "
					"there" :
					"");
		return false;
	}
	metrics = calloc(1, sizeof(*metrics));
	if (metrics == NULL) {
		log_err("out of memory");
		return false;
	}
	metrics->shared = shared;
	metrics->fd = steal_fd(&fd);
	pause_init(&metrics->pause, LIMIT_METRICS_PAUSE_MS,
	    LIMIT_METRICS_PAUSE_MAX_MS);
	uv_timer_init(&shared->loop, &metrics->timer);
	metrics->timer.data = metrics;
	uv_unref((uv_handle_t *)&metrics->timer);
	*ret = metrics;
	return true;
}
