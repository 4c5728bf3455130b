/*
 * The front of an FTP server that is reached only after the login (--login ssh
 * with -L port:host:hostport).  It greets in place of the server, and takes
 *USER and PASS, which have two accounts:
 *
 *	USER ftpuser@sshuser[@host[:port]]	PASS ftppassword@sshpassword
 *
 * When the SSH login is good, the owner connects to the FTP server.  The front
 * drops its greeting, sends USER, drops the 331, and sends PASS.  From then on
 * bytes pass in both directions.
 *
 *	       PASS          logged in         220            331
 *	LOGIN ------> CHECK -----------> GREET ------> USER ------> THROUGH
 *	  ^             |                  |             |
 *	  +-- refused --+                  +- other reply, passed on -> OVER
 *
 * Pure: no socket, no clock.  Calls of the handler come from inside the calls
 * below, and must not call any of them back.
 */
#ifndef GATEWAY_FRONT_H
#define GATEWAY_FRONT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/account.h"

struct front;

/* Who logs in. */
struct front_login {
	const char *user; /* the argument of USER */
	bool valid;	  /* it has an SSH account: */
	struct account account;
	const char *password; /* of that */
};

struct front_handler {
	/* Sends bytes to the client; to the server. */
	void (*to_client)(void *ctx, const void *bytes, size_t len);
	void (*to_server)(void *ctx, const void *bytes, size_t len);

	/* Logs in by SSH; front_login_done() follows, from the loop, unless the
	 * session ends before.  login is valid in the call.  False: out of
	 * memory. */
	bool (*login)(void *ctx, const struct front_login *login);

	/* Connects to the FTP server; front_server() follows. */
	void (*dial)(void *ctx);

	/* The session is over: half-close the control connection after what was
	 * sent.  Called once. */
	void (*end)(void *ctx);
};

/* Sends the greeting.  with_host: USER may name a host.  NULL when out of
 * memory. */
struct front *front_new(bool with_host, const struct front_handler *handler,
    void *ctx);
void front_free(struct front *front); /* NULL is allowed */

/* The client, or the server, has sent bytes. */
void front_client(struct front *front, const void *bytes, size_t len);
void front_server(struct front *front, const void *bytes, size_t len);

/* reply NULL: the SSH login is good.  Else it is a line without its end, for
 * the client; one that begins with 4 ends the session. */
void front_login_done(struct front *front, const char *reply);

/* The session ends with that reply, a line without its end. */
void front_fail(struct front *front, const char *reply);

/* Do all bytes pass, in both directions? */
bool front_is_through(const struct front *front);

#endif
