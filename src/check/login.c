/*
 * The FTP user and password.
 */
#include "check/login.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "check/terminal.h"
#include "limits.h"

struct login {
	const char *user; /* or NULL */
	char path[4096];
	bool open;
	int err;       /* of the file: negative errno, or 0 */
	bool optional; /* the file need not exist: --netrc was not given */
	char why[128];
	bool has_typed;
	char typed[NETRC_WORD_MAX];
	char text[LIMIT_NETRC];
	size_t len;
};

/* 0 or a negative errno. */
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

struct login *
login_new(const struct options *options, const char *user, const char *netrc)
{
	struct login *login = calloc(1, sizeof(*login));
	const char *home = getenv("HOME");

	if (login == NULL)
		return NULL;
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
	snprintf(login->why, sizeof(login->why), "%s",
	    login->err != 0 ? strerror(-login->err) : "");
	if (user != NULL && !options->batch && lacks_password(login, options))
		login_prompt(login);
	return login;
}

enum login_result
login_find(const struct login *login, const char *host, struct netrc_login *ret,
    const char **ret_why)
{
	int err = netrc_find(login->text, login->len, host, login->user, ret);

	*ret_why = login->why;
	if (err == 0)
		return LOGIN_HAVE;
	if (login->user != NULL && login->has_typed) {
		snprintf(ret->user, sizeof(ret->user), "%s", login->user);
		memcpy(ret->password, login->typed, sizeof(ret->password));
		return LOGIN_HAVE;
	}
	if (err == -EINVAL)
		*ret_why = "it has a syntax error";
	if (err == -EINVAL || (login->err != 0 && !login->optional))
		return LOGIN_NETRC_WRONG;
	return login->user != NULL ? LOGIN_NO_PASSWORD : LOGIN_NOT_GIVEN;
}

const char *
login_netrc(const struct login *login)
{
	return login->path;
}

bool
login_is_open(const struct login *login)
{
	return login->open;
}

void
login_free(struct login *login)
{
	if (login == NULL)
		return;
	explicit_bzero(login, sizeof(*login));
	free(login);
}
