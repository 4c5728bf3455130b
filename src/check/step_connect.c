/*
 * culvert check, third step: ssh connects; host key, login, algorithms, Nagle.
 */
#include <errno.h>
#include <string.h>

#include "check/check_priv.h"
#include "ssh/cmdline.h"

/* ---- the link ---- */

static void
connect_on_up(void *ctx)
{
	struct check *check = ctx;

	check->link.up = true;
}

/* From now on nothing can be tried. */
static void
connect_on_down(void *ctx, bool was_up, const char *why)
{
	struct check *check = ctx;

	check->link.runs = false;
	check->wait.over = true;
	fact_text(check->link.why, "%s", why);
}

/* Returns 0 or a negative errno. */
static int
connect_start(struct check *check)
{
	static const struct link_handler handler = {
		.up = connect_on_up,
		.down = connect_on_down,
	};
	const struct links_options options = {
		.link = &check->link.options,
		.max = 1,
		.idle_ms = LIMIT_LINK_IDLE_MS,
		.pause_ms = LIMIT_LINK_PAUSE_MS,
	};
	int err;

	check->link.links = links_new(&check->loop, &options, &handler, check);
	if (check->link.links == NULL)
		return -ENOMEM;
	check->near = near_side_new(&check->loop, check->net);
	check->far = far_side_new(&check->loop, check->link.links, check->net,
	    check->directory, false);
	if (check->near == NULL || check->far == NULL)
		return -ENOMEM;
	err = links_start(check->link.links, false);
	check->link.runs = err == 0;
	return err;
}

/* Waits until ssh has logged in.  Returns false if it has not. */
static bool
connect_wait(struct check *check)
{
	struct wait *wait = &check->wait;

	wait_begin(wait, wait->times.login);
	while (!check->link.up && wait_more(wait))
		;
	if (check->link.up || !wait->late)
		return check->link.up;
	/* Ends ssh, and waits for its last messages. */
	links_stop(check->link.links);
	wait_begin(wait, wait->times.login);
	while (check->link.runs && wait_more(wait))
		;
	fact_text(check->link.why, "the login took too long");
	return false;
}

/* Reports the failure, and what worked before it. */
static bool
connect_failed(struct check *check)
{
	struct facts *facts = &check->facts;
	enum finding finding = judge_ssh(facts);

	fact_set(facts, FACT_WHY, check->link.why);
	if (!fact_known(facts, FACT_SSH_WHY))
		fact_set(facts, FACT_SSH_WHY, fact(facts, FACT_WHY));
	if (!fact_known(facts, FACT_KEYS))
		fact_set(facts, FACT_KEYS, "none");
	if (fact_known(facts, FACT_HOST_KEY_PLACE) && finding >= LOGIN_DENIED &&
	    finding <= LOGIN_KEY_READABLE)
		check_find(check, HOST_KEY_OK);
	return check_find_last(check, finding);
}

/* ---- once it is connected ---- */

static void
report_connection(struct check *check)
{
	const struct facts *facts = &check->facts;

	/* With StrictHostKeyChecking no, ssh only warns. */
	if (facts_failure(facts) == HOST_KEY_CHANGED)
		check_find(check, HOST_KEY_IGNORED);
	else
		check_find(check,
		    fact_known(facts, FACT_HOST_KEY_PLACE) ? HOST_KEY_OK :
							     HOST_KEY_ACCEPTED);
	check_find(check, LOGIN_OK);
	check_find(check, facts_kex_is_post_quantum(facts) ? KEX_OK : KEX_OLD);
	check_find(check, facts_cipher_is_old(facts) ? CIPHER_OLD : CIPHER_OK);
}

static void
nagle_on_session(void *ctx, const char *why)
{
	struct attempt *session = ctx;

	if (session->result != ATTEMPT_STARTED)
		return;
	if (why != NULL)
		attempt_fail(session, -EIO, why);
	else
		session->result = ATTEMPT_GOOD;
}

/* Opens the session as link.c would, and returns the result. */
static enum finding
nagle_try(struct check *check)
{
	static const struct nodelay_handler handler = {
		.done = nagle_on_session,
	};
	struct attempt *session = &check->link.session;
	struct wait *wait = &check->wait;
	char path[CMDLINE_PATH_MAX];
	int err = cmdline_path(check->directory, path);

	session->result = ATTEMPT_STARTED;
	if (err == 0)
		err = nodelay_new(&check->loop, path, NULL,
		    &link_info(links_first(check->link.links))->sends_eof,
		    &handler, session, &check->link.nodelay);
	if (err != 0)
		attempt_fail(session, err, strerror(-err));
	attempt_wait(session, wait, wait->times.connect);
	if (session->result == ATTEMPT_GOOD)
		return NAGLE_OK;
	fact_set(&check->facts, FACT_WHY,
	    wait->late ? "sshd does not answer" : session->why);
	if (strstr(session->why, "MaxSessions") != NULL)
		return NAGLE_NO_SESSION;
	return strstr(session->why, "subsystem") != NULL ? NAGLE_NO_SFTP :
							   NAGLE_UNKNOWN;
}

bool
step_connect(struct check *check)
{
	int err = connect_start(check);

	if (err != 0) {
		fact_set(&check->facts, FACT_WHY, strerror(-err));
		return check_find_last(check, SSH_CANNOT_RUN);
	}
	if (!connect_wait(check))
		return connect_failed(check);
	report_connection(check);
	/* Each session of "sftp/" has a session of sshd, which sends small
	 * packets at once. */
	if (!suggest_has_ftp(check->conf))
		return true;
	if (facts_sshd_has_no_delay(&check->facts))
		check_find(check, NAGLE_NEVER);
	else if (check->conf->no_session)
		check_find(check, NAGLE_LEFT_ON);
	else
		check_find(check, nagle_try(check));
	return !check->wait.over;
}
