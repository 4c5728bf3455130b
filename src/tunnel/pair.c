/*
 * Two streams inside the process.
 *
 * Bytes wait in a buffer of the end that receives them.  A timer of the loop
 * calls the handlers, so that no callback comes from inside a call of an owner.
 */
#include "tunnel/pair.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "limits.h"

struct pair;

struct pair_end {
	struct stream stream; /* must be first */
	struct pair *pair;
	struct buf inbox;
	enum {
		END_CONNECTING,
		END_CONNECTED, /* opened() is to be called */
		END_OPEN,
	} state;
	bool reading;
	bool ending;	  /* the owner has announced the end of its direction */
	bool ending_told; /* of the other direction */
	bool shut;	  /* the owner has ended its direction */
	bool eof_told;	  /* the other direction's end, too */
	bool above_low;	  /* drained() must be called later */
	bool gone;	  /* the owner has closed it */
	int err;	  /* of closed(); or 0 */
	bool err_told;	  /* closed() was called */
	char why[256];
};

struct pair {
	uv_timer_t timer;
	struct pair_end ends[2];
};

static struct pair_end *
pair_other(const struct pair_end *end)
{
	return &end->pair->ends[end == &end->pair->ends[0]];
}

static void
pair_on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void pair_deliver(uv_timer_t *timer);

static void
pair_stir(struct pair *pair)
{
	if (!uv_is_closing((uv_handle_t *)&pair->timer))
		uv_timer_start(&pair->timer, pair_deliver, 0, 0);
}

/* ---- what the handlers get ---- */

static bool
pair_is_live(const struct pair_end *end)
{
	return !end->gone && end->err == 0;
}

/* The handler may close its end: the bytes stay until it returns. */
static void
pair_deliver_bytes(struct pair_end *end)
{
	struct buf taken = end->inbox;
	struct iovec piece = {
		(void *)(uintptr_t)buf_bytes(&taken),
		buf_len(&taken),
	};

	buf_init(&end->inbox, LIMIT_PAIR);
	end->stream.handler->data(end->stream.ctx, &piece, 1);
	/* So few bytes may be a command with a password. */
	if (piece.iov_len <= LIMIT_COMMAND_LINE)
		explicit_bzero(piece.iov_base, piece.iov_len);
	buf_consume(&taken, piece.iov_len);
	/* The memory is used again. */
	if (!end->gone && buf_len(&end->inbox) == 0)
		end->inbox = taken;
	else
		buf_free(&taken);
}

/* Can the end be told? */
static bool
pair_has_read_all(const struct pair_end *end)
{
	return !end->gone && end->state == END_OPEN && end->reading &&
	    buf_len(&end->inbox) == 0;
}

/* Bytes, and the end. */
static void
pair_deliver_input(struct pair_end *end)
{
	const struct stream_handler *handler = end->stream.handler;

	if (end->state == END_OPEN && end->reading && buf_len(&end->inbox) > 0)
		pair_deliver_bytes(end);
	if (pair_has_read_all(end) && !end->ending_told &&
	    pair_other(end)->ending && handler->ending != NULL) {
		end->ending_told = true;
		handler->ending(end->stream.ctx);
	}
	if (pair_has_read_all(end) && !end->eof_told && pair_other(end)->shut) {
		end->eof_told = true;
		handler->eof(end->stream.ctx);
	}
}

static void
pair_deliver_to(struct pair_end *end)
{
	const struct stream_handler *handler;

	if (end->gone)
		return;
	handler = end->stream.handler;
	if (end->err != 0) {
		if (!end->err_told && handler->closed != NULL) {
			end->err_told = true;
			handler->closed(end->stream.ctx, end->err, end->why);
		}
		return;
	}
	if (end->state == END_CONNECTED) {
		end->state = END_OPEN;
		if (handler->opened != NULL)
			handler->opened(end->stream.ctx);
	}
	if (pair_is_live(end))
		pair_deliver_input(end);
}

static void
pair_deliver_drained(struct pair_end *end)
{
	if (!pair_is_live(end) || !end->above_low ||
	    buf_len(&pair_other(end)->inbox) > LIMIT_LOW_WATER)
		return;
	end->above_low = false;
	if (end->stream.handler->drained != NULL)
		end->stream.handler->drained(end->stream.ctx);
}

static void
pair_deliver(uv_timer_t *timer)
{
	struct pair *pair = timer->data;

	for (int i = 0; i < 2; i++)
		pair_deliver_to(&pair->ends[i]);
	for (int i = 0; i < 2; i++)
		pair_deliver_drained(&pair->ends[i]);
}

/* ---- operations ---- */

static void
pair_read_start(struct stream *stream)
{
	struct pair_end *end = (struct pair_end *)stream;

	end->reading = true;
	pair_stir(end->pair);
}

static void
pair_read_stop(struct stream *stream)
{
	((struct pair_end *)stream)->reading = false;
}

static int
pair_write(struct stream *stream, const struct iovec *pieces, size_t n)
{
	struct pair_end *end = (struct pair_end *)stream;
	struct pair_end *other = pair_other(end);

	if (end->shut || end->err != 0)
		return -EPIPE;
	if (other->gone)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (buf_append(&other->inbox, pieces[i].iov_base,
			pieces[i].iov_len) != 0)
			return -ENOMEM;
	end->above_low |= buf_len(&other->inbox) > LIMIT_LOW_WATER;
	pair_stir(end->pair);
	return 0;
}

static void
pair_announce_end(struct stream *stream)
{
	struct pair_end *end = (struct pair_end *)stream;

	end->ending = true;
	pair_stir(end->pair);
}

static void
pair_shutdown(struct stream *stream)
{
	struct pair_end *end = (struct pair_end *)stream;

	end->shut = true;
	pair_stir(end->pair);
}

/* Nobody uses this end any more. */
static void
pair_let_go(struct pair_end *end)
{
	struct pair *pair = end->pair;

	end->gone = true;
	buf_free(&end->inbox);
	if (!pair_other(end)->gone) {
		pair_stir(pair);
		return;
	}
	buf_free(&pair_other(end)->inbox);
	if (!uv_is_closing((uv_handle_t *)&pair->timer))
		uv_close((uv_handle_t *)&pair->timer, pair_on_closed);
}

static void
pair_abort(struct pair_end *end, int err, const char *why)
{
	struct pair_end *other = pair_other(end);

	/* Both directions have ended: nothing is lost. */
	if ((!end->shut || !other->shut || buf_len(&other->inbox) > 0) &&
	    other->err == 0) {
		other->err = err;
		snprintf(other->why, sizeof(other->why), "%s", why);
	}
	pair_let_go(end);
}

static void
pair_close(struct stream *stream)
{
	pair_abort((struct pair_end *)stream, -ECONNRESET,
	    strerror(ECONNRESET));
}

/* The other end still gets what was written, and the end. */
static void
pair_finish(struct stream *stream)
{
	struct pair_end *end = (struct pair_end *)stream;

	end->shut = true;
	pair_let_go(end);
}

static size_t
pair_queued(const struct stream *stream)
{
	return buf_len(&pair_other((const struct pair_end *)stream)->inbox);
}

static size_t
pair_undelivered(const struct stream *stream)
{
	const struct pair_end *end = (const struct pair_end *)stream;
	const struct pair_end *other = pair_other(end);

	/* What is dropped has left. */
	return other->gone ?
	    0 :
	    buf_len(&other->inbox) + (end->shut && !other->eof_told);
}

static bool
pair_alive(const struct stream *stream)
{
	return ((const struct pair_end *)stream)->err == 0;
}

static const struct stream_ops pair_ops = {
	.read_start = pair_read_start,
	.read_stop = pair_read_stop,
	.write = pair_write,
	.shutdown = pair_shutdown,
	.close = pair_close,
	.finish = pair_finish,
	.reset = pair_close,
	.queued = pair_queued,
	.undelivered = pair_undelivered,
	.alive = pair_alive,
	.announce_end = pair_announce_end,
};

/* ---- life ---- */

int
pair_new(uv_loop_t *loop, const struct stream_handler *handler, void *ctx,
    struct stream **ret_dialled, struct stream **ret_other)
{
	struct pair *pair = calloc(1, sizeof(*pair));

	if (pair == NULL)
		return -ENOMEM;
	uv_timer_init(loop, &pair->timer);
	pair->timer.data = pair;
	for (int i = 0; i < 2; i++) {
		struct pair_end *end = &pair->ends[i];

		end->stream.ops = &pair_ops;
		end->pair = pair;
		buf_init(&end->inbox, LIMIT_PAIR);
		end->state = i == 0 ? END_CONNECTING : END_OPEN;
	}
	stream_set_handler(&pair->ends[0].stream, handler, ctx);
	*ret_dialled = &pair->ends[0].stream;
	*ret_other = &pair->ends[1].stream;
	return 0;
}

void
pair_connect(struct stream *other)
{
	struct pair_end *end = (struct pair_end *)other;

	end->state = pair_other(end)->state = END_CONNECTED;
	pair_stir(end->pair);
}

void
pair_fail(struct stream *other, int err, const char *why)
{
	pair_abort((struct pair_end *)other, err, why);
}
