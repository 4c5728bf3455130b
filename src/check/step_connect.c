/*
 * culvert check, third step: ssh connects; host key, login, algorithms, Nagle.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "check/check_priv.h"
#include "ssh/cmdline.h"

/* ---- once it is connected ---- */

static void
tell_connection(struct check *check)
{
	const struct facts *facts = &check->facts;

	/* With StrictHostKeyChecking no, ssh warns and goes on. */
	if (facts_failure(facts) == HOST_KEY_CHANGED)
		check_find(check, HOST_KEY_IGNORED);
	else
		check_find(check,
		    fact_known(facts, FACT_HOST_KEY_PLACE) ? HOST_KEY_OK :
							     HOST_KEY_TAKEN);
	check_find(check, LOGIN_OK);
	check_find(check, facts_kex_is_post_quantum(facts) ? KEX_OK : KEX_OLD);
	check_find(check, facts_cipher_is_old(facts) ? CIPHER_OLD : CIPHER_OK);
}

static void
tell_nagle(struct check *check, const char *why)
{
	uv_timer_stop(&check->limit);
	if (why == NULL) {
		check_find(check, NAGLE_OK);
	} else {
		fact_escape(&check->facts, FACT_WHY, why);
		check_find(check,
		    strstr(why, "MaxSessions") != NULL	 ? NAGLE_NO_SESSION :
			strstr(why, "subsystem") != NULL ? NAGLE_NO_SFTP :
							   NAGLE_UNKNOWN);
	}
	check_next(check, step_forward);
}

static void
on_session(void *ctx, const char *why)
{
	struct check *check = ctx;

	if (!check->ending && uv_is_active((uv_handle_t *)&check->limit))
		tell_nagle(check, why);
}

static void
on_session_late(uv_timer_t *timer)
{
	tell_nagle(timer->data, "sshd does not answer");
}

/* Opens the session as link.c does, but sees the result. */
static void
nagle_begin(struct check *check)
{
	static const struct nodelay_handler handler = { .done = on_session };
	char path[CMDLINE_PATH_MAX];
	int err;

	tell_connection(check);
	if (facts_sshd_has_no_delay(&check->facts)) {
		check_find(check, NAGLE_NEVER);
		check_next(check, step_forward);
		return;
	}
	if (check->conf->no_session) {
		check_find(check, NAGLE_LEFT_ON);
		check_next(check, step_forward);
		return;
	}
	uv_timer_start(&check->limit, on_session_late,
	    check->options->timeouts.connect, 0);
	err = cmdline_path(check->directory, path);
	if (err == 0)
		err = nodelay_new(&check->loop, path, NULL,
		    &link_info(links_first(check->links))->sends_eof, &handler,
		    check, &check->nodelay);
	if (err != 0)
		tell_nagle(check, strerror(-err));
}

/* ---- the link ---- */

static void
connect_on_up(void *ctx)
{
	struct check *check = ctx;

	uv_timer_stop(&check->limit);
	check->logged_in = true;
	check_next(check, nagle_begin);
}

/* Reports also what worked before the failure. */
static void
tell_failure(struct check *check)
{
	enum finding finding = judge_ssh(&check->facts);

	if (!fact_known(&check->facts, FACT_SSH_WHY))
		fact_set(&check->facts, FACT_SSH_WHY,
		    fact(&check->facts, FACT_WHY));
	if (!fact_known(&check->facts, FACT_KEYS))
		fact_set(&check->facts, FACT_KEYS, "none");
	if (fact_known(&check->facts, FACT_HOST_KEY_PLACE) &&
	    finding >= LOGIN_DENIED && finding <= LOGIN_KEY_OPEN)
		check_find(check, HOST_KEY_OK);
	check_find_last(check, finding);
}

/* Called from the loop, after all messages of ssh. */
static void
connect_lost(struct check *check)
{
	if (check->logged_in)
		check_find_last(check, SSH_LOST);
	else
		tell_failure(check);
}

static void
connect_on_down(void *ctx, bool was_up, const char *why)
{
	struct check *check = ctx;

	(void)was_up;
	check->link_runs = false;
	if (check->ending)
		return;
	uv_timer_stop(&check->limit);
	/* The streams have been told already. */
	step_forward_free(check);
	/* If check has ended it, the reason is known. */
	fact_set(&check->facts, FACT_WHY,
	    check->late ? "the login took too long" : why);
	check_next(check, connect_lost);
}

static void
connect_on_late(uv_timer_t *timer)
{
	struct check *check = timer->data;

	check->late = true;
	links_stop(check->links);
}

void
step_connect(struct check *check)
{
	static const struct link_handler handler = {
		.up = connect_on_up,
		.down = connect_on_down,
	};
	const struct links_options options = {
		.link = &check->link,
		.max = 1,
		.idle_ms = LIMIT_LINK_IDLE_MS,
		.pause_ms = LIMIT_LINK_PAUSE_MS,
	};
	int err = -ENOMEM;

	check->links = links_new(&check->loop, &options, &handler, check);
	if (check->links != NULL) {
		check->near = near_side_new(&check->loop, check->net);
		check->far = far_side_new(&check->loop, check->links,
		    check->net, check->directory, false);
		if (check->near != NULL && check->far != NULL)
			err = links_start(check->links);
	}
	check->link_runs = err == 0;
	if (err == 0) {
		uv_timer_start(&check->limit, connect_on_late,
		    check->options->timeouts.login, 0);
		return;
	}
	fact_set(&check->facts, FACT_WHY, strerror(-err));
	check_find_last(check, SSH_CANNOT_RUN);
}
