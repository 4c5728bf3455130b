/*
 * The side for tunnels with --survive: listeners for data connections of the
 * server (active mode).  After a loss, the data connection for which one waits
 * is made in passive mode.
 */
#include <errno.h>
#include <stdlib.h>

#include "resume/side_priv.h"

struct resume_listener {
	struct side_listener base; /* must be first */
	LIST_ENTRY(resume_listener) entry;
	struct resume_session *session;
	struct side_listener *inner; /* NULL: lost with the link */
	const struct side_listener_handler *handler;
	void *ctx;
	bool taken; /* a connection has come */
};

static void
resume_listener_on_listening(void *ctx, const struct addr *v4,
    const struct addr *v6)
{
	struct resume_listener *listener = ctx;

	listener->handler->listening(listener->ctx, v4, v6);
}

static bool
resume_listener_on_accepted(void *ctx, struct stream *inner,
    const struct addr *local, const struct addr *peer)
{
	struct resume_listener *listener = ctx;
	struct resume_stream *stream =
	    resume_session_new_data(listener->session);

	if (stream == NULL) {
		stream_reset(inner);
		return false;
	}
	resume_stream_take(stream, inner, listener->inner);
	listener->taken = listener->handler->accepted(listener->ctx,
	    resume_stream_outer(stream), local, peer);
	return listener->taken;
}

static void
resume_listener_on_vanished(void *ctx)
{
	struct resume_listener *listener = ctx;

	if (listener->handler->vanished != NULL)
		listener->handler->vanished(listener->ctx);
}

static void
resume_listener_on_second(void *ctx, const char *place)
{
	struct resume_listener *listener = ctx;

	if (listener->handler->second != NULL)
		listener->handler->second(listener->ctx, place);
}

/* It cannot be made, or is lost with its link. */
static void
resume_listener_on_failed(void *ctx, int err, const char *why)
{
	struct resume_listener *listener = ctx;

	if (err != -ECONNRESET) {
		listener->handler->failed(listener->ctx, err, why);
		return;
	}
	side_listener_close(listener->inner, false);
	listener->inner = NULL;
	resume_session_doubt(listener->session);
}

struct side_listener *
resume_data_listen(struct side *base, const struct side_at *at,
    const struct side_listener_handler *handler, void *ctx)
{
	static const struct side_listener_handler inner_handler = {
		.listening = resume_listener_on_listening,
		.accepted = resume_listener_on_accepted,
		.vanished = resume_listener_on_vanished,
		.second = resume_listener_on_second,
		.failed = resume_listener_on_failed,
	};
	struct resume_session *session = resume_session_of(base);
	struct resume_listener *listener = calloc(1, sizeof(*listener));

	if (listener == NULL)
		return NULL;
	listener->base.side = base;
	listener->session = session;
	listener->handler = handler;
	listener->ctx = ctx;
	listener->inner = side_listen(session->side->options.far, at,
	    &inner_handler, listener);
	if (listener->inner == NULL) {
		free(listener);
		return NULL;
	}
	LIST_INSERT_HEAD(&session->listeners, listener, entry);
	return &listener->base;
}

void
resume_data_unlisten(struct side_listener *base, bool reusable)
{
	struct resume_listener *listener = (struct resume_listener *)base;

	LIST_REMOVE(listener, entry);
	side_listener_close(listener->inner, reusable);
	free(listener);
}

bool
resume_data_end_is_proven(const struct side_listener *base,
    const struct stream *stream)
{
	return true; /* resume/stream.h has checked it */
}

void
resume_listeners_hold(struct resume_session *session)
{
	struct resume_listener *listener;

	LIST_FOREACH (listener, &session->listeners, entry) {
		side_listener_close(listener->inner, false);
		listener->inner = NULL;
	}
}

void
resume_listeners_fail(struct resume_session *session, const char *why)
{
	struct resume_listener *listener, *next;

	for (listener = LIST_FIRST(&session->listeners); listener != NULL;
	     listener = next) {
		next = LIST_NEXT(listener, entry);
		if (listener->inner == NULL && !listener->taken)
			listener->handler->failed(listener->ctx, -ECONNRESET,
			    why);
	}
}

void
resume_listener_prepare(struct resume_session *session)
{
	static const struct addr unknown = { .family = AF_UNSPEC };
	struct resume_listener *listener;
	struct resume_stream *stream;

	LIST_FOREACH (listener, &session->listeners, entry)
		if (!listener->taken)
			break;
	if (listener == NULL)
		return;
	stream = resume_session_new_data(session);
	if (stream != NULL)
		listener->taken = listener->handler->accepted(listener->ctx,
		    resume_stream_outer(stream), &unknown, &unknown);
}

bool
resume_session_is_unused(const struct resume_session *session)
{
	return LIST_EMPTY(&session->listeners) && session->n_open == 0;
}
