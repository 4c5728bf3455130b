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
#include "base/terminal.h"

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
		lacks |= !options->forwards[i].sftp &&
		    !options->forwards[i].socks &&
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
