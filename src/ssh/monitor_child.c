/*
 * The processes that the monitor starts: a table of them, from exec to exit.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/privdir.h"
#include "base/process.h"
#include "base/sockfile.h"
#include "limits.h"
#include "ssh/monitor_main_priv.h"

/* ssh runs a ProxyCommand, which may be a script, or another ssh for each
 * ProxyJump, and asks for passwords with one program at a time. */
#define MONITOR_STARTED 32

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
child_signals(const sigset_t *ignored)
{
	sigset_t none;

	for (int signum = 1; signum < NSIG; signum++)
		signal(signum,
		    sigismember(ignored, signum) == 1 ? SIG_IGN : SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* What standard input, output and error become; -1: /dev/null.  0, or -1 with
 * errno. */
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

/* The process dies with the monitor, by that signal.  0, or -1 with errno. */
static int
child_bind_to(pid_t parent, int signum)
{
	if (prctl(PR_SET_PDEATHSIG, signum) != 0)
		return -1;
	/* It may have ended before that. */
	return getppid() == parent ? 0 : -1;
}

static void __attribute__((noreturn)) child_exec(char *const *argv)
{
	execvp(argv[0], argv);
	dprintf(STDERR_FILENO, "cannot run %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static void __attribute__((noreturn))
ssh_exec(char **argv, const struct monitor_state *monitor, pid_t parent,
    bool apart, int output, int output_to)
{
	int fds[3] = { -1, -1, -1 };

	fds[output_to] = output;
	child_signals(&monitor->ignored);
	if (child_bind_to(parent, SIGTERM) != 0 || (apart && setsid() < 0) ||
	    ssh_environment(apart) != 0 || child_descriptors(fds) != 0)
		_exit(127);
	child_exec(argv);
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
	child_exec((char *const *)(uintptr_t)monitor->metrics);
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

	/* That the main process has gone the next look at the socket shows. */
	send(MONITOR_FD, &answer, sizeof(answer), MSG_NOSIGNAL);
}

void
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
		*child = (struct monitor_child) {
			.number = request->number,
			.pid = pid,
			.apart = apart,
		};
	free(argv);
}

void
monitor_run_exporter(struct monitor_state *monitor, struct monitor_child *child,
    uint32_t number, int listener)
{
	pid_t self = getpid(), pid = _Fork();

	if (pid == 0)
		exporter_exec(monitor, self, listener);
	if (pid < 0)
		monitor_answer(number, -errno, 0);
	else
		*child = (struct monitor_child) {
			.number = number,
			.pid = pid,
			.apart = true,
			.exporter = true,
		};
}

/* Takes note of those that have ended; answer: and says so. */
void
monitor_reap(struct monitor_state *monitor, bool answer)
{
	struct signalfd_siginfo info;
	uint32_t number;
	int status;
	pid_t pid;

	while (read(monitor->signal_fd, &info, sizeof(info)) > 0)
		;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (size_t i = 0; i < MONITOR_PLACES(monitor->n); i++) {
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
	for (size_t i = 0; i < MONITOR_PLACES(monitor->n); i++)
		if (monitor->children[i].number != 0)
			return true;
	return false;
}

/* As master_stop(): SIGTERM, again for one that misses it, SIGKILL. */
void
monitor_end(struct monitor_state *monitor, int status)
{
	struct pollfd ended = { .fd = monitor->signal_fd, .events = POLLIN };

	monitor_reap(monitor, false);
	for (int asked = 0;
	     asked <= LIMIT_SSH_STOP_ASKS && monitor_has_children(monitor);
	     asked++) {
		for (size_t i = 0; i < MONITOR_PLACES(monitor->n); i++)
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
