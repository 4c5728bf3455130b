/*
 * Signals, descriptors and other properties that a process inherits.
 */
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

/* The signals by which shells and terminals control jobs. */
static const int job_signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTSTP, SIGTTIN };

static bool
is_job_signal(int signum)
{
	for (size_t i = 0; i < sizeof(job_signals) / sizeof(job_signals[0]);
	     i++)
		if (job_signals[i] == signum)
			return true;
	return false;
}

/* What process_prepare() found, for process_restore(). */
static struct {
	sigset_t ignored;
	sigset_t blocked;
	mode_t mask;
} inherited;

static void
keep_signals(void)
{
	sigemptyset(&inherited.ignored);
	for (int signum = 1; signum < NSIG; signum++)
		if (process_ignores(signum))
			sigaddset(&inherited.ignored, signum);
	sigprocmask(SIG_SETMASK, NULL, &inherited.blocked);
}

static void
prepare_signals(void)
{
	const struct itimerval never = { .it_value = { 0 } };
	sigset_t none;

	/* These timers survive exec (alarm(2) uses the first one).  They are
	 * stopped before their signals get the default action. */
	setitimer(ITIMER_REAL, &never, NULL);
	setitimer(ITIMER_VIRTUAL, &never, NULL);
	setitimer(ITIMER_PROF, &never, NULL);
	/* This fails for SIGKILL, SIGSTOP and those that libc uses. */
	for (int signum = 1; signum < NSIG; signum++) {
		if (is_job_signal(signum))
			continue;
		/* SIG_IGN drops a signal that came while it was blocked. */
		if (signum != SIGTERM)
			signal(signum, SIG_IGN);
		signal(signum, SIG_DFL);
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Makes sure that no descriptor opened later gets one of these numbers. */
static int
open_standard(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) != -1)
			continue;
		/* open(2) uses the lowest free number, which is fd. */
		if (open("/dev/null", O_RDWR) < 0)
			return -errno;
	}
	return 0;
}

int
process_prepare(void)
{
	keep_signals();
	prepare_signals();
	inherited.mask = umask(0);
	umask((inherited.mask & (S_IRWXG | S_IRWXO)) | S_IWGRP | S_IWOTH);
	return open_standard();
}

void
process_restore(void)
{
	for (int signum = 1; signum < NSIG; signum++)
		signal(signum,
		    sigismember(&inherited.ignored, signum) == 1 ? SIG_IGN :
								   SIG_DFL);
	umask(inherited.mask);
	sigprocmask(SIG_SETMASK, &inherited.blocked, NULL);
}

bool
process_ignores(int signum)
{
	struct sigaction action;

	return sigaction(signum, NULL, &action) == 0 &&
	    action.sa_handler == SIG_IGN;
}

void
process_ignored_jobs(sigset_t *ret)
{
	sigemptyset(ret);
	for (size_t i = 0; i < sizeof(job_signals) / sizeof(job_signals[0]);
	     i++)
		if (process_ignores(job_signals[i]))
			sigaddset(ret, job_signals[i]);
}

static size_t
process_children(pid_t pid, pid_t *ret, size_t max)
{
	char path[64], word[24];
	size_t n = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid,
	    (int)pid);
	file = fopen(path, "re");
	if (file == NULL)
		return 0;
	while (n < max && fscanf(file, "%23s", word) == 1)
		ret[n++] = (pid_t)strtol(word, NULL, 10);
	fclose(file);
	return n;
}

size_t
process_descendants(pid_t pid, pid_t *ret, size_t max)
{
	size_t n = process_children(pid, ret, max);

	for (size_t i = 0; i < n; i++)
		n += process_children(ret[i], ret + n, max - n);
	return n;
}
