/*
 * The check of a password against the login file.
 *
 * A hash is slow on purpose, so it is computed in libuv's thread pool, and only
 * LIMIT_LOGIN_CHECKS at a time; others wait in order.  A user who does not
 * exist, or may not log in, takes the same time.  After failures, the answer to
 * a login from that address is delayed, whether the password is right or wrong.
 * If only failures were delayed, a client without an answer would know that its
 * password is wrong, and could try the next one on another connection.
 *
 *	           a thread is free        hashed
 *	WAITING ----------------> RUNNING -------> DELAYED ------> answered
 *	   |                         |                |
 *	   +---- cancelled ----------+----------------+----------> freed
 */
#ifndef GATEWAY_LOGIN_CHECK_H
#define GATEWAY_LOGIN_CHECK_H

#include <stdbool.h>
#include <uv.h>

#include "base/addr.h"
#include "gateway/login_file.h"

/* What all checks of a loop share: who waits, and the failures of each address.
 */
struct login_checker;

/* NULL: out of memory. */
struct login_checker *login_checker_new(uv_loop_t *loop);

/* Cancel all checks first.  The memory is released by the loop, when the last
 * thread has ended.  NULL is allowed. */
void login_checker_free(struct login_checker *checker);

struct login_request {
	struct login_file *file;   /* gets a reference */
	const struct addr *client; /* its port does not matter */
	const char *user;
	const char *password;
	unsigned failures; /* of this session, before */
};

struct login_answer {
	/* The user who may log in, or NULL.  It belongs to the file of the
	 * request, which the check releases after the callback: to use it
	 * longer, call login_file_keep(). */
	const struct login_user *user;
	const char *why; /* if user is NULL: the reason, for the log only */
	bool end;	 /* LIMIT_LOGIN_FAILURES is reached: end the session */
};

/* The check has ended: do not use its pointer after this callback. */
typedef void login_check_cb(void *ctx, const struct login_answer *answer);

struct login_check;

/*
 * Starts a check.  The texts are copied, and the copy of the password is
 * overwritten as soon as it is hashed.  done is called later by the loop, and
 * never from within this function.  Returns NULL if memory is short.
 */
struct login_check *login_check_start(struct login_checker *checker,
    const struct login_request *request, login_check_cb *done, void *ctx);

/* done is not called then.  If a thread hashes the password already, and it is
 * wrong, it counts as a failure.  NULL is allowed. */
void login_check_cancel(struct login_check *check);

#endif
