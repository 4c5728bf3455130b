/*
 * The FTP user and password, from --user, ~/.netrc and the terminal.
 */
#ifndef CHECK_LOGIN_H
#define CHECK_LOGIN_H

#include <stdbool.h>
#include <stddef.h>

#include "check/findings.h"
#include "check/netrc.h"
#include "conf/options.h"
#include "limits.h"

struct login {
	const char *user; /* or NULL */
	char path[4096];  /* of the netrc file */
	bool open;	  /* others can read it */
	bool optional;	  /* it need not exist: --netrc was not given */
	int err;	  /* of reading it: negative errno, or 0 */
	char text[LIMIT_NETRC];
	size_t len;
	bool has_typed;
	char typed[NETRC_WORD_MAX];
};

/*
 * Reads the file netrc, or ~/.netrc if that is NULL.  If a user is given and
 * the file has no password for the FTP server of some forward, asks for it on
 * the terminal, unless --batch is set.  Blocks: for start-up only, before the
 * process is confined.  All of login is 0 before.
 */
void login_read(struct login *login, const struct options *options,
    const char *user, const char *netrc);

/* The login for that host.  USER_OK, USER_NOT_GIVEN, USER_NO_PASSWORD, or
 * NETRC_WRONG and the reason in *ret_why. */
enum finding login_find(const struct login *login, const char *host,
    struct netrc_login *ret, const char **ret_why);

/* Overwrites passwords. */
void login_forget(struct login *login);

#endif
