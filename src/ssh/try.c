/*
 * Does ssh accept its options?
 */
#include "ssh/try.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "limits.h"
#include "ssh/cmdline.h"
#include "ssh/dump.h"

/* The process is looked at so often.  pidfd_open(2) would tell its end, but is
 * not possible in every container. */
#define TRY_LOOK_MS 10

/* Starts argv with output as its standard output and error.  0 or a negative
 * errno. */
static int
try_spawn(char **argv, int output, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int err;

	if (posix_spawn_file_actions_init(&actions) != 0)
		return -ENOMEM;
	if (posix_spawnattr_init(&attributes) != 0) {
		posix_spawn_file_actions_destroy(&actions);
		return -ENOMEM;
	}
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setflags(&attributes,
	    POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null",
	    O_RDWR, 0);
	posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
	err = posix_spawnp(ret_pid, argv[0], &actions, &attributes, argv,
	    environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return -err;
}

/* Waits for the process.  Returns its exit status; -1 if a signal has ended it;
 * or -ETIMEDOUT, and the process was killed. */
static int
try_wait(pid_t pid)
{
	int status;
	pid_t ended = waitpid(pid, &status, WNOHANG);

	for (int ms = 0; ended == 0 && ms < LIMIT_SSH_TRY_MS;
	     ms += TRY_LOOK_MS) {
		poll(NULL, 0, TRY_LOOK_MS);
		ended = waitpid(pid, &status, WNOHANG);
	}
	if (ended == 0) {
		kill(pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		return -ETIMEDOUT;
	}
	return ended == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
try_where(const char *text, size_t len, char *where, size_t size)
{
	static const char *const keys[] = { "hostname", "port", "proxyjump",
		"proxycommand" };
	char value[LIMIT_SSH_WORDS];
	size_t used = 0;

	where[0] = '\0';
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (used < size &&
		    dump_find(text, len, keys[i], value, sizeof(value)) == 0)
			used += (size_t)snprintf(where + used, size - used,
			    "%s %s\n", keys[i], value);
}

static void
try_last_line(const char *text, size_t len, char line[LOG_ESCAPED_MAX + 1])
{
	const char *start;

	while (len > 0 && strchr("\r\n", text[len - 1]) != NULL)
		len--;
	start = memrchr(text, '\n', len);
	start = start == NULL ? text : start + 1;
	log_escape(line, LOG_ESCAPED_MAX + 1, start,
	    len - (size_t)(start - text));
}

int
ssh_try(const struct link_options *options, char *where, size_t where_size,
    char *why, size_t why_size)
{
	const struct cmdline cmdline = { .kind = CMDLINE_CONFIGURED };
	struct link_options own = *options;
	char text[LIMIT_SSH_CONFIG], line[LOG_ESCAPED_MAX + 1];
	CLEANUP(cleanup_fd) int output = memfd_create("ssh", MFD_CLOEXEC);
	char **argv;
	pid_t pid;
	ssize_t len;
	int err;

	own.directory = "/"; /* not used by ssh -G */
	argv = cmdline_make(&cmdline, &own);
	err = argv == NULL || output < 0 ? -ENOMEM :
					   try_spawn(argv, output, &pid);
	free(argv);
	if (err != 0) {
		snprintf(why, why_size, "cannot run %s: %s", options->program,
		    strerror(-err));
		return err;
	}
	err = try_wait(pid);
	len = pread(output, text, sizeof(text), 0);
	if (len < 0)
		len = 0;
	try_where(text, (size_t)len, where, where_size);
	if (err == 0)
		return 0;
	try_last_line(text, (size_t)len, line);
	snprintf(why, why_size, "%s -G: %s", options->program,
	    err == -ETIMEDOUT ? "it does not end" : line);
	return -EINVAL;
}
