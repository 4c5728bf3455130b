/*
 * The FTP user and password, from --user, ~/.netrc and the terminal.
 */
#ifndef CHECK_LOGIN_H
#define CHECK_LOGIN_H

#include <stdbool.h>
#include <stddef.h>

#include "check/netrc.h"
#include "conf/options.h"

enum login_result {
	LOGIN_HAVE,
	LOGIN_NOT_GIVEN,   /* no user was given */
	LOGIN_NO_PASSWORD, /* ... or no password */
	LOGIN_NETRC_WRONG, /* see why */
};

struct login;

/*
 * Reads the file netrc, or ~/.netrc if that is NULL.  If a user is given and
 * the file has no password for the host of some forward, asks for it on the
 * terminal, unless --batch is set.  Blocks: for start-up only, before the
 * process is confined.  NULL when out of memory.
 */
struct login *login_new(const struct options *options, const char *user,
    const char *netrc);

/* The login for that host.  why is valid as long as the login. */
enum login_result login_find(const struct login *login, const char *host,
    struct netrc_login *ret, const char **ret_why);

/* The path of the file; can others read it? */
const char *login_netrc(const struct login *login);
bool login_is_open(const struct login *login);

/* Overwrites passwords.  NULL is allowed. */
void login_free(struct login *login);

#endif
