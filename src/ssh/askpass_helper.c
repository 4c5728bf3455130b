/*
 * The helper of askpass.h: culvert, as ssh runs it.  It ignores SIGTERM: when
 * ssh is ended, it must not end before ssh, which would then send an empty
 * password.  It ends when the main process closes the socket.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "limits.h"
#include "ssh/askpass.h"
#include "ssh/askpass_priv.h"

bool
askpass_is_helper(int argc, char **argv)
{
	const char *program = getenv("SSH_ASKPASS");

	return argc == 2 && program != NULL && strcmp(argv[0], program) == 0 &&
	    getenv(ASKPASS_DIRECTORY) != NULL;
}

/* Returns a connection to the main process, or -1. */
static int
helper_connect(void)
{
	CLEANUP(cleanup_fd)
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un at;

	if (fd < 0 || askpass_address(getenv(ASKPASS_DIRECTORY), &at) != 0 ||
	    connect(fd, (const struct sockaddr *)&at, sizeof(at)) != 0)
		return -1;
	return steal_fd(&fd);
}

static bool
helper_write(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno != EINTR)
			return false;
		bytes += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

/* Is the ssh of the link the parent of this process, and does it want an
 * answer?  With SSH_ASKPASS_PROMPT it does not, or asks for a confirmation. */
static bool
helper_is_own(void)
{
	const char *parent = getenv(ASKPASS_PARENT);
	uint64_t pid;

	return parent != NULL && num_parse_text(parent, INT32_MAX, &pid) == 0 &&
	    (pid_t)pid == getppid() && getenv("SSH_ASKPASS_PROMPT") == NULL;
}

int
askpass_help(const char *prompt)
{
	CLEANUP(cleanup_fd) int fd = -1;
	char first = helper_is_own() ? ASKPASS_OWN : ASKPASS_NESTED;
	char password[LIMIT_SSH_PASSWORD];
	size_t len = 0;
	ssize_t n = 1;
	bool good;

	signal(SIGTERM, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_DUMPABLE, 0);
	fd = helper_connect();
	if (fd < 0 || !helper_write(fd, &first, 1) ||
	    !helper_write(fd, prompt,
		strnlen(prompt, LIMIT_ASKPASS_PROMPT - 1)) ||
	    shutdown(fd, SHUT_WR) != 0)
		return EXIT_FAILURE;
	while (len < sizeof(password) && n != 0) {
		n = read(fd, password + len, sizeof(password) - len);
		if (n < 0 && errno != EINTR)
			break;
		len += n > 0 ? (size_t)n : 0;
	}
	good = len > 0 && helper_write(STDOUT_FILENO, password, len);
	explicit_bzero(password, sizeof(password));
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
