/*
 * What logins that choose the SSH account (ssh/login.h) have in common, whoever
 * needs them: which are not tried, and what is said about them.
 */
#ifndef GATEWAY_SSH_ACCOUNT_H
#define GATEWAY_SSH_ACCOUNT_H

#include <stdint.h>

#include "base/log_limit.h"
#include "ssh/login.h"

/* For the log: a name is not an account. */
#define SSH_ACCOUNT_INVALID \
	"the user or the host has characters that are not permitted"

/* Why a login to that account with that password is not tried, for the log; or
 * NULL.  link: of the first link to the destination. */
const char *ssh_account_wrong(const struct link_options *link,
    const struct account *account, const char *password);

/* The reply to the client, without line end; the log says more.  421 if the
 * session ends. */
const char *ssh_account_reply(enum ssh_login_end end);

struct ssh_account_event {
	const char *tunnel; /* its name, or NULL */
	const struct addr *client;
	const char *user; /* as the client has sent it */
	const char *host; /* the destination */
	const char *why;  /* it was refused; NULL: it has logged in */
};

/* Logs it: refusals as warnings, which failures limits. */
void ssh_account_log(const struct ssh_account_event *event,
    struct log_limit *failures, uint64_t now);

#endif
