/*
 * The FTP user and password.
 */
#include "check/login.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"

/* ---- the terminal ---- */

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

/* Reads a line, without its end.  Returns 0 or a negative errno. */
static int
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
read_hidden(int fd, const char *prompt, char *text, size_t size)
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
prompt_once(int fd, const char *prompt, char *text, size_t size)
{
	const struct sigaction action = { .sa_handler = terminal_on_signal };
	struct sigaction before[N_ENDING];
	int err;

	caught = 0;
	for (size_t i = 0; i < N_ENDING; i++)
		sigaction(ending[i], &action, &before[i]);
	err = read_hidden(fd, prompt, text, size);
	for (size_t i = 0; i < N_ENDING; i++)
		sigaction(ending[i], &before[i], NULL);
	if (caught != 0)
		raise(caught);
	return err;
}

/*
 * Asks for a password; what the user types is not shown.  Returns 0; -ENXIO or
 * similar if there is no terminal; -E2BIG for more than size - 1 letters;
 * -EINTR after a signal, which has been raised again for its former handler.
 */
static int
terminal_prompt(const char *prompt, char *text, size_t size)
{
	CLEANUP(cleanup_fd)
	int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	/* After Ctrl-Z and "fg", ask again. */
	do
		err = prompt_once(fd, prompt, text, size);
	while (err == -EINTR && caught == SIGTSTP);
	return err;
}

/* ---- the netrc file ---- */

/* Returns 0 or a negative errno. */
static int
login_read_file(struct login *login)
{
	CLEANUP(cleanup_fd)
	int fd = open(login->path, O_RDONLY | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) != 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	while (login->len < sizeof(login->text) &&
	    (n = read(fd, login->text + login->len,
		 sizeof(login->text) - login->len)) != 0) {
		if (n < 0)
			return -errno;
		login->len += (size_t)n;
	}
	if (login->len == sizeof(login->text))
		return -EFBIG;
	login->open = (st.st_mode & (S_IRGRP | S_IROTH)) != 0;
	return 0;
}

/* Does the file lack the password for the host of some forward? */
static bool
lacks_password(const struct login *login, const struct options *options)
{
	struct netrc_login found;
	bool lacks = false;

	for (size_t i = 0; i < options->n_forwards; i++)
		lacks |=
		    netrc_find(login->text, login->len,
			options->forwards[i].host, login->user, &found) != 0;
	explicit_bzero(&found, sizeof(found));
	return lacks;
}

static void
login_prompt(struct login *login)
{
	char prompt[NETRC_WORD_MAX + 32];

	snprintf(prompt, sizeof(prompt),
	    "FTP password of %.200s: ", login->user);
	login->has_typed =
	    terminal_prompt(prompt, login->typed, sizeof(login->typed)) == 0;
}

/* ---- login.h ---- */

void
login_read(struct login *login, const struct options *options, const char *user,
    const char *netrc)
{
	const char *home = getenv("HOME");

	login->user = user;
	login->optional = netrc == NULL;
	if (netrc != NULL)
		snprintf(login->path, sizeof(login->path), "%s", netrc);
	else
		snprintf(login->path, sizeof(login->path), "%s/.netrc",
		    home != NULL ? home : "");
	login->err = login_read_file(login);
	if (login->err != 0)
		login->len = 0;
	if (user != NULL && !options->batch && lacks_password(login, options))
		login_prompt(login);
}

enum finding
login_find(const struct login *login, const char *host, struct netrc_login *ret,
    const char **ret_why)
{
	int err = netrc_find(login->text, login->len, host, login->user, ret);

	if (err == 0)
		return USER_OK;
	if (login->user != NULL && login->has_typed) {
		snprintf(ret->user, sizeof(ret->user), "%s", login->user);
		memcpy(ret->password, login->typed, sizeof(ret->password));
		return USER_OK;
	}
	*ret_why = err == -EINVAL ? "it has a syntax error" :
				    strerrordesc_np(-login->err);
	if (err == -EINVAL || (login->err != 0 && !login->optional))
		return NETRC_WRONG;
	return login->user != NULL ? USER_NO_PASSWORD : USER_NOT_GIVEN;
}

void
login_forget(struct login *login)
{
	explicit_bzero(login, sizeof(*login));
}
