/*
 * Questions to the user.
 */
#include "base/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"

static const int ending[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };

#define N_ENDING (sizeof(ending) / sizeof(ending[0]))

/* The signal that has arrived.  A signal handler may write only to a variable
 * of this kind. */
static volatile sig_atomic_t caught;

static void
terminal_on_signal(int signum)
{
	caught = signum;
}

int
terminal_read_line(int fd, char *text, size_t size)
{
	size_t len = 0;
	char letter = '\0';

	while (caught == 0) {
		ssize_t n = read(fd, &letter, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0 || letter == '\n')
			break;
		if (letter == '\0')
			return -EINVAL;
		if (len < size)
			text[len] = letter;
		len++;
	}
	if (caught != 0)
		return -EINTR;
	if (len >= size)
		return -E2BIG;
	text[len] = '\0';
	return 0;
}

/* Reads a line that is not shown. */
static int
terminal_read_hidden(int fd, const char *prompt, char *text, size_t size)
{
	struct termios shown, hidden;
	int err;

	if (tcgetattr(fd, &shown) != 0)
		return -errno;
	hidden = shown;
	hidden.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
	if (tcsetattr(fd, TCSAFLUSH, &hidden) != 0)
		return -errno;
	dprintf(fd, "%s", prompt);
	err = terminal_read_line(fd, text, size);
	tcsetattr(fd, TCSAFLUSH, &shown);
	dprintf(fd, "\n");
	return err;
}

/* Prompts once.  If a signal arrives meanwhile, raises it again when the
 * terminal has been restored. */
static int
terminal_prompt_once(int fd, const char *prompt, char *text, size_t size)
{
	const struct sigaction action = { .sa_handler = terminal_on_signal };
	struct sigaction before[N_ENDING];
	int err;

	caught = 0;
	for (size_t i = 0; i < N_ENDING; i++)
		sigaction(ending[i], &action, &before[i]);
	err = terminal_read_hidden(fd, prompt, text, size);
	for (size_t i = 0; i < N_ENDING; i++)
		sigaction(ending[i], &before[i], NULL);
	if (caught != 0)
		raise(caught);
	return err;
}

int
terminal_prompt(const char *prompt, char *text, size_t size)
{
	CLEANUP(cleanup_fd)
	int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	/* After Ctrl-Z and "fg", ask again. */
	do
		err = terminal_prompt_once(fd, prompt, text, size);
	while (err == -EINTR && caught == SIGTSTP);
	return err;
}
