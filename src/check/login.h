/*
 * The FTP user and password: by --user, ~/.netrc and the terminal.
 */
#ifndef CHECK_LOGIN_H
#define CHECK_LOGIN_H

#include <stdbool.h>
#include <stddef.h>

#include "check/netrc.h"
#include "conf/options.h"

enum login_result {
	LOGIN_HAVE,
	LOGIN_NOT_GIVEN,   /* nobody has named a user */
	LOGIN_NO_PASSWORD, /* ... or a password */
	LOGIN_NETRC_WRONG, /* why */
};

struct login;

/*
 * Reads the file (netrc, or where that is NULL ~/.netrc), and asks on the
 * terminal if there is a user that has no password there for the host of one of
 * the forwards, unless nobody is to be asked.  Blocks: this is for the start,
 * before the process is confined.  NULL when out of memory.
 */
struct login *login_new(const struct options *options, const char *user,
    const char *netrc);

/* For that host.  why: valid as long as the login. */
enum login_result login_find(const struct login *login, const char *host,
    struct netrc_login *ret, const char **ret_why);

/* The path of the file; can others read a password there? */
const char *login_netrc(const struct login *login);
bool login_is_open(const struct login *login);

/* Passwords are overwritten.  NULL is allowed. */
void login_free(struct login *login);

#endif
