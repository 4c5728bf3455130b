/*
 * The connections and listeners of culvert check.
 */
#include "check/conn.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "ssh/reason.h"

static void
attempt_fail_len(struct attempt *attempt, int err, const char *why, size_t len)
{
	attempt->result = ATTEMPT_FAILED;
	attempt->err = err;
	log_escape(attempt->why, sizeof(attempt->why), why, len);
}

void
attempt_fail(struct attempt *attempt, int err, const char *why)
{
	attempt_fail_len(attempt, err, why, strlen(why));
}

void
attempt_wait(struct attempt *attempt, struct wait *wait, uint64_t ms)
{
	wait_begin(wait, ms);
	while (attempt->result == ATTEMPT_STARTED && wait_more(wait))
		;
	if (attempt->result == ATTEMPT_STARTED)
		attempt_fail(attempt, -ETIMEDOUT, "no answer in time");
}

/* ---- connections ---- */

static void
conn_on_opened(void *ctx)
{
	struct conn *conn = ctx;

	conn->attempt.result = ATTEMPT_GOOD;
	conn->opened = true;
	stream_read_start(conn->stream);
}

static void
conn_on_data(void *ctx, const struct iovec *pieces, size_t n)
{
	struct conn *conn = ctx;

	conn->bytes += stream_len(pieces, n);
	if (conn->data != NULL)
		conn->data(conn->ctx, pieces, n);
}

static void
conn_on_eof(void *ctx)
{
	struct conn *conn = ctx;

	conn->ended = true;
	if (conn->stream != NULL)
		stream_shutdown(conn->stream);
}

static void
conn_on_drained(void *ctx)
{
	(void)ctx;
}

static void
conn_on_closed(void *ctx, int err, const char *why)
{
	struct conn *conn = ctx;

	/* -ESHUTDOWN: both directions have ended. */
	if (err != -ESHUTDOWN)
		attempt_fail_len(&conn->attempt, err, why, reason_own_len(why));
	conn_close(conn);
}

static const struct stream_handler conn_handler = {
	.opened = conn_on_opened,
	.data = conn_on_data,
	.eof = conn_on_eof,
	.drained = conn_on_drained,
	.closed = conn_on_closed,
};

void
conn_dial(struct conn *conn, struct side *side, const struct side_to *to)
{
	conn->attempt.result = ATTEMPT_STARTED;
	conn->stream = side_dial(side, to, &conn_handler, conn);
	if (conn->stream == NULL)
		attempt_fail(&conn->attempt, -ENOMEM,
		    "the connection could not be started");
}

void
conn_dial_addr(struct conn *conn, struct net *net, const struct addr *to)
{
	int err = 0;

	conn->attempt.result = ATTEMPT_STARTED;
	conn->stream = net_dial(net, to, NULL, &conn_handler, conn, &err);
	if (conn->stream == NULL)
		attempt_fail(&conn->attempt, err, strerror(-err));
}

void
conn_close(struct conn *conn)
{
	stream_close(conn->stream);
	conn->stream = NULL;
}

void
conn_fail(struct conn *conn, int err, const char *why)
{
	attempt_fail(&conn->attempt, err, why);
	conn_close(conn);
}

/* ---- listeners ---- */

static void
conn_on_listening(void *ctx, const struct addr *v4, const struct addr *v6)
{
	struct conn_listener *listener = ctx;

	listener->attempt.result = ATTEMPT_GOOD;
	listener->v4 = *v4;
	listener->v6 = *v6;
}

static bool
conn_on_accepted(void *ctx, struct stream *stream, const struct addr *local,
    const struct addr *peer)
{
	struct conn_listener *listener = ctx;
	struct conn *conn = listener->conn;

	(void)local;
	(void)peer;
	if (conn == NULL || conn->opened) {
		stream_reset(stream);
		return false;
	}
	stream_set_handler(stream, &conn_handler, conn);
	conn->stream = stream;
	conn_on_opened(conn);
	return true;
}

static void
conn_on_second(void *ctx, const char *place)
{
	(void)ctx;
	(void)place;
}

static void
conn_on_listen_failed(void *ctx, int err, const char *why)
{
	struct conn_listener *listener = ctx;

	attempt_fail_len(&listener->attempt, err, why, reason_own_len(why));
}

void
conn_listen(struct conn_listener *listener, struct side *side,
    const struct side_at *at, struct conn *conn)
{
	static const struct side_listener_handler handler = {
		.listening = conn_on_listening,
		.accepted = conn_on_accepted,
		.second = conn_on_second,
		.failed = conn_on_listen_failed,
	};

	listener->attempt.result = ATTEMPT_STARTED;
	listener->conn = conn;
	listener->listener = side_listen(side, at, &handler, listener);
	if (listener->listener == NULL)
		attempt_fail(&listener->attempt, -ENOMEM, strerror(ENOMEM));
}

void
conn_unlisten(struct conn_listener *listener)
{
	side_listener_close(listener->listener, false);
	listener->listener = NULL;
}
