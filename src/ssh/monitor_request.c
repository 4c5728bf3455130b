/*
 * What the main process may request of the monitor.  Each request is checked;
 * one that the main process never makes means that it has been taken over, and
 * ends everything.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/append.h"
#include "base/cleanup.h"
#include "base/fds.h"
#include "base/log.h"
#include "limits.h"
#include "ssh/ciphers.h"
#include "ssh/monitor_main_priv.h"

/* The main process does not ask for that: it is not itself any more. */
static void __attribute__((noreturn))
monitor_refuse(struct monitor_state *monitor, const char *what)
{
	log_err("the monitor process was asked for %s: ending all", what);
	monitor_end(monitor, 1);
}

static bool
is_pipe(int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

static bool
is_listener(int fd)
{
	socklen_t len = sizeof(int);
	int listens = 0;

	return fd >= 0 &&
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 &&
	    listens != 0;
}

/* A free place for a process with that number. */
static struct monitor_child *
monitor_place(struct monitor_state *monitor, uint32_t number)
{
	struct monitor_child *child = monitor_child(monitor, 0);

	if (number == 0 || child == NULL ||
	    monitor_child(monitor, number) != NULL)
		monitor_refuse(monitor, "one process too many");
	return child;
}

static void
monitor_start_request(struct monitor_state *monitor,
    const struct monitor_request *request, int output)
{
	bool master = request->kind == CMDLINE_MASTER;

	if (!is_pipe(output))
		monitor_refuse(monitor, "a process without a pipe");
	if (request->kind > CMDLINE_OWN || request->to >= monitor->n ||
	    request->link >= LIMIT_LINKS || (!master && request->link != 0))
		monitor_refuse(monitor, "a command that there is not");
	if (memchr(request->ciphers, '\0', sizeof(request->ciphers)) == NULL ||
	    (request->ciphers[0] != '\0' &&
		(!master || !ciphers_are_list(request->ciphers))))
		monitor_refuse(monitor, "ciphers that are none");
	monitor_run(monitor, monitor_place(monitor, request->number), request,
	    output);
}

static void
monitor_metrics_request(struct monitor_state *monitor, uint32_t number,
    int listener)
{
	if (monitor->metrics == NULL || !is_listener(listener))
		monitor_refuse(monitor,
		    "a metrics exporter that is not wanted");
	monitor_run_exporter(monitor, monitor_place(monitor, number), number,
	    listener);
}

/* 0 or a negative errno. */
static int
monitor_write_text(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		bytes += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	/* Who can write to a file and map it can run what it has written. */
	return lseek(fd, 0, SEEK_SET) == 0 &&
		fcntl(fd, F_ADD_SEALS,
		    F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) ==
		    0 ?
	    0 :
	    -errno;
}

/* The text of what came of it, in a file of its own, or a negative errno. */
static int
monitor_text_file(const struct monitor_source *source)
{
	CLEANUP(cleanup_fd) int fd = -1;
	size_t len = 0;
	char *bytes = source->read(source->ctx, &len);
	int err = -ENOMEM;

	if (bytes != NULL) {
		fd = memfd_create("culvert", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		err = fd < 0 ? -errno : monitor_write_text(fd, bytes, len);
	}
	free(bytes);
	return err == 0 ? steal_fd(&fd) : err;
}

static void
monitor_read_request(const struct monitor_state *monitor)
{
	struct monitor_answer answer = { .type = MONITOR_HAS_READ };
	CLEANUP(cleanup_fd) int fd = -ENOENT;

	if (monitor->source != NULL)
		fd = monitor_text_file(monitor->source);
	answer.err = fd < 0 ? fd : 0;
	fds_send(MONITOR_FD, &answer, sizeof(answer), fd < 0 ? -1 : fd);
}

static void
monitor_log_request(const struct monitor_state *monitor)
{
	struct monitor_answer answer = { .type = MONITOR_HAS_OPENED };
	CLEANUP(cleanup_fd) int fd = -ENOENT;

	if (monitor->log != NULL)
		fd = append_open(monitor->log);
	answer.err = fd < 0 ? fd : 0;
	fds_send(MONITOR_FD, &answer, sizeof(answer), fd < 0 ? -1 : fd);
}

/* All the texts in one block.  NULL when out of memory. */
static char *
monitor_keep(struct link_options *link)
{
	size_t n = link->n_arguments, len = n * sizeof(char *);
	const char **arguments;
	char *block, *at;

	len += strlen(link->program) + 1 + strlen(link->destination) + 1;
	for (size_t i = 0; i < n; i++)
		len += strlen(link->arguments[i]) + 1;
	block = calloc(1, len);
	if (block == NULL)
		return NULL;
	arguments = (const char **)(void *)block;
	at = block + n * sizeof(char *);
	for (size_t i = 0; i < n; i++) {
		arguments[i] = at;
		at = stpcpy(at, link->arguments[i]) + 1;
	}
	link->arguments = arguments;
	link->program = strcpy(at, link->program);
	at += strlen(at) + 1;
	link->destination = strcpy(at, link->destination);
	return block;
}

static void
monitor_use_request(struct monitor_state *monitor,
    const struct monitor_request *request)
{
	const struct monitor_source *source = monitor->source;
	size_t to = request->to;
	struct link_options link;
	char *texts;

	if (to >= LIMIT_DESTINATIONS || to > monitor->n ||
	    memchr(request->name, '\0', sizeof(request->name)) == NULL ||
	    source == NULL || !source->find(source->ctx, request->name, &link))
		monitor_refuse(monitor, "a destination that there is not");
	texts = monitor_keep(&link);
	if (texts == NULL)
		monitor_end(monitor, 1);
	cmdline_destination_directory(monitor->directory, to,
	    monitor->directories[to]);
	if (to > 0 && mkdir(monitor->directories[to], 0700) != 0 &&
	    errno != EEXIST)
		log_warn("cannot make %s: %s", monitor->directories[to],
		    strerror(errno));
	link.to = to;
	link.directory = monitor->directories[to];
	link.batch |= monitor->left_terminal;
	free(monitor->texts[to]);
	monitor->texts[to] = texts;
	monitor->first[to] = link;
	if (to == monitor->n)
		monitor->n++;
}

/* ssh without a terminal must not ask by a window either. */
static void
monitor_leave_request(struct monitor_state *monitor)
{
	monitor->left_terminal = true;
	for (size_t i = 0; i < monitor->n; i++)
		monitor->first[i].batch = true;
	setsid();
}

static void
monitor_signal_request(struct monitor_state *monitor,
    const struct monitor_request *request)
{
	struct monitor_child *child;

	if (request->signum != SIGTERM && request->signum != SIGKILL)
		monitor_refuse(monitor, "a signal other than TERM and KILL");
	/* It may have ended meanwhile. */
	child = request->number == 0 ? NULL :
				       monitor_child(monitor, request->number);
	if (child != NULL)
		monitor_kill(child, request->signum);
}

void
monitor_request(struct monitor_state *monitor)
{
	struct monitor_request request;
	CLEANUP(cleanup_fd) int output = -1;
	ssize_t n = fds_receive(MONITOR_FD, &request, sizeof(request), &output);

	/* Short of memory it waits there for the next time. */
	if (n == -EINTR || n == -ENOMEM)
		return;
	if (n <= 0 && n != -EMSGSIZE) /* the main process has ended */
		monitor_end(monitor, 0);
	if (n != sizeof(request))
		monitor_refuse(monitor, "something of another length");
	switch (request.type) {
	case MONITOR_START:
		monitor_start_request(monitor, &request, output);
		break;
	case MONITOR_SIGNAL:
		monitor_signal_request(monitor, &request);
		break;
	case MONITOR_READ:
		monitor_read_request(monitor);
		break;
	case MONITOR_USE:
		monitor_use_request(monitor, &request);
		break;
	case MONITOR_OPEN_LOG:
		monitor_log_request(monitor);
		break;
	case MONITOR_START_METRICS:
		monitor_metrics_request(monitor, request.number, output);
		break;
	case MONITOR_LEAVE_TERMINAL:
		monitor_leave_request(monitor);
		break;
	default:
		monitor_refuse(monitor, "something that there is not");
	}
}
