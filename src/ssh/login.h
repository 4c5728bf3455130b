/*
 * Logins that choose the SSH account (--login ssh): an FTP client's user and
 * password are a login to the SSH server, by a connection of its own.
 *
 * A connection is never shared, not even by two logins of one user: the second
 * password would go unchecked.  Each login is one attempt of ssh, with one
 * password; nothing is tried again.  After failures from an address or of an
 * account, the next attempts begin later (base/login_delay.h).
 *
 *	          delay over           ssh runs      logged in
 *	DELAYED ------------> QUEUED ----------> TRYING ------> UP
 *	   |                     |                  |            |
 *	   |                     |       failed, or closed       | lost, or
 *closed |                     |                  v            v
 *	   +------ closed -------+---> OVER <---- ENDING <-------+
 *
 * The password is overwritten as soon as ssh has it, or cannot get it any more.
 */
#ifndef SSH_LOGIN_H
#define SSH_LOGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "base/account.h"
#include "base/addr.h"
#include "ssh/links.h"

struct ssh_login;

/* What the logins of a process share: places, the queue, and failures. */
struct ssh_logins;

/* NULL: out of memory. */
struct ssh_logins *ssh_logins_new(uv_loop_t *loop);

/* Close all logins first.  The memory is released by the loop when the last ssh
 * has ended.  NULL is allowed. */
void ssh_logins_free(struct ssh_logins *logins);

enum ssh_login_end {
	SSH_LOGIN_WRONG,	/* the password, or there is no such user */
	SSH_LOGIN_EXPIRED,	/* the password must be changed */
	SSH_LOGIN_QUESTION,	/* the server asks for something else */
	SSH_LOGIN_NO_PASSWORDS, /* the server takes none */
	SSH_LOGIN_UNCHECKED,	/* the server has not asked for one */
	SSH_LOGIN_HOST_KEY,	/* is not known, or another one */
	SSH_LOGIN_UNREACHABLE,	/* no SSH connection; also: out of memory */
};

/* Called from the loop only, never from inside a call. */
struct ssh_login_handler {
	/* The server has accepted the password: ssh_login_link() can be used.
	 */
	void (*up)(void *ctx);

	/* It has not.  why is for the log, escaped, and valid in the call. */
	void (*failed)(void *ctx, enum ssh_login_end end, const char *why);
};

struct ssh_login_request {
	/* Of the first link to the destination.  What it points to is borrowed
	 * until the login is closed, or is that of the process. */
	const struct link_options *link;
	const struct account *account; /* valid, and allowed; copied */
	const struct addr *client;     /* its port does not matter */
	const char *password;	       /* copied; ssh_login_takes() */
	bool for_sftp; /* its first session will be one for SFTP */
};

/* Can ssh pass on that password?  Not an empty one, nor one that is too long or
 * has a CR or LF. */
bool ssh_login_takes(const char *password);

/* Begins.  The handler is called once, unless the login is closed before.  NULL
 * when out of memory. */
struct ssh_login *ssh_login_start(struct ssh_logins *logins,
    const struct ssh_login_request *request,
    const struct ssh_login_handler *handler, void *ctx);

/* The link of a login that is up, and its directory.  The link may be down
 * meanwhile: that is what its streams report. */
struct links *ssh_login_links(struct ssh_login *login);
const char *ssh_login_directory(const struct ssh_login *login);

/*
 * After up(): has the password expired, so that the server runs no program but
 * passwd?  It opens a session to find out; known comes once, from the loop and
 * with the ctx of the handler, unless the login is closed or its link is lost
 * before.
 */
typedef void ssh_login_known_cb(void *ctx, bool expired);
void ssh_login_examine(struct ssh_login *login, ssh_login_known_cb *known);

/* Ends ssh, if the login is up. */
void ssh_login_stop(struct ssh_login *login);

/* Ends ssh, if it runs; no callback follows.  Close all streams of the link
 * before.  NULL is allowed. */
void ssh_login_close(struct ssh_login *login);

#endif
