/*
 * The supervisor of culvert exec: the command, its signals, and its end.
 */
#include "capture/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fds.h"
#include "base/log.h"
#include "base/process.h"
#include "capture/exec_filter.h"
#include "capture/exec_hosts.h"
#include "capture/supervisor_priv.h"

/* These are passed on: see is_passed_on(). */
static const int passed_signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1,
	SIGUSR2 };

#define STATUS_OF_EXIT(n) ((n) << 8)

static sigset_t
watched_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGCONT);
	for (size_t i = 0;
	     i < sizeof(passed_signals) / sizeof(passed_signals[0]); i++)
		sigaddset(&set, passed_signals[i]);
	return set;
}

/* ---- the command ---- */

/* What the command's process says before it becomes the command. */
struct beginning {
	int err;  /* 0 with the filter's descriptor, or a negative errno: */
	bool run; /* ... of execvp(3), not of the filter */
};

static void become_command(const struct supervisor_options *options, int to)
    __attribute__((noreturn));

static void
become_command(const struct supervisor_options *options, int to)
{
	struct beginning beginning = { .err = 0 };
	int notify;

	process_restore();
	notify = exec_filter_load(options->plan->n_maps > 0);
	if (notify < 0)
		beginning.err = notify;
	fds_send(to, &beginning, sizeof(beginning), notify);
	if (notify >= 0) {
		close(notify);
		execvp(options->command[0], options->command);
		beginning = (struct beginning) { .err = -errno, .run = true };
		fds_send(to, &beginning, sizeof(beginning), -1);
	}
	_exit(SUPERVISOR_NOT_RUN);
}

/* Logs why there is no command.  Returns its status. */
static int
supervisor_not_run(const struct supervisor_options *options,
    const struct beginning *beginning)
{
	const char *name = options->command[0];
	char text[LOG_ESCAPED_MAX];

	log_escape(text, sizeof(text), name, strlen(name));
	if (beginning->run)
		log_err("cannot run %s: %s", text, strerror(-beginning->err));
	else if (beginning->err == -EBUSY)
		log_err("cannot run %s: this culvert itself runs in another "
			"program's seccomp filter that has a supervisor, and "
			"the kernel permits only one",
		    text);
	else
		log_err("cannot run %s: the kernel refuses the seccomp filter "
			"that captures its connections: %s",
		    text, strerror(-beginning->err));
	return STATUS_OF_EXIT(beginning->err == -ENOENT && beginning->run ?
		SUPERVISOR_NOT_FOUND :
		SUPERVISOR_NOT_RUN);
}

/* Starts the command's process; it waits for us when it opens or connects
 * anything.  Returns false, with the status in *ret_status, if it cannot. */
static bool
supervisor_start(struct supervisor *supervisor, int *ret_status)
{
	const struct supervisor_options *options = supervisor->options;
	struct beginning beginning = { .err = -EIO };
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
		beginning.err = -errno;
		*ret_status = supervisor_not_run(options, &beginning);
		return false;
	}
	supervisor->command = fork();
	if (supervisor->command == 0)
		become_command(options, pair[1]);
	if (supervisor->command < 0)
		beginning.err = -errno;
	close(pair[1]);
	supervisor->start = pair[0];
	if (supervisor->command > 0)
		fds_receive(supervisor->start, &beginning, sizeof(beginning),
		    &supervisor->notify);
	if (beginning.err == 0 && supervisor->notify >= 0)
		return true;
	*ret_status = supervisor_not_run(options, &beginning);
	if (supervisor->command > 0)
		waitpid(supervisor->command, NULL, 0);
	return false;
}

/* The command's process has become the command, or could not. */
static void
look_at_start(struct supervisor *supervisor)
{
	struct beginning beginning = { .err = 0 };
	int none = -1;

	if (fds_receive(supervisor->start, &beginning, sizeof(beginning),
		&none) == sizeof(beginning))
		supervisor->failed =
		    supervisor_not_run(supervisor->options, &beginning);
	cleanup_fd(&none);
	cleanup_fd(&supervisor->start);
	supervisor->start = -1;
}

/* ---- signals ---- */

static bool
has_terminal(void)
{
	CLEANUP(cleanup_fd)
	int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);

	return fd >= 0;
}

/* Has somebody just continued this process?  Then the command is being
 * continued, too, even if it seems to be stopped yet. */
static bool
was_continued(void)
{
	const struct timespec at_once = { .tv_sec = 0 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCONT);
	return sigtimedwait(&set, NULL, &at_once) == SIGCONT;
}

/* Has the command ended?  Then *ret_status is how. */
static bool
reap_command(const struct supervisor *supervisor, int *ret_status)
{
	int status;

	while (waitpid(supervisor->command, &status, WNOHANG | WUNTRACED) > 0) {
		if (!WIFSTOPPED(status)) {
			*ret_status = supervisor->failed != 0 ?
			    supervisor->failed :
			    status;
			return true;
		}
		/* The shell that has started us looks only at us.  Without a
		 * terminal, who stops the command may not know us, and would
		 * not continue us. */
		if (!has_terminal())
			continue;
		if (!was_continued()) {
			raise(SIGSTOP);
			was_continued(); /* since then, it was */
		}
		kill(supervisor->command, SIGCONT);
	}
	return false;
}

/* Not what the command itself has sent us, nor what the terminal has sent to
 * both.  If the terminal is closed, only the first process of its session gets
 * SIGHUP. */
static bool
is_passed_on(const struct supervisor *supervisor,
    const struct signalfd_siginfo *info)
{
	if (info->ssi_code > 0)
		return info->ssi_signo == SIGHUP && getsid(0) == getpid();
	return (pid_t)info->ssi_pid != supervisor->command;
}

static bool
take_signals(struct supervisor *supervisor, int *ret_status)
{
	struct signalfd_siginfo info;

	if (read(supervisor->signals, &info, sizeof(info)) != sizeof(info))
		return false;
	if (info.ssi_signo == SIGCHLD)
		return reap_command(supervisor, ret_status);
	if (is_passed_on(supervisor, &info))
		kill(supervisor->command, (int)info.ssi_signo);
	return false;
}

/* ---- the loop ---- */

static int
supervisor_loop(struct supervisor *supervisor)
{
	struct pollfd fds[4];
	int status = 0;

	for (;;) {
		fds[0] = (struct pollfd) { supervisor->signals, POLLIN, 0 };
		fds[1] = (struct pollfd) { supervisor->notify, POLLIN, 0 };
		fds[2] = (struct pollfd) { supervisor->main, POLLIN, 0 };
		fds[3] = (struct pollfd) { supervisor->start, POLLIN, 0 };
		if (poll(fds, 4, -1) < 0)
			continue; /* EINTR: this process was stopped */
		if (fds[3].revents != 0)
			look_at_start(supervisor);
		if (fds[2].revents != 0)
			supervisor_hear_main(supervisor);
		if ((fds[1].revents & POLLIN) != 0)
			supervisor_answer(supervisor);
		else if (fds[1].revents != 0) {
			cleanup_fd(&supervisor->notify);
			supervisor->notify = -1;
		}
		if (fds[0].revents != 0 && take_signals(supervisor, &status))
			return status;
	}
}

int
supervisor_run(const struct supervisor_options *options)
{
	struct supervisor supervisor = {
		.options = options,
		.main = options->main,
		.notify = -1,
		.hosts = -1,
		.start = -1,
		.warnings = { .noun = "refused connection" },
	};
	sigset_t set = watched_signals(), old;
	int status = STATUS_OF_EXIT(SUPERVISOR_NOT_RUN);

	sigprocmask(SIG_BLOCK, &set, &old);
	supervisor.signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (options->plan->n_maps > 0)
		supervisor.hosts = exec_hosts_make(options->plan);
	if (supervisor.signals < 0 ||
	    (options->plan->n_maps > 0 && supervisor.hosts < 0))
		log_err("cannot run %s: %s", options->command[0],
		    strerror(errno));
	else if (supervisor_start(&supervisor, &status))
		status = supervisor_loop(&supervisor);
	cleanup_fd(&supervisor.start);
	cleanup_fd(&supervisor.notify);
	cleanup_fd(&supervisor.hosts);
	cleanup_fd(&supervisor.signals);
	log_limit_end(&supervisor.warnings, NULL);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return status;
}
