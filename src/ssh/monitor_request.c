/*
 * The monitor process: the requests of the main process.  Each is checked: one
 * that the main process never makes shows that an attacker has taken over the
 * main process, and ends everything.
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
#include "ssh/monitor_priv.h"

static void __attribute__((noreturn))
monitor_refuse(struct monitor_state *monitor, const char *what)
{
	log_err(
	    "internal error: the monitor process received an invalid request "
	    "(%s); culvert ends",
	    what);
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

/* A free place for a process with that number, which must not be in use. */
static struct monitor_child *
monitor_place(struct monitor_state *monitor, uint32_t number)
{
	struct monitor_child *child = monitor_child(monitor, 0);

	if (number == 0 || monitor_child(monitor, number) != NULL)
		monitor_refuse(monitor, "an invalid number");
	if (child == NULL)
		monitor_refuse(monitor, "too many processes");
	return child;
}

/* Whether the main process may choose that account is checked here again. */
static void
monitor_check_login(struct monitor_state *monitor,
    const struct monitor_request *request)
{
	const struct link_options *first = &monitor->first[request->to];

	if (!first->logins)
		monitor_refuse(monitor, "a login without --login ssh");
	if (request->link == 0 || request->link > LIMIT_SSH_LOGINS)
		monitor_refuse(monitor, "an unknown login");
	if (!account_is_valid(&request->account) ||
	    !account_is_allowed(&request->account, first->login_hosts,
		first->n_login_hosts))
		monitor_refuse(monitor, "an account that is not allowed");
}

static void
monitor_start_request(struct monitor_state *monitor,
    const struct monitor_request *request, int fd)
{
	bool login = request->kind == CMDLINE_LOGIN;
	bool master = request->kind == CMDLINE_MASTER || login;

	if (request->type == MONITOR_START_METRICS) {
		if (monitor->options->metrics == NULL || !is_listener(fd))
			monitor_refuse(monitor,
			    "a metrics exporter without --metrics");
	} else if (!is_pipe(fd)) {
		monitor_refuse(monitor, "an ssh without a pipe");
	} else if (request->kind > CMDLINE_LOGIN || request->to >= monitor->n ||
	    (!login && request->link >= LIMIT_LINKS) ||
	    (!master && request->link != 0)) {
		monitor_refuse(monitor, "an unknown command");
	} else if (request->ciphers[0] != '\0' &&
	    (!master || !ciphers_are_list(request->ciphers))) {
		monitor_refuse(monitor, "an invalid list of ciphers");
	}
	if (request->type == MONITOR_START && login)
		monitor_check_login(monitor, request);
	monitor_run(monitor, monitor_place(monitor, request->number), request,
	    fd);
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
	/* Sealed, because the main process, which is confined, could map and
	 * run a writable file. */
	return lseek(fd, 0, SEEK_SET) == 0 &&
		fcntl(fd, F_ADD_SEALS,
		    F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) ==
		    0 ?
	    0 :
	    -errno;
}

/* A descriptor of an unnamed file with what the source has read; or a negative
 * errno. */
static int
monitor_read_source(const struct monitor_source *source)
{
	CLEANUP(cleanup_fd) int fd = -1;
	int err = source == NULL ? -ENOENT : -ENOMEM;
	size_t len = 0;
	char *bytes = NULL;

	if (source != NULL)
		bytes = source->read(source->ctx, &len);
	if (bytes != NULL) {
		fd = memfd_create("culvert", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		err = fd < 0 ? -errno : monitor_write_text(fd, bytes, len);
	}
	free(bytes);
	return err == 0 ? steal_fd(&fd) : err;
}

/* Sends fd, a descriptor or a negative errno, and closes the descriptor. */
static void
monitor_answer_file(uint32_t type, int fd)
{
	const struct monitor_answer answer = {
		.type = type,
		.err = fd < 0 ? fd : 0,
	};

	fds_send(MONITOR_FD, &answer, sizeof(answer), fd < 0 ? -1 : fd);
	cleanup_fd(&fd);
}

/* Bytes of n texts. */
static size_t
monitor_len_of(const char *const *texts, size_t n)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++)
		len += strlen(texts[i]) + 1;
	return len;
}

/* Copies n texts to at, and pointers to the copies to list.  Returns the end of
 * the copies. */
static char *
monitor_copy_texts(const char *const *texts, size_t n, const char **list,
    char *at)
{
	for (size_t i = 0; i < n; i++) {
		list[i] = at;
		at = stpcpy(at, texts[i]) + 1;
	}
	return at;
}

/* Copies all strings of link into one block, to which link then points.  NULL
 * when out of memory. */
static char *
monitor_keep(struct link_options *link)
{
	size_t n = link->n_arguments, n_hosts = link->n_login_hosts;
	size_t len = (n + n_hosts) * sizeof(char *);
	const char **list;
	char *block, *at;

	len += strlen(link->program) + 1 + strlen(link->destination) + 1;
	len += monitor_len_of(link->arguments, n);
	len += monitor_len_of(link->login_hosts, n_hosts);
	block = calloc(1, len);
	if (block == NULL)
		return NULL;
	list = (const char **)(void *)block;
	at = block + (n + n_hosts) * sizeof(char *);
	at = monitor_copy_texts(link->arguments, n, list, at);
	at = monitor_copy_texts(link->login_hosts, n_hosts, list + n, at);
	link->arguments = list;
	link->login_hosts = list + n;
	link->program = strcpy(at, link->program);
	at += strlen(at) + 1;
	link->destination = strcpy(at, link->destination);
	return block;
}

static void
monitor_use_request(struct monitor_state *monitor,
    const struct monitor_request *request)
{
	const struct monitor_source *source = monitor->options->source;
	size_t to = request->to;
	struct link_options link;
	char *texts;

	if (to >= LIMIT_DESTINATIONS || to > monitor->n ||
	    memchr(request->name, '\0', sizeof(request->name)) == NULL ||
	    source == NULL || !source->find(source->ctx, request->name, &link))
		monitor_refuse(monitor, "an unknown destination");
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

/* From now on ssh has no terminal, and must not open a window to ask either. */
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
	/* The process may have ended meanwhile. */
	child = request->number == 0 ? NULL :
				       monitor_child(monitor, request->number);
	if (child != NULL)
		monitor_kill(child, request->signum);
}

void
monitor_request(struct monitor_state *monitor)
{
	struct monitor_request request;
	const char *log = monitor->options->log;
	CLEANUP(cleanup_fd) int fd = -1;
	ssize_t n = fds_receive(MONITOR_FD, &request, sizeof(request), &fd);

	/* When memory is short the request stays in the socket. */
	if (n == -EINTR || n == -ENOMEM)
		return;
	if (n <= 0 && n != -EMSGSIZE) /* the main process has ended */
		monitor_end(monitor, 0);
	if (n != sizeof(request))
		monitor_refuse(monitor, "a wrong length");
	switch (request.type) {
	case MONITOR_START:
	case MONITOR_START_METRICS:
		monitor_start_request(monitor, &request, fd);
		break;
	case MONITOR_SIGNAL:
		monitor_signal_request(monitor, &request);
		break;
	case MONITOR_READ:
		monitor_answer_file(MONITOR_READ,
		    monitor_read_source(monitor->options->source));
		break;
	case MONITOR_USE:
		monitor_use_request(monitor, &request);
		break;
	case MONITOR_OPEN_LOG:
		monitor_answer_file(MONITOR_OPEN_LOG,
		    log == NULL ? -ENOENT : append_open(log));
		break;
	case MONITOR_LEAVE_TERMINAL:
		monitor_leave_request(monitor);
		break;
	default:
		monitor_refuse(monitor, "an unknown request");
	}
}
