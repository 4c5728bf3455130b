/*
 * A data connection that outlives its stream.
 *
 * The outer stream passes calls on to the inner one, and callbacks back.  A
 * callback of the session may close the outer stream: nothing is touched
 * afterwards.
 */
#include "resume/stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "limits.h"

struct resume_stream {
	struct stream stream;			 /* must be first */
	const struct resume_stream_owner *owner; /* NULL: gone */
	void *ctx;
	struct stream *inner;		/* NULL: lost, or not there yet */
	struct side_listener *listener; /* that has accepted inner; or NULL */
	struct side_check *check;
	bool opened; /* the session has been told, or has accepted it */
	bool again;  /* inner is not the first */
	bool up;     /* inner is connected */
	bool reading;
	bool ended; /* the end was passed on */
	uint64_t passed;
	uint64_t repeated; /* bytes of inner that are still to be compared */
	int64_t size;
	struct resume_budget *budget;
	struct resume_kept *kept; /* of an upload; NULL: none, or no memory */
	uint64_t uploaded;	  /* bytes of the client; */
	uint64_t sent;		  /* ... those that inner has got */
	bool shut;		  /* the client has ended its direction */
	unsigned *n_open;	  /* the session's; counts this one */
	int err;		  /* of a loss that is held */
	char why[256];
	uint8_t seam[RESUME_SEAM]; /* the last bytes, a ring */
};

static struct resume_stream *
resume_stream_of(const struct stream *stream)
{
	return (struct resume_stream *)(uintptr_t)stream;
}

/* Is there something that inner, if there is one, must still get? */
static bool
resume_stream_is_behind(const struct resume_stream *stream)
{
	return stream->inner == NULL || stream->sent < stream->uploaded;
}

/* ---- bytes ---- */

static void
resume_stream_keep(struct resume_stream *stream, const uint8_t *bytes,
    size_t len)
{
	size_t at, n;

	stream->passed += len;
	if (len > RESUME_SEAM) {
		bytes += len - RESUME_SEAM;
		len = RESUME_SEAM;
	}
	at = (size_t)((stream->passed - len) % RESUME_SEAM);
	n = len < RESUME_SEAM - at ? len : RESUME_SEAM - at;
	memcpy(stream->seam + at, bytes, n);
	memcpy(stream->seam, bytes + n, len - n);
}

/* Are these the bytes at that distance before the cut? */
static bool
resume_stream_same(const struct resume_stream *stream, const uint8_t *bytes,
    size_t len)
{
	size_t at = (size_t)((stream->passed - stream->repeated) % RESUME_SEAM);
	size_t n = len < RESUME_SEAM - at ? len : RESUME_SEAM - at;

	return memcmp(stream->seam + at, bytes, n) == 0 &&
	    memcmp(stream->seam, bytes + n, len - n) == 0;
}

/* Takes repeated bytes off.  Returns false if they differ. */
static bool
resume_stream_compare(struct resume_stream *stream, struct iovec *pieces,
    size_t n)
{
	for (size_t i = 0; i < n && stream->repeated > 0; i++) {
		size_t len = pieces[i].iov_len < stream->repeated ?
		    pieces[i].iov_len :
		    (size_t)stream->repeated;

		if (!resume_stream_same(stream, pieces[i].iov_base, len))
			return false;
		stream->repeated -= len;
		pieces[i].iov_base = (uint8_t *)pieces[i].iov_base + len;
		pieces[i].iov_len -= len;
	}
	return true;
}

static void
resume_stream_differ(struct resume_stream *stream, const char *why)
{
	if (stream->owner != NULL)
		stream->owner->differs(stream->ctx, stream, why);
	else
		resume_stream_lose(stream, why);
}

static void
resume_stream_on_data(void *ctx, const struct iovec *given, size_t n)
{
	struct resume_stream *stream = ctx;
	struct iovec pieces[STREAM_PIECES];
	size_t first = 0;

	memcpy(pieces, given, n * sizeof(*pieces));
	if (!resume_stream_compare(stream, pieces, n)) {
		resume_stream_differ(stream,
		    "the file has changed on the server");
		return;
	}
	while (first < n && pieces[first].iov_len == 0)
		first++;
	if (first == n)
		return;
	for (size_t i = first; i < n; i++)
		resume_stream_keep(stream, pieces[i].iov_base,
		    pieces[i].iov_len);
	stream->stream.handler->data(stream->stream.ctx, pieces + first,
	    n - first);
}

/* ---- the inner stream ---- */

static void
resume_stream_on_opened(void *ctx)
{
	struct resume_stream *stream = ctx;
	bool first = !stream->opened;

	stream->up = stream->opened = true;
	if (stream->reading)
		stream_read_start(stream->inner);
	/* Does nothing if nobody waits for it. */
	if (stream->owner != NULL)
		stream->owner->dialled(stream->ctx, NULL);
	if (first && stream->stream.handler != NULL)
		stream->stream.handler->opened(stream->stream.ctx);
}

static void
resume_stream_end(struct resume_stream *stream)
{
	if (stream->again &&
	    (stream->repeated > 0 ||
		(stream->size >= 0 &&
		    stream->passed != (uint64_t)stream->size))) {
		resume_stream_differ(stream,
		    "the file does not have its size any more");
		return;
	}
	stream->ended = true;
	stream->stream.handler->eof(stream->stream.ctx);
}

static void resume_stream_on_closed(void *ctx, int err, const char *why);

static void
resume_stream_on_check(void *ctx, bool clean)
{
	struct resume_stream *stream = ctx;

	stream->check = NULL;
	if (clean)
		resume_stream_end(stream);
	else
		resume_stream_on_closed(stream, -ECONNRESET,
		    "the SSH connection was lost");
}

/* The end of ssh's Unix socket is clean even if ssh was killed. */
static void
resume_stream_on_eof(void *ctx)
{
	struct resume_stream *stream = ctx;

	if (stream->listener == NULL) {
		resume_stream_end(stream);
		return;
	}
	switch (side_check_end(stream->listener, resume_stream_on_check, stream,
	    &stream->check)) {
	case SIDE_END_CLEAN:
		resume_stream_end(stream);
		break;
	case SIDE_END_ASKED:
		break;
	case SIDE_END_LOST:
		resume_stream_on_check(stream, false);
		break;
	}
}

/* Sends what was not sent yet, or must be sent again. */
static void
resume_stream_catch_up(struct resume_stream *stream)
{
	const uint8_t *bytes;
	size_t len;

	while (stream->sent < stream->uploaded &&
	    stream_queued(stream->inner) <= LIMIT_HIGH_WATER) {
		bytes = resume_kept_at(stream->kept, stream->sent, &len);
		/* A dead stream reports that itself. */
		(void)!stream_write(stream->inner, bytes, len);
		stream->sent += len;
	}
	if (stream->sent < stream->uploaded)
		return;
	if (stream->shut)
		stream_shutdown(stream->inner);
	if (stream_queued(stream->inner) <= LIMIT_LOW_WATER)
		stream->stream.handler->drained(stream->stream.ctx);
}

static void
resume_stream_on_drained(void *ctx)
{
	struct resume_stream *stream = ctx;

	if (resume_stream_is_behind(stream))
		resume_stream_catch_up(stream);
	else
		stream->stream.handler->drained(stream->stream.ctx);
}

static void
resume_stream_drop_inner(struct resume_stream *stream)
{
	if (stream->check != NULL)
		side_check_cancel(stream->listener->side, stream->check);
	stream->check = NULL;
	stream_close(stream->inner);
	stream->inner = NULL;
	stream->listener = NULL;
	stream->up = false;
}

static void
resume_stream_on_closed(void *ctx, int err, const char *why)
{
	struct resume_stream *stream = ctx;
	bool dialling = stream->again && !stream->up;

	snprintf(stream->why, sizeof(stream->why), "%s", why);
	stream->err = err;
	resume_stream_drop_inner(stream);
	if (stream->owner == NULL || !stream->opened || err == -ESHUTDOWN)
		resume_stream_lose_as_reported(stream);
	else if (dialling)
		stream->owner->dialled(stream->ctx, stream->why);
	else
		stream->owner->lost(stream->ctx, stream);
}

const struct stream_handler resume_stream_handler = {
	.opened = resume_stream_on_opened,
	.data = resume_stream_on_data,
	.eof = resume_stream_on_eof,
	.drained = resume_stream_on_drained,
	.closed = resume_stream_on_closed,
};

/* ---- the outer stream ---- */

static void
resume_stream_read_start(struct stream *base)
{
	struct resume_stream *stream = resume_stream_of(base);

	stream->reading = true;
	if (stream->inner != NULL)
		stream_read_start(stream->inner);
}

static void
resume_stream_read_stop(struct stream *base)
{
	struct resume_stream *stream = resume_stream_of(base);

	stream->reading = false;
	if (stream->inner != NULL)
		stream_read_stop(stream->inner);
}

static int
resume_stream_write(struct stream *base, const struct iovec *pieces, size_t n)
{
	struct resume_stream *stream = resume_stream_of(base);
	bool at_once = !resume_stream_is_behind(stream);

	if (stream->kept == NULL && stream->uploaded == 0)
		stream->kept = resume_kept_new(stream->budget);
	if (stream->kept != NULL)
		for (size_t i = 0; i < n; i++)
			resume_kept_add(stream->kept, pieces[i].iov_base,
			    pieces[i].iov_len);
	stream->uploaded += stream_len(pieces, n);
	if (!at_once)
		return 0;
	stream->sent = stream->uploaded;
	return stream_writev(stream->inner, pieces, n);
}

static void
resume_stream_shutdown(struct stream *base)
{
	struct resume_stream *stream = resume_stream_of(base);

	stream->shut = true;
	if (!resume_stream_is_behind(stream))
		stream_shutdown(stream->inner);
}

static void
resume_stream_free(struct resume_stream *stream)
{
	resume_stream_drop_inner(stream);
	resume_stream_disown(stream);
	resume_kept_free(stream->kept);
	--*stream->n_open;
	free(stream);
}

static void
resume_stream_close(struct stream *base)
{
	resume_stream_free(resume_stream_of(base));
}

static void
resume_stream_finish(struct stream *base)
{
	struct resume_stream *stream = resume_stream_of(base);

	if (stream->inner != NULL)
		stream_finish(stream->inner);
	stream->inner = NULL;
	resume_stream_free(stream);
}

static void
resume_stream_reset(struct stream *base)
{
	struct resume_stream *stream = resume_stream_of(base);

	if (stream->inner != NULL)
		stream_reset(stream->inner);
	stream->inner = NULL;
	resume_stream_free(stream);
}

/* While it is behind, nothing more is to be read from the client. */
static size_t
resume_stream_queued(const struct stream *base)
{
	const struct resume_stream *stream = resume_stream_of(base);

	return resume_stream_is_behind(stream) ? LIMIT_HIGH_WATER + 1 :
						 stream_queued(stream->inner);
}

static size_t
resume_stream_undelivered(const struct stream *base)
{
	const struct resume_stream *stream = resume_stream_of(base);

	return resume_stream_is_behind(stream) ?
	    (size_t)(stream->uploaded - stream->sent) + 1 :
	    stream_undelivered(stream->inner);
}

static bool
resume_stream_alive(const struct stream *base)
{
	const struct resume_stream *stream = resume_stream_of(base);

	return stream->inner == NULL || stream_alive(stream->inner);
}

static bool
resume_stream_end_is_proven(const struct stream *base)
{
	const struct resume_stream *stream = resume_stream_of(base);

	return stream->inner == NULL || stream_end_is_proven(stream->inner);
}

static bool
resume_stream_end_is_doubtful(const struct stream *base)
{
	const struct resume_stream *stream = resume_stream_of(base);

	return stream->inner != NULL && stream_end_is_doubtful(stream->inner);
}

/* ---- resume/stream.h ---- */

struct resume_stream *
resume_stream_new(const struct resume_stream_owner *owner, void *ctx,
    struct resume_budget *budget, unsigned *n_open)
{
	static const struct stream_ops ops = {
		.read_start = resume_stream_read_start,
		.read_stop = resume_stream_read_stop,
		.write = resume_stream_write,
		.shutdown = resume_stream_shutdown,
		.close = resume_stream_close,
		.finish = resume_stream_finish,
		.reset = resume_stream_reset,
		.queued = resume_stream_queued,
		.undelivered = resume_stream_undelivered,
		.alive = resume_stream_alive,
		.end_is_proven = resume_stream_end_is_proven,
		.end_is_doubtful = resume_stream_end_is_doubtful,
	};
	struct resume_stream *stream = calloc(1, sizeof(*stream));

	if (stream == NULL)
		return NULL;
	stream->stream.ops = &ops;
	stream->owner = owner;
	stream->ctx = ctx;
	stream->budget = budget;
	stream->n_open = n_open;
	++*n_open;
	stream->size = -1;
	return stream;
}

struct stream *
resume_stream_outer(struct resume_stream *stream)
{
	return &stream->stream;
}

void
resume_stream_take(struct resume_stream *stream, struct stream *inner,
    struct side_listener *listener)
{
	stream->again = stream->opened;
	stream->inner = inner;
	stream->listener = listener;
	stream->up = listener != NULL;
	stream->opened |= listener != NULL;
	if (listener != NULL)
		stream_set_handler(inner, &resume_stream_handler, stream);
}

void
resume_stream_expect(struct resume_stream *stream, uint64_t repeated,
    int64_t size)
{
	stream->repeated = repeated;
	stream->size = size;
}

void
resume_stream_hold(struct resume_stream *stream)
{
	resume_stream_drop_inner(stream);
}

void
resume_stream_lose(struct resume_stream *stream, const char *why)
{
	snprintf(stream->why, sizeof(stream->why), "%s", why);
	stream->err = -ECONNRESET;
	resume_stream_lose_as_reported(stream);
}

void
resume_stream_lose_as_reported(struct resume_stream *stream)
{
	const struct stream_handler *handler = stream->stream.handler;
	char why[sizeof(stream->why)];

	/* The handler closes the stream, and goes on with why. */
	memcpy(why, stream->why, sizeof(why));
	resume_stream_disown(stream);
	resume_stream_drop_inner(stream);
	if (handler != NULL)
		handler->closed(stream->stream.ctx, stream->err, why);
}

void
resume_stream_disown(struct resume_stream *stream)
{
	if (stream->owner != NULL)
		stream->owner->closed(stream->ctx, stream);
	stream->owner = NULL;
}

struct resume_data
resume_stream_data(const struct resume_stream *stream)
{
	struct resume_data data = {
		.passed = stream->passed,
		.ended = stream->ended,
		.uploaded = stream->uploaded,
	};

	if (stream->kept != NULL)
		data.kept = stream->uploaded - resume_kept_begin(stream->kept);
	return data;
}

void
resume_stream_upload(struct resume_stream *stream, uint64_t from)
{
	stream->sent = from;
	resume_stream_catch_up(stream);
}

bool
resume_stream_sent(const struct resume_stream *stream, uint64_t at,
    const uint8_t *bytes, size_t len)
{
	const uint8_t *kept;
	size_t n;

	for (; len > 0; len -= n, bytes += n, at += n) {
		if (stream->kept == NULL ||
		    at < resume_kept_begin(stream->kept) ||
		    at >= stream->uploaded)
			return false;
		kept = resume_kept_at(stream->kept, at, &n);
		if (n > len)
			n = len;
		if (memcmp(kept, bytes, n) != 0)
			return false;
	}
	return true;
}
