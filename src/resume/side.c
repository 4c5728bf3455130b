/*
 * The side for tunnels with --survive.  session.c has what happens to a
 * session, side_listener.c the listeners of active mode.
 */
#include "resume/side.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "resume/side_priv.h"
#include "tunnel/pair.h"

/* ---- data connections ---- */

static void
resume_stream_on_dialled(void *ctx, const char *why)
{
	struct resume_session *session = ctx;

	resume_dialled(session->core, why);
}

static void
resume_stream_on_lost(void *ctx, struct resume_stream *stream)
{
	struct resume_session *session = ctx;

	session->data_lost = true;
	resume_session_doubt(session);
}

static void
resume_stream_on_differs(void *ctx, struct resume_stream *stream,
    const char *why)
{
	struct resume_session *session = ctx;

	resume_session_log(session, why);
	resume_cut(session->core, why);
}

static void
resume_stream_on_outer_closed(void *ctx, struct resume_stream *stream)
{
	struct resume_session *session = ctx;

	if (session->data == stream)
		session->data = NULL;
}

struct resume_stream *
resume_session_new_data(struct resume_session *session)
{
	static const struct resume_stream_owner owner = {
		.dialled = resume_stream_on_dialled,
		.lost = resume_stream_on_lost,
		.differs = resume_stream_on_differs,
		.closed = resume_stream_on_outer_closed,
	};
	struct resume_stream *stream = resume_stream_new(&owner, session,
	    &session->side->budget, &session->n_open);

	if (stream == NULL)
		return NULL;
	/* That one is used up, or has been replaced. */
	if (session->data != NULL)
		resume_stream_disown(session->data);
	session->data = stream;
	session->data_lost = false;
	return stream;
}

static struct stream *
resume_data_dial(struct side *base, const struct side_to *to,
    const struct stream_handler *handler, void *ctx)
{
	struct resume_session *session = resume_session_of(base);
	struct resume_stream *stream;
	struct stream *inner;

	if (session->state == RESUME_SESSION_OVER)
		return NULL;
	stream = resume_session_new_data(session);
	if (stream == NULL)
		return NULL;
	inner = side_dial(session->side->options.far, to,
	    &resume_stream_handler, stream);
	if (inner == NULL) {
		stream_close(resume_stream_outer(stream));
		return NULL;
	}
	resume_stream_take(stream, inner, NULL);
	stream_set_handler(resume_stream_outer(stream), handler, ctx);
	return resume_stream_outer(stream);
}

/* ---- the client's control connection ---- */

static void
resume_control_on_data(void *ctx, const struct iovec *pieces, size_t n)
{
	struct resume_session *session = ctx;
	int err = 0;

	for (size_t i = 0; i < n && err == 0; i++)
		err = resume_client(session->core, pieces[i].iov_base,
		    pieces[i].iov_len);
	if (err != 0)
		resume_session_fail(session, strerror(-err));
	resume_session_settle(session);
}

static void
resume_control_on_eof(void *ctx)
{
	struct resume_session *session = ctx;

	session->client_ended = true;
	resume_session_settle(session);
}

static void
resume_control_on_drained(void *ctx)
{
	struct resume_session *session = ctx;

	if (session->server != NULL)
		stream_read_start(session->server);
}

static void
resume_control_on_closed(void *ctx, int err, const char *why)
{
	resume_session_be_over(ctx);
}

/* ---- the side ---- */

static struct resume_session *
resume_session_new(struct resume_side *side, const struct side_to *to)
{
	static const struct side_ops ops = {
		.dial = resume_data_dial,
		.listen = resume_data_listen,
		.unlisten = resume_data_unlisten,
		.end_is_proven = resume_data_end_is_proven,
	};
	struct resume_session *session = calloc(1, sizeof(*session));

	if (session == NULL)
		return NULL;
	session->host = strdup(to->host);
	session->core = resume_new(&resume_session_handler, session);
	if (session->host == NULL || session->core == NULL) {
		resume_free(session->core);
		free(session->host);
		free(session);
		return NULL;
	}
	session->base.ops = &ops;
	session->base.name = side->options.far->name;
	session->side = side;
	session->port = to->port;
	if (to->client != NULL)
		session->client = to->client->addr;
	uv_timer_init(side->options.loop, &session->timer);
	session->timer.data = session;
	LIST_INIT(&session->listeners);
	LIST_INSERT_HEAD(&side->sessions, session, entry);
	return session;
}

/* Connects to the server for a session, which is over if that fails. */
static struct stream *
resume_session_open(struct resume_session *session,
    const struct stream_handler *handler, void *ctx)
{
	static const struct stream_handler control_handler = {
		.data = resume_control_on_data,
		.eof = resume_control_on_eof,
		.drained = resume_control_on_drained,
		.closed = resume_control_on_closed,
	};
	struct stream *dialled;

	if (pair_new(session->side->options.loop, handler, ctx, &dialled,
		&session->control) != 0) {
		resume_session_free(session);
		return NULL;
	}
	session->dialled = dialled;
	stream_set_handler(session->control, &control_handler, session);
	stream_read_start(session->control);
	if (resume_session_dial(session))
		return dialled;
	stream_close(dialled);
	resume_session_be_over(session);
	return NULL;
}

/* A session that cannot be made again is better than none. */
static struct stream *
resume_side_dial(struct side *base, const struct side_to *to,
    const struct stream_handler *handler, void *ctx)
{
	struct resume_side *side = (struct resume_side *)base;
	const struct log_origin origin = { .tunnel = side->options.log_name };
	struct resume_session *session = NULL;

	if (to->use == SIDE_CONTROL) {
		session = resume_session_new(side, to);
		if (session == NULL && !side->warned)
			log_line(LOG_LEVEL_WARN, &origin,
			    "no memory can be locked for another session; it "
			    "does not outlive the SSH connection: a greater "
			    "\"ulimit -l\" or LimitMEMLOCK helps (logged "
			    "once)");
		side->warned |= session == NULL;
	}
	return session != NULL ? resume_session_open(session, handler, ctx) :
				 side_dial(side->options.far, to, handler, ctx);
}

/* Of such a session. */
static struct side_listener *
resume_side_listen(struct side *base, const struct side_at *at,
    const struct side_listener_handler *handler, void *ctx)
{
	return side_listen(((struct resume_side *)base)->options.far, at,
	    handler, ctx);
}

/* The session with that control connection; or NULL. */
static struct resume_session *
resume_side_find(struct resume_side *side, const struct stream *control)
{
	struct resume_session *session;

	LIST_FOREACH (session, &side->sessions, entry)
		if (session->control != NULL && session->dialled == control)
			break;
	return session;
}

static struct side *
resume_side_for_data(struct side *base, const struct stream *control)
{
	struct resume_session *session =
	    resume_side_find((struct resume_side *)base, control);

	return session != NULL ? &session->base : base;
}

static bool
resume_side_is_paused(struct side *base, const struct stream *control)
{
	const struct resume_session *session =
	    resume_side_find((struct resume_side *)base, control);

	return session != NULL &&
	    (session->state == RESUME_SESSION_LOST ||
		!resume_is_through(session->core));
}

static struct side_losses
resume_side_losses(struct side *base, const struct stream *control)
{
	const struct resume_session *session =
	    resume_side_find((struct resume_side *)base, control);
	struct side_losses losses = { .n = 0 };

	if (session == NULL)
		return losses;
	losses = session->losses;
	if (session->state == RESUME_SESSION_LOST)
		losses.ms +=
		    uv_now(session->side->options.loop) - session->lost_at;
	return losses;
}

static const char *
resume_side_idle_hint(struct side *base, bool accepted)
{
	return side_idle_hint(((struct resume_side *)base)->options.far,
	    accepted);
}

static void
resume_side_free(struct side *base)
{
	struct resume_side *side = (struct resume_side *)base;

	while (!LIST_EMPTY(&side->sessions))
		resume_session_free(LIST_FIRST(&side->sessions));
	free(side);
}

struct side *
resume_side_new(const struct resume_side_options *options)
{
	static const struct side_ops ops = {
		.dial = resume_side_dial,
		.listen = resume_side_listen,
		.for_data = resume_side_for_data,
		.is_paused = resume_side_is_paused,
		.losses = resume_side_losses,
		.idle_hint = resume_side_idle_hint,
		.free = resume_side_free,
	};
	struct resume_side *side = calloc(1, sizeof(*side));

	if (side == NULL)
		return NULL;
	side->side.ops = &ops;
	side->side.name = options->far->name;
	side->options = *options;
	side->budget.left = (size_t)options->memory;
	LIST_INIT(&side->sessions);
	return &side->side;
}
