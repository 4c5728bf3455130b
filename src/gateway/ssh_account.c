/*
 * Logins that choose the SSH account: what is said about them.
 */
#include "gateway/ssh_account.h"

#include <string.h>

#include "base/log.h"

const char *
ssh_account_wrong(const struct link_options *link,
    const struct account *account, const char *password)
{
	if (!account_is_allowed(account, link->login_hosts,
		link->n_login_hosts))
		return "--login-hosts does not permit that host and port";
	if (!ssh_login_takes(password))
		return "the password is empty, too long, or has a line end";
	return NULL;
}

const char *
ssh_account_reply(enum ssh_login_end end)
{
	switch (end) {
	case SSH_LOGIN_WRONG:
		return "530 Login incorrect.";
	case SSH_LOGIN_EXPIRED:
		return "530 Your password has expired; change it by a login "
		       "with ssh.";
	case SSH_LOGIN_QUESTION:
		return "530 The SSH server asks for more than a password.";
	case SSH_LOGIN_NO_PASSWORDS:
		return "530 The SSH server takes no passwords.";
	case SSH_LOGIN_UNCHECKED:
		return "530 The SSH server does not check passwords.";
	case SSH_LOGIN_HOST_KEY:
		return "530 The host key of the SSH server is not known.";
	case SSH_LOGIN_UNREACHABLE:
		break;
	}
	return "421 The SSH server cannot be reached.";
}

void
ssh_account_log(const struct ssh_account_event *event,
    struct log_limit *failures, uint64_t now)
{
	char user[LOG_ESCAPED_MAX], text[ADDR_TEXT_MAX] = "an unknown address";
	const struct log_origin origin = {
		.tunnel = event->tunnel,
		.peer = event->client->family != AF_UNSPEC ?
		    addr_format(event->client, text) :
		    NULL,
	};

	log_escape(user, sizeof(user), event->user, strlen(event->user));
	if (event->why == NULL)
		log_line(LOG_LEVEL_VERBOSE, &origin,
		    "%s from %s has logged in at %s by SSH", user, text,
		    event->host);
	else if (log_limit_allows(failures, now, &origin))
		log_line(LOG_LEVEL_WARN, &origin,
		    "refused the login of %s from %s: %s", user, text,
		    event->why);
}
