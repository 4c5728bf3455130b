/*
 * The monitor process: its start, and its loop over the socket and SIGCHLD.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/append.h"
#include "base/cleanup.h"
#include "base/fds.h"
#include "base/log.h"
#include "base/privdir.h"
#include "base/process.h"
#include "base/title.h"
#include "limits.h"
#include "ssh/monitor_priv.h"

/* The name in ps, where it has at most 15 characters. */
#define MONITOR_NAME "culvert-monitor"

static const int monitor_ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT,
	SIGUSR1, SIGUSR2, SIGPIPE, SIGXFSZ, SIGTTOU };

/* Signals that a terminal sends to its foreground jobs.  ssh ignores them: it
 * keeps the terminal, to ask on, but culvert ends it, and may need it after a
 * ^C to remove temporary files.  With -f, culvert leaves the terminal, but ssh
 * cannot (monitor_leave_terminal()). */
static const int terminal_signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTSTP };

static void
monitor_set_up(struct monitor_state *monitor, int fd)
{
	sigset_t set;

	/* An upgrade may replace the file later; the helper then is the new
	 * program. */
	if (readlink("/proc/self/exe", monitor->self,
		sizeof(monitor->self) - 1) < 0)
		monitor->self[0] = '\0';
	process_ignored_jobs(&monitor->ignored);
	for (size_t i = 0;
	     i < sizeof(terminal_signals) / sizeof(terminal_signals[0]); i++)
		sigaddset(&monitor->ignored, terminal_signals[i]);
	for (size_t i = 0;
	     i < sizeof(monitor_ignored) / sizeof(monitor_ignored[0]); i++)
		signal(monitor_ignored[i], SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_SETMASK, &set, NULL);
	/* Neither ssh nor the monitor needs what main() has opened. */
	if (fd != MONITOR_FD)
		dup3(fd, MONITOR_FD, O_CLOEXEC);
	closefrom(MONITOR_FD + 1);
	log_open_again();
	monitor->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Makes the private directory, and one in it for each further destination. */
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

/* Becomes the user, makes the directory and opens the log. */
static struct monitor_hello
monitor_prepare(struct monitor_state *monitor, int *ret_log)
{
	const struct user *user = monitor->options->user;
	const char *log = monitor->options->log;
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
	if (hello.err == 0 && log != NULL)
		*ret_log = append_open(log);
	if (hello.err == 0 && log != NULL && *ret_log < 0) {
		hello.err = *ret_log;
		snprintf(hello.text, sizeof(hello.text),
		    "cannot open the transfer log %s: %s", log,
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
	monitor.options = options;
	monitor_set_up(&monitor, fd);
	title_set(MONITOR_NAME);
	hello = monitor_prepare(&monitor, &log);
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
			continue; /* EINTR: it was stopped and continued */
		if (fds[0].revents != 0)
			monitor_reap(&monitor, true);
		if (fds[1].revents != 0)
			monitor_request(&monitor);
	}
}
