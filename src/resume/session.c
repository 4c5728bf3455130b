/*
 * A session of the side for tunnels with --survive: its connections to the
 * server, how they are lost, and how they are made again.
 *
 * It is over when its control connection has ended, and is freed when its data
 * connections have ended, too.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "limits.h"
#include "resume/side_priv.h"
#include "tunnel/pair.h"

static void
resume_on_handle_closed(uv_handle_t *handle)
{
	free(handle->data);
}

/* ---- the comparison of an upload ---- */

static void
resume_compare_close(struct resume_session *session)
{
	stream_close(session->compare);
	session->compare = NULL;
}

static void
resume_compare_on_opened(void *ctx)
{
	struct resume_session *session = ctx;

	session->compare_up = true;
	resume_dialled(session->core, NULL);
}

static void
resume_compare_on_data(void *ctx, const struct iovec *pieces, size_t n)
{
	struct resume_session *session = ctx;

	for (size_t i = 0; i < n; i++) {
		if (session->data == NULL ||
		    !resume_stream_sent(session->data, session->compare_at,
			pieces[i].iov_base, pieces[i].iov_len))
			session->compare_same = false;
		session->compare_at += pieces[i].iov_len;
	}
}

static void
resume_compare_on_eof(void *ctx)
{
	struct resume_session *session = ctx;

	resume_compare_close(session);
	resume_compared(session->core, session->compare_same,
	    session->compare_at - session->compare_from);
}

static void
resume_compare_on_closed(void *ctx, int err, const char *why)
{
	struct resume_session *session = ctx;

	resume_compare_close(session);
	if (session->compare_up)
		resume_compared(session->core, false, 0);
	else
		resume_dialled(session->core, "it cannot be connected");
}

static void
resume_on_compare(void *ctx, uint16_t port, uint64_t from)
{
	static const struct stream_handler handler = {
		.opened = resume_compare_on_opened,
		.data = resume_compare_on_data,
		.eof = resume_compare_on_eof,
		.closed = resume_compare_on_closed,
	};
	struct resume_session *session = ctx;
	const struct side_to to = {
		.host = session->host,
		.port = port,
		.use = SIDE_DATA,
	};

	resume_compare_close(session);
	session->compare_from = session->compare_at = from;
	session->compare_same = true;
	session->compare_up = false;
	session->compare =
	    side_dial(session->side->options.far, &to, &handler, session);
	if (session->compare == NULL) {
		session->not_dialled = true;
		resume_session_tick(session, 0);
		return;
	}
	stream_read_start(session->compare);
}

/* ---- the end of a session ---- */

void
resume_session_free(struct resume_session *session)
{
	LIST_REMOVE(session, entry);
	link_alive_cancel(session->check);
	resume_compare_close(session);
	stream_close(session->server);
	stream_close(session->control);
	resume_free(session->core);
	free(session->host);
	uv_close((uv_handle_t *)&session->timer, resume_on_handle_closed);
}

void
resume_session_be_over(struct resume_session *session)
{
	struct resume_stream *data = session->data;

	session->state = RESUME_SESSION_OVER;
	session->data = NULL;
	if (data != NULL)
		resume_stream_disown(data);
	if (session->server != NULL)
		stream_finish(session->server);
	session->server = NULL;
	if (session->control != NULL)
		stream_finish(session->control);
	session->control = NULL;
	resume_session_tick(session, 0);
}

/* The loss is passed on. */
void
resume_session_fail(struct resume_session *session, const char *why)
{
	struct resume_stream *data = session->data;
	struct stream *control = session->control;
	char text[512];

	snprintf(text, sizeof(text), "%s", why);
	session->control = NULL;
	resume_session_be_over(session);
	resume_listeners_fail(session, text);
	if (data != NULL)
		resume_stream_lose(data, text);
	if (control != NULL)
		pair_fail(control, -ECONNRESET, text);
}

/* ---- the loss ---- */

static bool
resume_link_is_up(const struct resume_session *session)
{
	return link_is_up(links_first(session->side->options.links));
}

void
resume_session_log(const struct resume_session *session, const char *text)
{
	const struct log_origin origin = {
		.tunnel = session->side->options.log_name,
	};
	char client[ADDR_TEXT_MAX];

	log_line(LOG_LEVEL_INFO, &origin, "client %s: %s",
	    addr_format(&session->client, client), text);
}

static void
resume_session_lost(struct resume_session *session)
{
	uv_loop_t *loop = session->side->options.loop;
	const char *why;
	char text[256];

	link_alive_cancel(session->check);
	session->check = NULL;
	stream_close(session->server);
	session->server = NULL;
	session->server_up = false;
	resume_compare_close(session);
	if (session->state == RESUME_SESSION_UP) {
		session->lost_at = session->retry_at = uv_now(loop);
		session->losses.n++;
	} else {
		session->retry_at = uv_now(loop) + LIMIT_RESUME_RETRY_MS;
	}
	session->state = RESUME_SESSION_LOST;
	if (session->data != NULL)
		resume_stream_hold(session->data);
	resume_listeners_hold(session);
	if (resume_lost(session->core, &why)) {
		resume_session_tick(session, RESUME_TICK_MS);
		return;
	}
	snprintf(text, sizeof(text),
	    "the SSH connection was lost, and the session cannot be made "
	    "again: %s",
	    why);
	resume_session_log(session, text);
	resume_session_fail(session, "the SSH connection was lost");
}

static void
resume_session_on_check(void *ctx, bool alive)
{
	struct resume_session *session = ctx;
	struct resume_stream *data = session->data;

	session->check = NULL;
	if (!alive) {
		resume_session_lost(session);
		return;
	}
	if (session->data_lost && data != NULL)
		resume_stream_lose_as_reported(data);
	session->data_lost = false;
	if (session->server_why[0] != '\0')
		resume_session_fail(session, session->server_why);
}

/* A stream is lost: alone, or with the link? */
void
resume_session_doubt(struct resume_session *session)
{
	struct link *link = links_first(session->side->options.links);

	if (session->state == RESUME_SESSION_OVER || session->check != NULL)
		return;
	session->check =
	    link_alive_check(link, resume_session_on_check, session);
	if (session->check == NULL)
		resume_session_lost(session);
}

/* ---- the server's control connection ---- */

/* Reads what has room, and passes the client's end on. */
void
resume_session_settle(struct resume_session *session)
{
	if (session->control == NULL)
		return;
	if (resume_wants(session->core))
		stream_read_start(session->control);
	else
		stream_read_stop(session->control);
	if (session->server == NULL)
		return;
	if (stream_queued(session->control) > LIMIT_HIGH_WATER)
		stream_read_stop(session->server);
	if (session->client_ended && resume_is_flushed(session->core)) {
		session->client_ended = false;
		stream_shutdown(session->server);
	}
}

static void
resume_server_on_opened(void *ctx)
{
	struct resume_session *session = ctx;

	session->server_up = true;
	if (session->state == RESUME_SESSION_LOST)
		resume_connected(session->core);
	else
		pair_connect(session->control);
}

static void
resume_server_on_data(void *ctx, const struct iovec *pieces, size_t n)
{
	struct resume_session *session = ctx;
	int err = 0;

	for (size_t i = 0; i < n && err == 0; i++)
		err = resume_server(session->core, pieces[i].iov_base,
		    pieces[i].iov_len);
	if (err != 0)
		resume_session_fail(session, strerror(-err));
	resume_session_settle(session);
}

static void
resume_server_on_eof(void *ctx)
{
	struct resume_session *session = ctx;

	if (session->state == RESUME_SESSION_LOST)
		resume_session_lost(session);
	else {
		resume_server_ended(session->core);
		resume_session_be_over(session);
	}
}

static void
resume_server_on_closed(void *ctx, int err, const char *why)
{
	struct resume_session *session = ctx;

	/* It may point into what is about to be closed. */
	snprintf(session->server_why, sizeof(session->server_why), "%s", why);
	stream_close(session->server);
	session->server = NULL;
	if (session->state == RESUME_SESSION_LOST) {
		resume_session_lost(session);
	} else if (!session->server_up) {
		pair_fail(session->control, err, session->server_why);
		session->control = NULL;
		resume_session_be_over(session);
	} else {
		resume_session_doubt(session);
	}
}

/* False: the link is down. */
bool
resume_session_dial(struct resume_session *session)
{
	static const struct stream_handler handler = {
		.opened = resume_server_on_opened,
		.data = resume_server_on_data,
		.eof = resume_server_on_eof,
		.drained = NULL,
		.closed = resume_server_on_closed,
	};
	const struct side_to to = {
		.host = session->host,
		.port = session->port,
		.use = SIDE_CONTROL,
	};

	session->server_why[0] = '\0';
	session->server =
	    side_dial(session->side->options.far, &to, &handler, session);
	if (session->server == NULL)
		return false;
	stream_read_start(session->server);
	return true;
}

/* ---- the core ---- */

static void
resume_to_client(void *ctx, const void *bytes, size_t len)
{
	struct resume_session *session = ctx;

	/* A dead stream reports that itself. */
	if (session->control != NULL)
		(void)!stream_write(session->control, bytes, len);
}

static void
resume_to_server(void *ctx, const void *bytes, size_t len)
{
	struct resume_session *session = ctx;

	if (session->server != NULL)
		(void)!stream_write(session->server, bytes, len);
}

static void
resume_on_data(void *ctx, struct resume_data *ret)
{
	const struct resume_session *session = ctx;

	if (session->data != NULL)
		*ret = resume_stream_data(session->data);
	else
		*ret = (struct resume_data) { .gone = true };
}

static void
resume_on_dial(void *ctx, uint16_t port, uint64_t repeated, int64_t size)
{
	struct resume_session *session = ctx;
	const struct side_to to = {
		.host = session->host,
		.port = port,
		.use = SIDE_DATA,
	};
	struct stream *inner = NULL;

	if (session->data == NULL)
		resume_listener_prepare(session);
	if (session->data != NULL)
		resume_stream_hold(session->data);
	if (session->data != NULL)
		inner = side_dial(session->side->options.far, &to,
		    &resume_stream_handler, session->data);
	if (inner == NULL) {
		session->not_dialled = true;
		resume_session_tick(session, 0);
		return;
	}
	resume_stream_take(session->data, inner, NULL);
	resume_stream_expect(session->data, repeated, size);
}

static void
resume_on_upload(void *ctx, uint64_t from)
{
	struct resume_session *session = ctx;

	if (session->data != NULL)
		resume_stream_upload(session->data, from);
}

static void
resume_on_cut(void *ctx, const char *why)
{
	struct resume_session *session = ctx;

	if (session->data != NULL)
		resume_stream_lose(session->data, why);
	resume_listeners_fail(session, why);
}

static void
resume_on_resumed(void *ctx, bool transfer)
{
	struct resume_session *session = ctx;
	uint64_t ms = uv_now(session->side->options.loop) - session->lost_at;
	char text[128];

	session->state = RESUME_SESSION_UP;
	session->losses.ms += ms;
	snprintf(text, sizeof(text),
	    "the session goes on%s, %" PRIu64 ".%" PRIu64
	    " s after the SSH connection was lost",
	    transfer ? " with its transfer" : "", ms / 1000, ms / 100 % 10);
	resume_session_log(session, text);
}

static void
resume_on_failed(void *ctx, bool later, const char *why)
{
	struct resume_session *session = ctx;

	resume_session_log(session, why);
	session->refused = true;
	session->later = later;
	resume_session_tick(session, 0);
}

const struct resume_handler resume_session_handler = {
	.to_client = resume_to_client,
	.to_server = resume_to_server,
	.data = resume_on_data,
	.dial = resume_on_dial,
	.compare = resume_on_compare,
	.upload = resume_on_upload,
	.cut = resume_on_cut,
	.resumed = resume_on_resumed,
	.failed = resume_on_failed,
};

/* ---- the clock ---- */

static void
resume_session_retry(struct resume_session *session)
{
	uint64_t now = uv_now(session->side->options.loop);

	if (session->refused) {
		session->refused = false;
		if (!session->later) {
			resume_session_fail(session,
			    "the SSH connection was lost");
			return;
		}
		resume_session_lost(session);
		return;
	}
	if (now - session->lost_at > session->side->options.survive_ms) {
		resume_session_log(session,
		    "the session could not be made again in the time of "
		    "--survive");
		resume_session_fail(session, "the SSH connection was lost");
		return;
	}
	if (session->server == NULL && now >= session->retry_at &&
	    resume_link_is_up(session))
		(void)!resume_session_dial(session);
	resume_session_tick(session, RESUME_TICK_MS);
}

static void
resume_session_on_tick(uv_timer_t *timer)
{
	struct resume_session *session = timer->data;

	if (session->not_dialled) {
		session->not_dialled = false;
		resume_dialled(session->core, "no data connection");
	}
	if (session->state == RESUME_SESSION_LOST)
		resume_session_retry(session);
	else if (session->state == RESUME_SESSION_OVER &&
	    resume_session_is_unused(session))
		resume_session_free(session);
	else if (session->state == RESUME_SESSION_OVER)
		resume_session_tick(session, RESUME_TICK_MS);
}

void
resume_session_tick(struct resume_session *session, uint64_t ms)
{
	uv_timer_start(&session->timer, resume_session_on_tick, ms, 0);
}
