/*
 * The monitor process itself: requests in, processes out.  Theory of operation:
 * monitor.h.  A plain loop over two descriptors, the socket and the signal
 * SIGCHLD; all it has is a table of what it has started.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/append.h"
#include "base/cleanup.h"
#include "base/fds.h"
#include "base/log.h"
#include "base/privdir.h"
#include "base/process.h"
#include "base/sockfile.h"
#include "base/title.h"
#include "limits.h"
#include "ssh/monitor_priv.h"

/* In ps; a name has 15 letters. */
#define MONITOR_NAME "culvert-monitor"

/* ssh runs a ProxyCommand, which may be a script, or another ssh for each
 * ProxyJump, and asks for passwords with one program at a time. */
#define MONITOR_STARTED 32

/* Where the socket goes, so that all above can be closed. */
#define MONITOR_FD 3

/* One that runs, or that nobody has waited for. */
struct monitor_child {
	uint32_t number; /* 0: none */
	pid_t pid;
	bool apart; /* it leads a session of its own */
};

struct monitor_state {
	struct link_options first[LIMIT_DESTINATIONS];
	char directories[LIMIT_DESTINATIONS][CMDLINE_DIRECTORY_MAX];
	char *texts[LIMIT_DESTINATIONS]; /* heap, of those that were used */
	size_t n;
	const struct monitor_source *source;
	const char *log;	     /* or NULL */
	const char *remove;	     /* the same */
	char directory[PRIVDIR_MAX]; /* to be removed, or empty */
	int signal_fd;
	sigset_t ignored; /* from the start, and so by ssh */
	bool left_terminal;
	struct monitor_child children[MONITOR_PROCESSES_MAX];
};

static const int monitor_ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT,
	SIGUSR1, SIGUSR2, SIGPIPE, SIGXFSZ, SIGTTOU };

/* That a terminal sends to its foreground jobs.  A script has no jobs of its
 * own: a ^C that is for its next command would end an ssh in the background. */
static const int terminal_signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTSTP };

/* ---- in the new process, up to its exec ---- */

/*
 * What ssh has for a connection to its control socket and cannot hand on yet
 * waits in one buffer, which it extends by 32 KiB and copies each time.  By
 * malloc's own rules (mallopt(3)) each of these copies has pages fresh from the
 * kernel, which costs many times the copying: the first large download stands
 * still for seconds.  The user's own values are left alone; and so is glibc
 * where it does not take these, since one of them alone would do harm.
 */
static const struct {
	const char *name;
	const char *value; /* bytes */
} ssh_malloc[] = {
	{ "MALLOC_MMAP_THRESHOLD_", "33554432" }, /* the largest it takes */
	{ "MALLOC_TRIM_THRESHOLD_", "67108864" },
};

/* 0, or -1 with errno. */
static int
ssh_environment(bool apart)
{
	for (size_t i = 0; sizeof(long) >= 8 &&
	     i < sizeof(ssh_malloc) / sizeof(ssh_malloc[0]);
	     i++) {
		if (setenv(ssh_malloc[i].name, ssh_malloc[i].value, 0) != 0)
			return -1;
	}
	/* Without a terminal ssh, and one that it starts, would ask by a window
	 * where there is DISPLAY. */
	return apart ? setenv("SSH_ASKPASS_REQUIRE", "never", 1) : 0;
}

/* As culvert was started with (base/process.h): after nohup(1) the end of the
 * terminal must not end ssh either. */
static void
ssh_signals(const sigset_t *ignored)
{
	sigset_t none;

	for (int signum = 1; signum < NSIG; signum++)
		signal(signum,
		    sigismember(ignored, signum) == 1 ? SIG_IGN : SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* 0, or -1 with errno.  output_to: the descriptor that output becomes. */
static int
ssh_descriptors(int output, int output_to)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return -1;
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (dup2(fd == output_to ? output : null, fd) < 0)
			return -1;
	return 0;
}

/* It dies with the monitor. */
static void __attribute__((noreturn))
ssh_exec(char **argv, const struct monitor_state *monitor, pid_t parent,
    bool apart, int output, int output_to)
{
	ssh_signals(&monitor->ignored);
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 ||
	    getppid() != parent || /* it has ended before we asked */
	    (apart && setsid() < 0) || ssh_environment(apart) != 0 ||
	    ssh_descriptors(output, output_to) != 0)
		_exit(127);
	execvp(argv[0], argv);
	dprintf(STDERR_FILENO, "cannot run %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

/* ---- its end ---- */

static void
monitor_kill(const struct monitor_child *child, int signum)
{
	pid_t started[MONITOR_STARTED];
	size_t n;

	if (child->number == 0)
		return;
	/* Before it is authenticated ssh does not end what it has started.
	 * One that was made just now may not have its session yet, but is alone
	 * then. */
	if (child->apart && kill(-child->pid, signum) == 0)
		return;
	n = process_descendants(child->pid, started, MONITOR_STARTED);
	kill(child->pid, signum);
	while (n > 0)
		kill(started[--n], signum);
}

/* The child with that number; number 0: a free place. */
static struct monitor_child *
monitor_child(struct monitor_state *monitor, uint32_t number)
{
	for (size_t i = 0; i < monitor->n * MONITOR_PROCESSES; i++)
		if (monitor->children[i].number == number)
			return &monitor->children[i];
	return NULL;
}

static void
monitor_answer(uint32_t number, int err, int status)
{
	const struct monitor_answer answer = {
		.number = number,
		.err = err,
		.status =
		    err == 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 0,
		.signal =
		    err == 0 && WIFSIGNALED(status) ? WTERMSIG(status) : 0,
	};

	/* That the main process has gone the next look at the socket shows. */
	send(MONITOR_FD, &answer, sizeof(answer), MSG_NOSIGNAL);
}

/* Takes note of those that have ended; answer: and says so. */
static void
monitor_reap(struct monitor_state *monitor, bool answer)
{
	struct signalfd_siginfo info;
	uint32_t number;
	int status;
	pid_t pid;

	while (read(monitor->signal_fd, &info, sizeof(info)) > 0)
		;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (size_t i = 0; i < monitor->n * MONITOR_PROCESSES; i++) {
			struct monitor_child *child = &monitor->children[i];

			if (child->number == 0 || child->pid != pid)
				continue;
			number = child->number;
			*child = (struct monitor_child) { .number = 0 };
			if (answer)
				monitor_answer(number, 0, status);
		}
	}
}

static bool
monitor_has_children(const struct monitor_state *monitor)
{
	for (size_t i = 0; i < monitor->n * MONITOR_PROCESSES; i++)
		if (monitor->children[i].number != 0)
			return true;
	return false;
}

/* As master_stop(): SIGTERM, again for one that misses it, SIGKILL. */
static void __attribute__((noreturn))
monitor_end(struct monitor_state *monitor, int status)
{
	struct pollfd ended = { .fd = monitor->signal_fd, .events = POLLIN };

	monitor_reap(monitor, false);
	for (int asked = 0;
	     asked <= LIMIT_SSH_STOP_ASKS && monitor_has_children(monitor);
	     asked++) {
		for (size_t i = 0; i < monitor->n * MONITOR_PROCESSES; i++)
			monitor_kill(&monitor->children[i],
			    asked < LIMIT_SSH_STOP_ASKS ? SIGTERM : SIGKILL);
		while (monitor_has_children(monitor) &&
		    poll(&ended, 1, LIMIT_SSH_STOP_MS / LIMIT_SSH_STOP_ASKS) >
			0)
			monitor_reap(monitor, false);
	}
	privdir_remove(monitor->directory);
	if (monitor->remove != NULL)
		sockfile_remove_stale(monitor->remove);
	_exit(status);
}

/* ---- requests ---- */

/* The main process does not ask for that: it is not itself any more. */
static void __attribute__((noreturn))
monitor_refuse(struct monitor_state *monitor, const char *what)
{
	log_err("the monitor process was asked for %s: ending all", what);
	monitor_end(monitor, 1);
}

static void
monitor_run(struct monitor_state *monitor, struct monitor_child *child,
    const struct monitor_request *request, int output)
{
	const struct cmdline cmdline = {
		.kind = (enum cmdline_kind)request->kind,
		.to = request->to,
		.link = request->link,
		.ciphers =
		    request->ciphers[0] != '\0' ? request->ciphers : NULL,
		.timeouts = request->timeouts & (LINK_ALIVE | LINK_CONNECT),
	};
	bool master = cmdline.kind == CMDLINE_MASTER;
	const struct link_options *first = &monitor->first[request->to];
	bool apart = !master || cmdline.link > 0 || first->apart;
	pid_t self = getpid(), pid;
	char **argv;

	argv = cmdline_make(&cmdline, first);
	if (argv == NULL) {
		monitor_answer(request->number, -ENOMEM, 0);
		return;
	}
	/* Without the handlers of libraries (pthread_atfork(3)), whose
	 * descriptors are closed, and their numbers others' now. */
	pid = _Fork();
	if (pid == 0)
		ssh_exec(argv, monitor, self, apart, output,
		    master ? STDERR_FILENO : STDOUT_FILENO);
	if (pid < 0)
		monitor_answer(request->number, -errno, 0);
	else
		*child = (struct monitor_child) { request->number, pid, apart };
	free(argv);
}

static bool
is_pipe(int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

static void
monitor_start_request(struct monitor_state *monitor,
    const struct monitor_request *request, int output)
{
	struct monitor_child *child = monitor_child(monitor, 0);
	bool master = request->kind == CMDLINE_MASTER;

	if (!is_pipe(output))
		monitor_refuse(monitor, "a process without a pipe");
	if (request->kind > CMDLINE_OWN || request->to >= monitor->n ||
	    request->link >= LIMIT_LINKS || (!master && request->link != 0))
		monitor_refuse(monitor, "a command that there is not");
	if (memchr(request->ciphers, '\0', sizeof(request->ciphers)) == NULL ||
	    (request->ciphers[0] != '\0' &&
		(!master || !cmdline_ciphers_ok(request->ciphers))))
		monitor_refuse(monitor, "ciphers that are none");
	if (request->number == 0 || child == NULL ||
	    monitor_child(monitor, request->number) != NULL)
		monitor_refuse(monitor, "one process too many");
	monitor_run(monitor, child, request, output);
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

static void
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
	case MONITOR_LEAVE_TERMINAL:
		monitor_leave_request(monitor);
		break;
	default:
		monitor_refuse(monitor, "something that there is not");
	}
}

/* ---- its start ---- */

static void
monitor_settle(struct monitor_state *monitor, int fd, bool leaves_terminal)
{
	sigset_t set;

	process_ignored_jobs(&monitor->ignored);
	for (size_t i = 0; leaves_terminal &&
	     i < sizeof(terminal_signals) / sizeof(terminal_signals[0]);
	     i++)
		sigaddset(&monitor->ignored, terminal_signals[i]);
	for (size_t i = 0;
	     i < sizeof(monitor_ignored) / sizeof(monitor_ignored[0]); i++)
		signal(monitor_ignored[i], SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_SETMASK, &set, NULL);
	/* What main() has opened so far is not for ssh, nor for us. */
	if (fd != MONITOR_FD)
		dup3(fd, MONITOR_FD, O_CLOEXEC);
	closefrom(MONITOR_FD + 1);
	log_open_again();
	monitor->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* One, and below it one for each further destination. */
static int
monitor_make_directories(struct monitor_state *monitor, char *why, size_t size)
{
	int err = privdir_make(monitor->directory, why, size);

	for (size_t i = 0; i < monitor->n && err == 0; i++) {
		char *directory = monitor->directories[i];

		cmdline_destination_directory(monitor->directory, i, directory);
		monitor->first[i].directory = directory;
		if (i > 0 && mkdir(directory, 0700) != 0) {
			err = -errno;
			snprintf(why, size, "cannot make %s: %s", directory,
			    strerror(-err));
		}
	}
	return err;
}

/* Becomes the user and makes the directory; what came of it. */
static struct monitor_hello
monitor_prepare(struct monitor_state *monitor, const struct user *user,
    int *ret_log)
{
	struct monitor_hello hello = { .err = 0 };

	if (user != NULL)
		hello.err = user_become(user, 0);
	if (hello.err != 0) {
		snprintf(hello.text, sizeof(hello.text),
		    "cannot become user %s: %s", user->name,
		    strerror(-hello.err));
	} else if (monitor->signal_fd < 0) {
		hello.err = -EMFILE;
		snprintf(hello.text, sizeof(hello.text),
		    "the monitor process cannot watch its children");
	} else if (monitor->first[0].directory == NULL) {
		hello.err = monitor_make_directories(monitor, hello.text,
		    sizeof(hello.text));
	}
	if (hello.err == 0 && monitor->log != NULL)
		*ret_log = append_open(monitor->log);
	if (hello.err == 0 && monitor->log != NULL && *ret_log < 0) {
		hello.err = *ret_log;
		snprintf(hello.text, sizeof(hello.text),
		    "cannot open the transfer log %s: %s", monitor->log,
		    strerror(-hello.err));
	}
	memcpy(hello.directory, monitor->directory, sizeof(hello.directory));
	return hello;
}

void
monitor_main(int fd, const struct monitor_options *options)
{
	static struct monitor_state monitor;
	struct monitor_hello hello;
	struct pollfd fds[2];
	int log = -1;

	assert(options->n >= 1 && options->n <= LIMIT_DESTINATIONS);
	memcpy(monitor.first, options->first,
	    options->n * sizeof(*options->first));
	monitor.n = options->n;
	monitor.source = options->source;
	monitor.log = options->log;
	monitor.remove = options->remove;
	monitor_settle(&monitor, fd, options->leaves_terminal);
	title_set(MONITOR_NAME);
	hello = monitor_prepare(&monitor, options->user, &log);
	fds_send(MONITOR_FD, &hello, sizeof(hello), log);
	cleanup_fd(&log);
	if (hello.err != 0) {
		privdir_remove(monitor.directory);
		_exit(1);
	}
	fds[0] = (struct pollfd) { .fd = monitor.signal_fd, .events = POLLIN };
	fds[1] = (struct pollfd) { .fd = MONITOR_FD, .events = POLLIN };
	for (;;) {
		if (poll(fds, 2, -1) < 0)
			continue; /* EINTR: it was stopped, and goes on */
		if (fds[0].revents != 0)
			monitor_reap(&monitor, true);
		if (fds[1].revents != 0)
			monitor_request(&monitor);
	}
}
