/*
 * culvert-metrics: answers HTTP requests for the metrics of a culvert
 * (--metrics).
 *
 *	culvert-metrics [--no-confine] SOCKET
 *
 * culvert's monitor starts it as a separate program; process/metrics.h has the
 * theory of operation.  Standard input is the listening socket, and SOCKET the
 * path of culvert's control socket.  It answers only GET (and HEAD) of
 * /metrics, in Prometheus' text format.  Of a request it reads only the
 * headers.
 *
 * When the listening socket has been shut down, it ends as soon as the
 * connections that it has accepted have ended.
 */
#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/privileges.h"
#include "client/instance.h"
#include "client/metrics_text.h"
#include "limits.h"

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* ---- answers ---- */

static enum MHD_Result
exporter_respond(struct MHD_Connection *connection, unsigned code,
    const char *type, const char *text)
{
	struct MHD_Response *response =
	    MHD_create_response_from_buffer(strlen(text),
		(void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result = MHD_NO;

	if (response == NULL)
		return MHD_NO;
	if (MHD_add_response_header(response, "Content-Type", type) == MHD_YES)
		result = MHD_queue_response(connection, code, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result
exporter_answer(struct MHD_Connection *connection, const char *path)
{
	static struct instance instances[INSTANCES_MAX];
	char why[INSTANCE_WHY_MAX] = "out of memory";
	char line[INSTANCE_WHY_MAX + 1], *text = NULL;
	enum MHD_Result result;
	json_t *status = NULL;

	if (instances_open(path, instances, why) > 0) {
		status = instance_status(&instances[0], why);
		instances_close(instances, 1);
	}
	if (status != NULL)
		text = metrics_text(status);
	json_decref(status);
	snprintf(line, sizeof(line), "%s\n", why);
	result = text != NULL ?
	    exporter_respond(connection, MHD_HTTP_OK, METRICS_TYPE, text) :
	    exporter_respond(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
		"text/plain", line);
	free(text);
	return result;
}

/* The parameters are those that libmicrohttpd requires. */
static enum MHD_Result
exporter_on_request(void *ctx, struct MHD_Connection *connection,
    const char *url, const char *method, const char *version,
    const char *upload, size_t *upload_len, void **request)
{
	static int begun;

	/* The first call comes with the headers only. */
	if (*request == NULL) {
		*request = &begun;
		return MHD_YES;
	}
	/* A body is ignored. */
	*upload_len = 0;
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return exporter_respond(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
		    "text/plain", "only GET is allowed\n");
	if (strcmp(url, "/metrics") != 0)
		return exporter_respond(connection, MHD_HTTP_NOT_FOUND,
		    "text/plain", "the metrics are at /metrics\n");
	return exporter_answer(connection, ctx);
}

/* ---- the loop ---- */

/* The time-out for poll(2), in milliseconds. */
static int
exporter_time_out(struct MHD_Daemon *daemon)
{
	MHD_UNSIGNED_LONG_LONG ms;

	if (MHD_get_timeout(daemon, &ms) != MHD_YES)
		return -1;
	return ms > LIMIT_METRICS_S * 1000 ? LIMIT_METRICS_S * 1000 : (int)ms;
}

static bool
exporter_has_connections(struct MHD_Daemon *daemon)
{
	return MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)
		   ->num_connections > 0;
}

static void
exporter_loop(struct MHD_Daemon *daemon)
{
	struct pollfd fds[] = {
		{ .fd = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD)
			    ->epoll_fd,
		    .events = POLLIN },
		{ .fd = STDIN_FILENO, .events = 0 }, /* POLLHUP: shut down */
	};

	while (fds[1].fd >= 0 || exporter_has_connections(daemon)) {
		poll(fds, 2, exporter_time_out(daemon));
		if (fds[1].fd >= 0 && fds[1].revents != 0) {
			MHD_quiesce_daemon(daemon);
			fds[1].fd = -1;
		}
		/* If the maximum of connections was reached, and some have
		 * ended in the first call, only the second call accepts new
		 * ones. */
		MHD_run(daemon);
		MHD_run(daemon);
	}
}

static struct MHD_Daemon *
exporter_start(const char *path)
{
	return MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL,
	    exporter_on_request, (void *)(uintptr_t)path,
	    MHD_OPTION_LISTEN_SOCKET, STDIN_FILENO, MHD_OPTION_CONNECTION_LIMIT,
	    LIMIT_METRICS_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
	    LIMIT_METRICS_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
	    (size_t)LIMIT_METRICS_REQUEST, MHD_OPTION_END);
}

int
main(int argc, char **argv)
{
	const struct privileges none = {
		.no_filters = argc == 3 && strcmp(argv[1], "--no-confine") == 0,
	};
	struct MHD_Daemon *daemon;

	if (argc != (none.no_filters ? 3 : 2)) {
		fputs("usage: culvert-metrics [--no-confine] SOCKET\n"
		      "culvert starts it, see --metrics in culvert(1).\n",
		    stderr);
		return 2;
	}
	log_open();
	if (!privileges_prepare(none.no_filters) || !privileges_drop(&none))
		return EXIT_FAILURE;
	daemon = exporter_start(argv[argc - 1]);
	if (daemon == NULL) {
		log_err("cannot answer HTTP requests for --metrics: %s",
		    strerror(errno));
		return EXIT_FAILURE;
	}
	exporter_loop(daemon);
	MHD_stop_daemon(daemon);
	return EXIT_SUCCESS;
}
