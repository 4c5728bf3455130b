/*
 * A session's timers.  The engine has no clock: what takes time is asked of
 * its owner, and that is here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tunnel/session_priv.h"

/* The lines of --max-lines are those of a second. */
#define CLOCK_LINES_MS 1000

static void
session_clock_on_engine(uv_timer_t *timer)
{
	struct session *session = timer->data;

	engine_timer(session->engine);
	session_pump(session);
}

static void
session_clock_on_reply(uv_timer_t *timer)
{
	struct session *session = timer->data;

	session_data_tell(session);
	engine_reply_timeout(session->engine);
	session_pump(session);
}

/* Timers run before what has come meanwhile is read; the engine is to know of
 * that first.  On a busy machine, or after a stop, it may be much. */

static void
session_clock_on_engine_due(uv_timer_t *timer)
{
	uv_timer_start(timer, session_clock_on_engine, 1, 0);
}

static void
session_clock_on_reply_due(uv_timer_t *timer)
{
	uv_timer_start(timer, session_clock_on_reply, 1, 0);
}

static void
session_clock_on_silent(uv_timer_t *timer)
{
	struct session *session = timer->data;

	engine_greeting_late(session->engine, true);
	session_pump(session);
}

static void
session_clock_on_greeting(uv_timer_t *timer)
{
	struct session *session = timer->data;

	uv_timer_start(timer, session_clock_on_silent,
	    LIMIT_GREETING_SILENT_MS - LIMIT_GREETING_MS, 0);
	engine_greeting_late(session->engine, false);
	session_pump(session);
}

void
session_clock_opened(struct session *session)
{
	uv_timer_start(&session->timers[CLOCK_GREETING],
	    session_clock_on_greeting, LIMIT_GREETING_MS, 0);
}

/* Nobody has logged in: the server, which has a time of its own for that,
 * cannot see a client that it has not greeted yet, or has no such time. */
static void
session_clock_on_login(uv_timer_t *timer)
{
	struct session *session = timer->data;
	unsigned long seconds = session->options->policy->login_ms / 1000;
	char why[100];

	if (session->control[ENGINE_SERVER].heard)
		snprintf(why, sizeof(why), "Nobody has logged in for %lu s",
		    seconds);
	else
		snprintf(why, sizeof(why),
		    "The FTP server has said nothing for %lu s", seconds);
	session_say(session, LOG_LEVEL_WARN,
	    "%s: the session ends (--login-timeout)", why);
	session_stop(session, why);
}

static void
session_clock_on_idle(uv_timer_t *timer)
{
	struct session *session = timer->data;

	engine_keepalive(session->engine);
	session_pump(session);
}

static void
session_clock_on_credit(uv_timer_t *timer)
{
	struct session *session = timer->data;

	session->granted_at = uv_now(session->options->loop);
	engine_grant(session->engine);
	session_pump(session);
}

static void
session_clock_on_drain(uv_timer_t *timer)
{
	struct session *session = timer->data;

	session_data_tell(session);
	engine_drain(session->engine, session->drain_why, true);
	session_pump(session);
}

/* In the next second, or at once if that has begun. */
static void
grant(struct session *session)
{
	uint64_t now = uv_now(session->options->loop);
	uint64_t next = session->granted_at + CLOCK_LINES_MS;

	if (next > now && !session->slowed) {
		session_say(session, LOG_LEVEL_WARN,
		    "the client sends more than %u commands a second; it is "
		    "slowed down (--max-lines)",
		    session->options->policy->max_lines);
		session->slowed = true;
	}
	uv_timer_start(&session->timers[CLOCK_CREDIT], session_clock_on_credit,
	    next > now ? next - now : 0, 0);
}

void
session_clock_act(struct session *session, const struct engine_action *action)
{
	if (action->type == ENGINE_TIMER) {
		uv_timer_start(&session->timers[CLOCK_ENGINE],
		    session_clock_on_engine_due, action->ms, 0);
	} else if (action->type == ENGINE_REPLY_TIMER) {
		uv_timer_start(&session->timers[CLOCK_REPLY],
		    session_clock_on_reply_due, action->ms, 0);
	} else if (action->type == ENGINE_CREDIT) {
		grant(session);
	} else if (action->type == ENGINE_LOGIN) {
		uv_timer_stop(&session->timers[CLOCK_LOGIN]);
		session->handler->logged_in(session->ctx);
	}
}

void
session_clock_stir(struct session *session, struct control *from)
{
	from->heard = true;
	from->heard_at = uv_now(session->options->loop);
	if (session->options->policy->keepalive_ms > 0)
		uv_timer_again(&session->timers[CLOCK_IDLE]);
}

void
session_clock_start(struct session *session)
{
	const struct policy *policy = session->options->policy;

	for (int i = 0; i < CLOCK_TIMERS; i++) {
		uv_timer_init(session->options->loop, &session->timers[i]);
		session->timers[i].data = session;
		session->open_timers++;
	}
	session->granted_at = uv_now(session->options->loop);
	if (policy->login_ms > 0)
		uv_timer_start(&session->timers[CLOCK_LOGIN],
		    session_clock_on_login, policy->login_ms, 0);
	if (policy->keepalive_ms > 0)
		uv_timer_start(&session->timers[CLOCK_IDLE],
		    session_clock_on_idle, policy->keepalive_ms,
		    policy->keepalive_ms);
}

static void
session_clock_on_closed(uv_handle_t *handle)
{
	struct session *session = handle->data;

	if (--session->open_timers > 0)
		return;
	engine_free(session->engine);
	secrets_forget(&session->secrets);
	free(session);
}

void
session_clock_close(struct session *session)
{
	for (int i = 0; i < CLOCK_TIMERS; i++)
		uv_close((uv_handle_t *)&session->timers[i],
		    session_clock_on_closed);
}

void
session_drain(struct session *session, const char *why)
{
	snprintf(session->drain_why, sizeof(session->drain_why), "%s", why);
	uv_timer_start(&session->timers[CLOCK_DRAIN], session_clock_on_drain,
	    LIMIT_DRAIN_MS, 0);
	session_data_tell(session);
	engine_drain(session->engine, why, false);
	session_pump(session);
}
