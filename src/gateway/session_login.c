/*
 * The logins of a session of the gateway's side: checks them against the login
 * file, or has the SSH server check them; counts and logs what fails.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "gateway/side_priv.h"
#include "gateway/ssh_account.h"

/* why: NULL if the user has logged in by SSH. */
static void
session_login_log(const struct session_login *login, const char *why)
{
	struct gateway_side *side = login->side;
	const struct ssh_account_event event = {
		.tunnel = side->log_name,
		.client = &login->client,
		.user = login->user,
		.host = side->config->name,
		.why = why,
	};

	ssh_account_log(&event, &side->failures, uv_now(side->loop));
}

static void
session_on_login(void *ctx, const struct login_answer *answer)
{
	struct session_login *login = ctx;
	const struct login_user *user = answer->user;
	const struct gateway_login done = {
		.allowed = user != NULL,
		.end = answer->end,
		.directory = user != NULL ? user->directory : "",
		.read_only = user != NULL && user->read_only,
	};

	login->check = NULL;
	if (user == NULL) {
		login->failures++;
		session_login_log(login, answer->why);
	}
	gateway_login_done(login->core, &done);
}

/* ---- logins of the SSH server ---- */

/* The user has not logged in: tells core. */
static void
session_login_failed(struct session_login *login, const char *reply,
    const char *why)
{
	struct gateway_login done = { .reply = reply };

	session_login_log(login, why);
	if (reply[0] == '4')
		done.end = true;
	else if (++login->failures >= LIMIT_LOGIN_FAILURES)
		done = (struct gateway_login) { .end = true };
	gateway_login_done(login->core, &done);
}

static void
session_on_ssh_up(void *ctx)
{
	static const struct gateway_login done = {
		.allowed = true,
		.directory = "",
	};
	struct session_login *login = ctx;

	login->up = true;
	session_login_log(login, NULL);
	gateway_login_done(login->core, &done);
}

static void
session_on_ssh_failed(void *ctx, enum ssh_login_end end, const char *why)
{
	struct session_login *login = ctx;

	ssh_login_close(login->ssh);
	login->ssh = NULL;
	session_login_failed(login, ssh_account_reply(end), why);
}

static const struct ssh_login_handler session_ssh_handler = {
	.up = session_on_ssh_up,
	.failed = session_on_ssh_failed,
};

/* A login that is refused without an attempt; from a timer, because core must
 * not be told from inside its call. */
static void
session_on_refusal(uv_timer_t *timer)
{
	struct session_login *login = timer->data;

	session_login_failed(login, "530 Login incorrect.", login->refusal);
}

/* False: out of memory. */
static bool
session_login_by_ssh(struct session_login *login, const char *user,
    const char *password)
{
	struct gateway_side *side = login->side;
	struct account account;
	const struct ssh_login_request request = {
		.link = side->link,
		.account = &account,
		.client = &login->client,
		.password = password,
		.for_sftp = true,
	};

	login->refusal =
	    account_parse(user, side->link->n_login_hosts > 0, &account) != 0 ?
	    SSH_ACCOUNT_INVALID :
	    ssh_account_wrong(side->link, &account, password);
	if (login->refusal != NULL) {
		uv_timer_start(login->timer, session_on_refusal,
		    LIMIT_LOGIN_DELAY_MS, 0);
		return true;
	}
	login->ssh = ssh_login_start(side->ssh_logins, &request,
	    &session_ssh_handler, login);
	return login->ssh != NULL;
}

static void
session_on_examined(void *ctx, bool expired)
{
	struct session_login *login = ctx;

	if (expired) {
		session_login_log(login, "the password has expired");
		gateway_login_refuse(login->core,
		    ssh_account_reply(SSH_LOGIN_EXPIRED));
	} else {
		gateway_channel_failed(login->core, 0, login->why);
	}
}

void
session_login_examine(struct session_login *login, const char *why)
{
	if (login->why[0] != '\0')
		return; /* it is being examined */
	snprintf(login->why, sizeof(login->why), "%s", why);
	ssh_login_examine(login->ssh, session_on_examined);
}

struct link *
session_login_link(const struct session_login *login)
{
	return login->up ? links_first(ssh_login_links(login->ssh)) : NULL;
}

const char *
session_login_who(const struct session_login *login)
{
	return login->up ? login->user : NULL;
}

bool
session_login_start(struct session_login *login, struct gateway *core,
    const char *user, const char *password)
{
	const struct login_request request = {
		.file = login->side->logins,
		.client = &login->client,
		.user = user,
		.password = password,
		.failures = login->failures,
	};

	session_login_cancel(login);
	login->core = core;
	login->user = strdup(user);
	if (login->user != NULL && login->side->ssh_logins != NULL)
		return session_login_by_ssh(login, user, password);
	if (login->user != NULL)
		login->check = login_check_start(login->side->checker, &request,
		    session_on_login, login);
	return login->check != NULL;
}

void
session_login_cancel(struct session_login *login)
{
	/* The SFTP server may be needed until the session is settled. */
	if (login->up)
		return;
	uv_timer_stop(login->timer);
	login_check_cancel(login->check);
	login->check = NULL;
	ssh_login_close(login->ssh);
	login->ssh = NULL;
	free(login->user);
	login->user = NULL;
}

static void
session_login_on_closed(uv_handle_t *handle)
{
	free(handle);
}

bool
session_login_init(struct session_login *login, struct gateway_side *side,
    const struct addr *client)
{
	login->side = side;
	if (client != NULL)
		login->client = *client;
	login->timer = malloc(sizeof(*login->timer));
	if (login->timer == NULL)
		return false;
	uv_timer_init(side->loop, login->timer);
	login->timer->data = login;
	return true;
}

void
session_login_end(struct session_login *login)
{
	login->up = false;
	session_login_cancel(login);
	uv_close((uv_handle_t *)login->timer, session_login_on_closed);
}
