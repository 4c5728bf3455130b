/*
 * The logins of a session of the gateway's side: checks them against the login
 * file, counts and logs what fails.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "gateway/side_priv.h"

static void
session_login_log(const struct session_login *login, const char *why)
{
	struct gateway_side *side = login->side;
	char user[LOG_ESCAPED_MAX], text[ADDR_TEXT_MAX] = "an unknown address";
	const struct log_origin origin = {
		.tunnel = side->log_name,
		.peer = login->client.family != AF_UNSPEC ?
		    addr_format(&login->client, text) :
		    NULL,
	};

	if (!log_limit_allows(&side->failures, uv_now(side->loop), &origin))
		return;
	log_escape(user, sizeof(user), login->user, strlen(login->user));
	log_line(LOG_LEVEL_WARN, &origin, "refused the login of %s from %s: %s",
	    user, text, why);
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
	if (login->user != NULL)
		login->check = login_check_start(login->side->checker, &request,
		    session_on_login, login);
	return login->check != NULL;
}

void
session_login_cancel(struct session_login *login)
{
	login_check_cancel(login->check);
	login->check = NULL;
	free(login->user);
	login->user = NULL;
}
