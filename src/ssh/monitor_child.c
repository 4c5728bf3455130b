/*
 * The monitor process: the processes that it starts.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/privdir.h"
#include "base/process.h"
#include "base/sockfile.h"
#include "limits.h"
#include "ssh/askpass.h"
#include "ssh/monitor_priv.h"

/* The most processes started by one ssh that monitor_kill() signals: a
 * ProxyCommand, which may be a script, or an ssh for each ProxyJump, and a
 * program that asks for passwords. */
#define MONITOR_STARTED 32

/* ---- in the new process, up to its exec ---- */

/*
 * Bytes that ssh cannot write to its control socket yet wait in one buffer.
 * ssh extends it by 32 KiB at a time, and each time copies all of it.  By
 * default, malloc (mallopt(3)) gets new pages from the kernel for each copy.
 * That takes many times as long as the copying, and the first large download
 * stands still for seconds.  These environment variables prevent it; values
 * that the user has set are kept.  On 32-bit systems neither is set, because
 * glibc does not accept the first, and the second alone would do harm.
 */
static const struct {
	const char *name;
	const char *value; /* bytes */
} ssh_malloc[] = {
	{ "MALLOC_MMAP_THRESHOLD_", "33554432" }, /* the largest permitted */
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
	/* If DISPLAY is set, an ssh without a terminal would open a window to
	 * ask for a password, and so would an ssh that it starts. */
	return apart ? setenv("SSH_ASKPASS_REQUIRE", "never", 1) : 0;
}

/* Ignores the signals that were ignored when culvert was started
 * (base/process.h): after nohup(1), the end of the terminal must not end ssh
 * either. */
static void
child_signals(const sigset_t *ignored)
{
	sigset_t none;

	for (int signum = 1; signum < NSIG; signum++)
		signal(signum,
		    sigismember(ignored, signum) == 1 ? SIG_IGN : SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Makes fds standard input, output and error; -1 means /dev/null.  0, or -1
 * with errno. */
static int
child_descriptors(const int fds[3])
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return -1;
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (dup2(fds[fd] < 0 ? null : fds[fd], fd) < 0)
			return -1;
	return 0;
}

/* Arranges that this process gets signum when the monitor ends.  0, or -1. */
static int
child_bind_to(pid_t parent, int signum)
{
	if (prctl(PR_SET_PDEATHSIG, signum) != 0)
		return -1;
	/* The monitor may already have ended. */
	return getppid() == parent ? 0 : -1;
}

static void __attribute__((noreturn)) child_exec(char *const *argv)
{
	execvp(argv[0], argv);
	dprintf(STDERR_FILENO, "cannot run %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

/*
 * This ssh, and the helper that it starts, have a password in memory: they dump
 * no core.  The kernel gives no core of a process with a limit of 1 byte to the
 * program of core_pattern either (core(5)); to increase a limit of 0 is not
 * permitted, but not needed where cores are files.  0, or -1 with errno.
 */
static int
login_environment(const struct monitor_state *monitor, const char *directory)
{
	const struct rlimit one = { 1, 1 }, none = { 0, 0 };
	char pid[16];

	if (setrlimit(RLIMIT_CORE, &one) != 0 &&
	    setrlimit(RLIMIT_CORE, &none) != 0)
		return -1;
	snprintf(pid, sizeof(pid), "%ld", (long)getpid());
	return setenv("SSH_ASKPASS", monitor->self, 1) != 0 ||
		setenv("SSH_ASKPASS_REQUIRE", "force", 1) != 0 ||
		setenv(ASKPASS_DIRECTORY, directory, 1) != 0 ||
		setenv(ASKPASS_PARENT, pid, 1) != 0 ?
	    -1 :
	    0;
}

/* What an ssh is started with. */
struct ssh_start {
	char **argv;
	int fds[3];
	bool apart;
	const char *login; /* the directory of a login; or NULL */
};

static void __attribute__((noreturn))
ssh_exec(const struct monitor_state *monitor, const struct ssh_start *start,
    pid_t parent)
{
	child_signals(&monitor->ignored);
	if (child_bind_to(parent, SIGTERM) != 0 ||
	    (start->apart && setsid() < 0) ||
	    ssh_environment(start->apart) != 0 ||
	    (start->login != NULL &&
		login_environment(monitor, start->login) != 0) ||
	    child_descriptors(start->fds) != 0)
		_exit(127);
	child_exec(start->argv);
}

static void __attribute__((noreturn))
exporter_exec(const struct monitor_state *monitor, pid_t parent, int listener)
{
	const int fds[3] = { listener, -1, STDERR_FILENO };
	sigset_t all;

	sigfillset(&all);
	child_signals(&all);
	if (child_bind_to(parent, SIGKILL) != 0 || setsid() < 0 ||
	    child_descriptors(fds) != 0 || chdir(monitor->directory) != 0)
		_exit(127);
	child_exec((char *const *)(uintptr_t)monitor->options->metrics);
}

/* ---- start and end ---- */

void
monitor_kill(const struct monitor_child *child, int signum)
{
	pid_t started[MONITOR_STARTED];
	size_t n;

	if (child->number == 0)
		return;
	if (child->exporter)
		signum = SIGKILL;
	/* Before the login, ssh does not end the processes that it has started,
	 * so they are signalled, too.  If a new process does not lead its
	 * session yet, kill() fails, but it has started nothing yet. */
	if (child->apart && kill(-child->pid, signum) == 0)
		return;
	n = process_descendants(child->pid, started, MONITOR_STARTED);
	kill(child->pid, signum);
	while (n > 0)
		kill(started[--n], signum);
}

struct monitor_child *
monitor_child(struct monitor_state *monitor, uint32_t number)
{
	for (size_t i = 0; i < MONITOR_PLACES(monitor->n); i++)
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

	/* If the main process has ended, monitor_request() notices it. */
	send(MONITOR_FD, &answer, sizeof(answer), MSG_NOSIGNAL);
}

/* Does the process get a session of its own, without a terminal?  All do except
 * the ssh of a first link, which may ask on the terminal. */
static bool
monitor_is_apart(const struct monitor_state *monitor,
    const struct monitor_request *request)
{
	return request->type != MONITOR_START ||
	    request->kind != CMDLINE_MASTER || request->link > 0 ||
	    monitor->first[request->to].apart;
}

/* The arguments of ssh; NULL when out of memory. */
static char **
monitor_arguments(const struct monitor_state *monitor,
    const struct monitor_request *request)
{
	const struct cmdline cmdline = {
		.kind = (enum cmdline_kind)request->kind,
		.to = request->to,
		.link = request->link,
		.ciphers =
		    request->ciphers[0] != '\0' ? request->ciphers : NULL,
		.timeouts = request->timeouts & (LINK_ALIVE | LINK_CONNECT),
		.account = &request->account,
	};

	return cmdline_make(&cmdline, &monitor->first[request->to]);
}

void
monitor_run(struct monitor_state *monitor, struct monitor_child *child,
    const struct monitor_request *request, int fd)
{
	bool exporter = request->type == MONITOR_START_METRICS;
	bool login = !exporter && request->kind == CMDLINE_LOGIN;
	bool errors = login || request->kind == CMDLINE_MASTER;
	char directory[CMDLINE_DIRECTORY_MAX];
	struct ssh_start start = {
		.fds = { -1, errors ? -1 : fd, errors ? fd : -1 },
		.apart = monitor_is_apart(monitor, request),
	};
	pid_t self = getpid(), pid;

	if (login)
		start.login = cmdline_link_options(&monitor->first[request->to],
		    request->link, directory)
				  .directory;
	if (!exporter)
		start.argv = monitor_arguments(monitor, request);
	if (!exporter && start.argv == NULL) {
		monitor_answer(request->number, -ENOMEM, 0);
		return;
	}
	/* Unlike fork(), this does not call the pthread_atfork(3) handlers of
	 * libraries.  The descriptors that those use are closed, and their
	 * numbers may be in use for something else. */
	pid = _Fork();
	if (pid == 0 && exporter)
		exporter_exec(monitor, self, fd);
	if (pid == 0)
		ssh_exec(monitor, &start, self);
	if (pid < 0)
		monitor_answer(request->number, -errno, 0);
	else
		*child = (struct monitor_child) {
			.number = request->number,
			.pid = pid,
			.apart = start.apart,
			.exporter = exporter,
		};
	free(start.argv);
}

void
monitor_reap(struct monitor_state *monitor, bool answer)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	while (read(monitor->signal_fd, &info, sizeof(info)) > 0)
		;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (size_t i = 0; i < MONITOR_PLACES(monitor->n); i++) {
			struct monitor_child *child = &monitor->children[i];

			if (child->number == 0 || child->pid != pid)
				continue;
			if (answer)
				monitor_answer(child->number, 0, status);
			child->number = 0;
		}
	}
}

static bool
monitor_has_children(const struct monitor_state *monitor)
{
	for (size_t i = 0; i < MONITOR_PLACES(monitor->n); i++)
		if (monitor->children[i].number != 0)
			return true;
	return false;
}

/* Sends SIGTERM, some more of them, then SIGKILL, as master_stop() does. */
void
monitor_end(struct monitor_state *monitor, int status)
{
	struct pollfd ended = { .fd = monitor->signal_fd, .events = POLLIN };

	monitor_reap(monitor, false);
	for (int terms = 0;
	     terms <= LIMIT_SSH_STOP_TERMS && monitor_has_children(monitor);
	     terms++) {
		for (size_t i = 0; i < MONITOR_PLACES(monitor->n); i++)
			monitor_kill(&monitor->children[i],
			    terms < LIMIT_SSH_STOP_TERMS ? SIGTERM : SIGKILL);
		while (monitor_has_children(monitor) &&
		    poll(&ended, 1, LIMIT_SSH_STOP_MS / LIMIT_SSH_STOP_TERMS) >
			0)
			monitor_reap(monitor, false);
	}
	privdir_remove(monitor->directory);
	if (monitor->options->remove != NULL)
		sockfile_remove_stale(monitor->options->remove);
	_exit(status);
}
