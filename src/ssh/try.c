/*
 * Does ssh take its options?
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
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "limits.h"
#include "ssh/cmdline.h"

/* 0 or a negative errno. */
static int
spawn(char **argv, int output, pid_t *ret_pid)
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

static long
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Adds the line to where, if it is one of those that say where ssh goes. */
static void
add_where(char *where, size_t size, const char *line)
{
	static const char *const keys[] = { "hostname ", "port ", "proxyjump ",
		"proxycommand " };
	size_t len = strlen(where);

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strncmp(line, keys[i], strlen(keys[i])) == 0)
			snprintf(where + len, size - len, "%s\n", line);
}

/* The last line of what it says until it ends.  False: not in time. */
static bool
read_words(int fd, char *line, size_t size, char *where, size_t where_size)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	long end = now_ms() + LIMIT_SSH_TRY_MS, left;
	size_t len = 0;
	bool ended = false;
	ssize_t n;
	char c;

	line[0] = '\0';
	while ((left = end - now_ms()) > 0) {
		if (poll(&ready, 1, (int)left) <= 0)
			continue;
		n = read(fd, &c, 1);
		if (n <= 0)
			return true;
		if (ended)
			len = 0;
		ended = c == '\n';
		if (ended)
			add_where(where, where_size, line);
		if (!ended && c != '\r' && len < size - 1)
			line[len++] = c;
		line[len] = '\0';
	}
	return false;
}

/* Its status, or -1. */
static int
try_wait_end(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int
ssh_try(const struct link_options *options, char *where, size_t where_size,
    char *why, size_t why_size)
{
	const struct cmdline cmdline = { .kind = CMDLINE_CONFIGURED };
	struct link_options own = *options;
	char line[LIMIT_SSH_WORDS], text[LIMIT_SSH_WORDS];
	CLEANUP(cleanup_fd) int reader = -1;
	char **argv;
	int fds[2], err;
	bool in_time;
	pid_t pid;

	own.directory = "/"; /* ssh -G has no socket */
	argv = cmdline_make(&cmdline, &own);
	if (argv == NULL || pipe2(fds, O_CLOEXEC) != 0) {
		free(argv);
		snprintf(why, why_size, "%s", strerror(ENOMEM));
		return -ENOMEM;
	}
	reader = fds[0];
	err = spawn(argv, fds[1], &pid);
	free(argv);
	close(fds[1]);
	if (err != 0) {
		snprintf(why, why_size, "cannot run %s: %s", options->program,
		    strerror(-err));
		return err;
	}
	where[0] = '\0';
	in_time = read_words(reader, line, sizeof(line), where, where_size);
	if (!in_time)
		kill(pid, SIGKILL);
	if (try_wait_end(pid) == 0)
		return 0;
	log_escape(text, sizeof(text), line, strlen(line));
	snprintf(why, why_size, "%s -G: %s", options->program,
	    in_time ? text : "it does not end");
	return -EINVAL;
}
