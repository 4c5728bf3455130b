/*
 * A session of the gateway's side: its data connection.
 */
#include <errno.h>
#include <stddef.h>

#include "tunnel/pair.h"
#include "gateway/side_priv.h"
#include "limits.h"

void
gateway_read_or_not(struct stream *stream, bool on)
{
	if (stream == NULL)
		return;
	if (on)
		stream_read_start(stream);
	else
		stream_read_stop(stream);
}

static void
session_on_hold_over(uv_timer_t *timer)
{
	session_pass_held(timer->data);
}

static void
session_data_opened(void *ctx)
{
	struct gateway_session *session = ctx;

	gateway_data_up(session->core);
}

static void
session_data_data(void *ctx, const struct iovec *pieces, size_t n)
{
	struct gateway_session *session = ctx;

	gateway_data_bytes(session->core, pieces, n);
}

static void
session_data_ending(void *ctx)
{
	struct gateway_session *session = ctx;

	gateway_data_ending(session->core);
}

static void
session_data_eof(void *ctx)
{
	struct gateway_session *session = ctx;

	gateway_data_eof(session->core);
}

static void
session_data_drained(void *ctx)
{
	struct gateway_session *session = ctx;

	gateway_data_drained(session->core);
}

static void
session_data_closed(void *ctx, int err, const char *why)
{
	struct gateway_session *session = ctx;

	stream_close(session->data);
	session->data = NULL;
	gateway_data_lost(session->core);
}

static const struct stream_handler data_handler = {
	.opened = session_data_opened,
	.data = session_data_data,
	.ending = session_data_ending,
	.eof = session_data_eof,
	.drained = session_data_drained,
	.closed = session_data_closed,
};

/* curl 7.88 loses a second if the reply to EPSV comes within some 0.1 ms, which
 * no server at the other end of a network does. */
uint16_t
session_listen(void *ctx)
{
	struct gateway_session *session = ctx;

	uv_timer_start(session->hold, session_on_hold_over,
	    LIMIT_GATEWAY_HOLD_MS, 0);
	session->port = gateway_side_port(session->side);
	return session->port;
}

int
session_data_send(void *ctx, const struct iovec *pieces, size_t n)
{
	struct gateway_session *session = ctx;

	return session->data == NULL ? -EPIPE :
				       stream_writev(session->data, pieces, n);
}

size_t
session_data_queued(void *ctx)
{
	struct gateway_session *session = ctx;

	return session->data == NULL ? 0 : stream_queued(session->data);
}

void
session_data_read(void *ctx, bool on)
{
	struct gateway_session *session = ctx;

	gateway_read_or_not(session->data, on);
}

void
session_data_end(void *ctx)
{
	struct gateway_session *session = ctx;

	if (session->data != NULL)
		stream_finish(session->data);
	session->data = NULL;
}

void
session_data_reset(void *ctx)
{
	struct gateway_session *session = ctx;

	session->port = 0;
	stream_close(session->data);
	session->data = NULL;
}

struct stream *
gateway_session_dial(struct gateway_session *session,
    const struct stream_handler *handler, void *ctx)
{
	struct stream *dialled;

	if (pair_new(session->side->loop, handler, ctx, &dialled,
		&session->data) != 0)
		return NULL;
	session->port = 0;
	stream_set_handler(session->data, &data_handler, session);
	pair_connect(session->data);
	return dialled;
}
