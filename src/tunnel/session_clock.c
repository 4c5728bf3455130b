/*
 * A session's timers.  The engine has no clock; it requests them by actions.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tunnel/session.h"

/* --max-lines is a number of lines per second. */
#define CLOCK_LINES_MS 1000

/* ---- what happens when each expires ---- */

static void
expire_engine(struct session *session)
{
	engine_timer(session->engine);
}

static void
expire_reply(struct session *session)
{
	dataconn_tell_counts(session);
	engine_reply_timeout(session->engine);
}

static void
expire_greeting(struct session *session)
{
	session_clock_set(session, CLOCK_SILENT,
	    LIMIT_GREETING_SILENT_MS - LIMIT_GREETING_MS, 0);
	engine_greeting_late(session->engine, false);
}

static void
expire_silent(struct session *session)
{
	engine_greeting_late(session->engine, true);
}

/* Nobody has logged in.  The server may have no time-out for that, or may not
 * have started it, because it has not sent its greeting. */
static void
expire_login(struct session *session)
{
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
expire_idle(struct session *session)
{
	engine_keepalive(session->engine);
}

/* A running transfer is use; its end starts the timer again. */
static void
expire_unused(struct session *session)
{
	unsigned long seconds = session->target.idle_ms / 1000;
	char why[100];

	if (!LIST_EMPTY(&session->data))
		return;
	snprintf(why, sizeof(why), "No command has come for %lu s", seconds);
	session_say(session, LOG_LEVEL_INFO,
	    "%s: the session ends (--idle-exit)", why);
	session_drain(session, why);
}

static void
expire_credit(struct session *session)
{
	session->lines.granted_at = uv_now(session->options->loop);
	engine_grant(session->engine);
}

static void
expire_drain(struct session *session)
{
	dataconn_tell_counts(session);
	engine_drain(session->engine, session->drain_why, true);
}

/* after_reading: the engine must first get what has come meanwhile; see
 * dataconn_watch_on_timer_due().  These stand still while the server's side
 * does (side_is_paused()). */
static const struct {
	void (*expire)(struct session *session);
	bool after_reading;
} clocks[CLOCK_TIMERS] = {
	[CLOCK_ENGINE] = { expire_engine, true },
	[CLOCK_REPLY] = { expire_reply, true },
	[CLOCK_GREETING] = { expire_greeting, false },
	[CLOCK_SILENT] = { expire_silent, false },
	[CLOCK_LOGIN] = { expire_login, false },
	[CLOCK_IDLE] = { expire_idle, false },
	[CLOCK_UNUSED] = { expire_unused, false },
	[CLOCK_CREDIT] = { expire_credit, false },
	[CLOCK_DRAIN] = { expire_drain, false },
	[CLOCK_CLIENT] = { session_client_look, false },
};

bool
session_is_paused(const struct session *session)
{
	return side_is_paused(session->target.side,
	    session->control[ENGINE_SERVER].stream);
}

static void
session_clock_on_timer(uv_timer_t *timer)
{
	struct session *session = timer->data;
	size_t clock = (size_t)(timer - session->timers);

	if (clocks[clock].after_reading && session_is_paused(session)) {
		session_clock_set(session, (enum session_clock)clock,
		    SESSION_PAUSE_MS, 0);
		return;
	}
	clocks[clock].expire(session);
	session_pump(session);
}

static void
session_clock_on_timer_due(uv_timer_t *timer)
{
	uv_timer_start(timer, session_clock_on_timer, 1, 0);
}

void
session_clock_set(struct session *session, enum session_clock clock,
    uint64_t ms, uint64_t repeat_ms)
{
	uv_timer_start(&session->timers[clock],
	    clocks[clock].after_reading ? session_clock_on_timer_due :
					  session_clock_on_timer,
	    ms, repeat_ms);
}

/* ---- what starts them ---- */

void
session_set_timer(struct session *session, const struct engine_action *action)
{
	session_clock_set(session, CLOCK_ENGINE, action->ms, 0);
}

void
session_set_reply_timer(struct session *session,
    const struct engine_action *action)
{
	session_clock_set(session, CLOCK_REPLY, action->ms, 0);
}

/* Grants more lines when a second has passed since the last time; at once if it
 * has passed already. */
void
session_grant_lines(struct session *session, const struct engine_action *action)
{
	uint64_t now = uv_now(session->options->loop);
	uint64_t next = session->lines.granted_at + CLOCK_LINES_MS;

	if (next > now && !session->lines.slowed) {
		session_say(session, LOG_LEVEL_WARN,
		    "the client sends more than %u commands a second; it is "
		    "slowed down (--max-lines)",
		    session->options->policy->max_lines);
		session->lines.slowed = true;
	}
	session_clock_set(session, CLOCK_CREDIT, next > now ? next - now : 0,
	    0);
}

void
session_drain(struct session *session, const char *why)
{
	snprintf(session->drain_why, sizeof(session->drain_why), "%s", why);
	session_clock_set(session, CLOCK_DRAIN, LIMIT_DRAIN_MS, 0);
	dataconn_tell_counts(session);
	engine_drain(session->engine, why, false);
	session_pump(session);
}

void
session_clock_open(struct session *session)
{
	const struct policy *policy = session->options->policy;

	for (int i = 0; i < CLOCK_TIMERS; i++) {
		uv_timer_init(session->options->loop, &session->timers[i]);
		session->timers[i].data = session;
	}
	session->open_timers = CLOCK_TIMERS;
	session->lines.granted_at = uv_now(session->options->loop);
	if (policy->login_ms > 0)
		session_clock_set(session, CLOCK_LOGIN, policy->login_ms, 0);
	if (session->target.idle_ms > 0)
		session_clock_set(session, CLOCK_UNUSED,
		    session->target.idle_ms, session->target.idle_ms);
	if (policy->keepalive_ms > 0)
		session_clock_set(session, CLOCK_IDLE, policy->keepalive_ms,
		    policy->keepalive_ms);
}

static void
session_clock_on_closed(uv_handle_t *handle)
{
	struct session *session = handle->data;

	if (--session->open_timers > 0)
		return;
	engine_free(session->engine);
	if (session->log.secrets != NULL)
		secrets_forget(session->log.secrets);
	free(session->log.secrets);
	ports_free(session->ports);
	free(session);
}

void
session_clock_close(struct session *session)
{
	for (int i = 0; i < CLOCK_TIMERS; i++)
		uv_close((uv_handle_t *)&session->timers[i],
		    session_clock_on_closed);
}
