/*
 * Going to the background.
 */
#include "base/foreground.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/log_output.h"
#include "base/process.h"

/* These signals end the child, and then the foreground process. */
static const int ending_signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };

struct foreground {
	pid_t child;
	int ready;    /* a byte: the child is ready; end of file: it ended */
	int errors;   /* the child's standard error, or -1 */
	int signals;  /* a signalfd */
	int ended_by; /* the signal that came, or 0 */
	const struct foreground_work *work; /* or NULL */
	sigset_t mask;			    /* of signals, before the fork */
	size_t line_len;
	char line[LOG_OUTPUT_MAX]; /* of the child, not complete yet */
};

static sigset_t
ending_set(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0;
	     i < sizeof(ending_signals) / sizeof(ending_signals[0]); i++)
		if (!process_ignores(ending_signals[i]))
			sigaddset(&set, ending_signals[i]);
	return set;
}

/* ---- the foreground process ---- */

static void
foreground_pass_line(struct foreground *foreground)
{
	foreground->line[foreground->line_len++] = '\n';
	log_pass(foreground->line, foreground->line_len);
	foreground->line_len = 0;
}

static void
pass_byte(struct foreground *foreground, char byte)
{
	if (byte != '\n')
		foreground->line[foreground->line_len++] = byte;
	if (byte == '\n' ||
	    foreground->line_len == sizeof(foreground->line) - 1)
		foreground_pass_line(foreground);
}

/* Prints the complete lines that have come.  Returns false if nothing more can
 * come. */
static bool
pass_errors(struct foreground *foreground)
{
	char bytes[4096];
	ssize_t n = read(foreground->errors, bytes, sizeof(bytes));

	for (ssize_t i = 0; i < n; i++)
		pass_byte(foreground, bytes[i]);
	return n > 0 || (n < 0 && errno == EINTR);
}

/* Ends the child; the foreground process ends when the child has. */
static void
take_signal(struct foreground *foreground)
{
	struct signalfd_siginfo info;

	if (read(foreground->signals, &info, sizeof(info)) != sizeof(info))
		return;
	foreground->ended_by = (int)info.ssi_signo;
	/* For SIGHUP the child would reload.  The child may ignore SIGINT, as
	 * in a background job of a script, but then this process does, too. */
	kill(foreground->child,
	    foreground->ended_by == SIGINT ? SIGINT : SIGTERM);
}

/* Waits until the child is ready (true) or has ended (false). */
static bool
wait_ready(struct foreground *foreground)
{
	struct pollfd fds[] = {
		{ .fd = foreground->ready, .events = POLLIN },
		{ .fd = foreground->errors, .events = POLLIN },
		{ .fd = foreground->signals, .events = POLLIN },
	};
	char byte;
	ssize_t n;

	for (;;) {
		if (poll(fds, 3, -1) < 0)
			continue; /* EINTR: this process was stopped */
		if (fds[2].revents != 0)
			take_signal(foreground);
		if (fds[1].revents != 0 && !pass_errors(foreground))
			fds[1].fd = -1;
		if (fds[0].revents == 0)
			continue;
		n = read(foreground->ready, &byte, 1);
		/* The child ends by the signal even if it is ready. */
		if (n >= 0 || errno != EINTR)
			return n == 1 && foreground->ended_by == 0;
	}
}

/* Prints what the child wrote before it was ready or ended. */
static void
foreground_pass_rest(struct foreground *foreground)
{
	struct pollfd fd = { .fd = foreground->errors, .events = POLLIN };

	while (poll(&fd, 1, 0) == 1 && pass_errors(foreground))
		;
	if (foreground->line_len > 0)
		foreground_pass_line(foreground);
	log_flush();
}

static void
end_by_signal(int signum)
{
	const struct rlimit none = { .rlim_cur = 0 };
	sigset_t set;

	/* Who has received it first has written the core file. */
	setrlimit(RLIMIT_CORE, &none);
	signal(signum, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, signum);
	raise(signum);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* Returns the exit status. */
static int
foreground_do_work(struct foreground *foreground)
{
	const struct foreground_work *work = foreground->work;
	int status;

	/* The work handles signals by itself. */
	sigprocmask(SIG_SETMASK, &foreground->mask, NULL);
	status = work->run(work->ctx, foreground->ready);
	cleanup_fd(&foreground->ready);
	while (waitpid(foreground->child, NULL, 0) < 0 && errno == EINTR)
		;
	log_flush();
	if (WIFSIGNALED(status))
		end_by_signal(WTERMSIG(status));
	return WEXITSTATUS(status);
}

/* Returns the exit status. */
static int
run_foreground(struct foreground *foreground)
{
	bool ready;
	int status;

	/* Without a reader of standard error, the child continues. */
	signal(SIGPIPE, SIG_IGN);
	log_open();
	ready = wait_ready(foreground);
	foreground_pass_rest(foreground);
	if (ready && foreground->work != NULL)
		return foreground_do_work(foreground);
	if (ready)
		return EXIT_SUCCESS;
	while (waitpid(foreground->child, &status, 0) < 0)
		if (errno != EINTR)
			return EXIT_FAILURE;
	foreground_pass_rest(foreground);
	if (foreground->ended_by != 0)
		end_by_signal(foreground->ended_by);
	if (WIFSIGNALED(status))
		log_err("the background process was killed by signal %d (%s)",
		    WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) == 0)
		log_err("culvert was stopped before it could go to the "
			"background");
	return WIFEXITED(status) && WEXITSTATUS(status) != 0 ?
	    WEXITSTATUS(status) :
	    EXIT_FAILURE;
}

/* ---- the child ---- */

static void
run_child(int errors)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	if (errors >= 0)
		dup2(errors, STDERR_FILENO);
	cleanup_fd(&errors);
	cleanup_fd(&null);
}

/* ---- the fork ---- */

bool
foreground_fork(bool keep_errors, const struct foreground_work *work,
    int *ret_fd, int *ret_status)
{
	int ready[2], errors[2] = { -1, -1 };
	struct foreground foreground = { .child = -1, .work = work };
	sigset_t set = ending_set(), old;

	/* Until the child exists, signals must wait. */
	sigprocmask(SIG_BLOCK, &set, &old);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ready) == 0 &&
	    (keep_errors || pipe2(errors, O_CLOEXEC) == 0) &&
	    (foreground.signals = signalfd(-1, &set, SFD_CLOEXEC)) >= 0)
		foreground.child = fork();
	if (foreground.child < 0) {
		log_err("cannot go to the background: %s", strerror(errno));
		*ret_status = EXIT_FAILURE;
		return false; /* and the process ends */
	}
	/* Each process closes the ends of the other one.  Otherwise it would
	 * not see that the other one has ended. */
	close(ready[foreground.child == 0 ? 0 : 1]);
	cleanup_fd(&errors[foreground.child == 0 ? 0 : 1]);
	if (foreground.child == 0) {
		close(foreground.signals);
		sigprocmask(SIG_SETMASK, &old, NULL);
		run_child(errors[1]);
		*ret_fd = ready[1];
		return true;
	}
	foreground.ready = ready[0];
	foreground.errors = errors[0];
	foreground.mask = old;
	*ret_status = run_foreground(&foreground);
	return false;
}

void
foreground_release(int fd)
{
	send(fd, "", 1, MSG_NOSIGNAL);
}
