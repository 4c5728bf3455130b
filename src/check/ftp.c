/*
 * The FTP client of culvert check: its control connection.
 */
#include "check/ftp.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/stream.h"
#include "ftp/line.h"
#include "ftp/reply.h"
#include "ftp/secrets.h"
#include "limits.h"

struct ftp {
	struct side *side;
	const struct check_timeouts *timeouts;
	struct stream *stream; /* NULL if lost */
	uv_timer_t timer;      /* of the wait; or to report a loss later */
	struct line_reader lines;
	struct reply_reader place;
	bool skipping; /* the rest of a line that is too long */
	bool was_open;
	int err; /* of the loss */
	char why[FACT_MAX];
	ftp_reply_cb *done; /* NULL if nobody waits */
	void *ctx;
	char text[FTP_REPLY_MAX];
	size_t len;
	struct secrets secrets; /* to hide the password in replies */
};

/* ---- reporting to the caller ---- */

static void
tell(struct ftp *ftp, const struct ftp_reply *reply)
{
	ftp_reply_cb *done = ftp->done;

	uv_timer_stop(&ftp->timer);
	ftp->done = NULL;
	done(ftp->ctx, reply);
}

static void
tell_no_reply(struct ftp *ftp, int err, const char *why)
{
	struct ftp_reply reply = { .err = err, .lines = "" };

	log_escape(reply.text, FACT_MAX, why, strlen(why));
	tell(ftp, &reply);
}

/* The reply is complete; line is its last line. */
static void
tell_reply(struct ftp *ftp, unsigned code, const uint8_t *line, size_t len)
{
	struct ftp_reply reply = {
		.code = code,
		.lines = ftp->text,
		.len = ftp->len,
	};
	size_t telnet = line_telnet_prefix(line, len);

	log_escape(reply.text, FACT_MAX, line + telnet,
	    secrets_shown(&ftp->secrets, line + telnet, len - telnet));
	if (ftp->done != NULL)
		tell(ftp, &reply);
}

static void
ftp_on_late(uv_timer_t *timer)
{
	struct ftp *ftp = timer->data;

	if (ftp->stream == NULL)
		tell_no_reply(ftp, ftp->err, ftp->why);
	else
		tell_no_reply(ftp, -ETIMEDOUT, "no reply in time");
}

static void
begin_wait(struct ftp *ftp, ftp_reply_cb *done, void *ctx, uint64_t ms)
{
	ftp->done = done;
	ftp->ctx = ctx;
	uv_timer_start(&ftp->timer, ftp_on_late, ftp->stream == NULL ? 0 : ms,
	    0);
}

/* ---- the stream ---- */

static void
ftp_on_opened(void *ctx)
{
	struct ftp *ftp = ctx;

	ftp->was_open = true;
	uv_timer_start(&ftp->timer, ftp_on_late, ftp->timeouts->greeting, 0);
	stream_read_start(ftp->stream);
}

static void
ftp_lose(struct ftp *ftp, int err, const char *why)
{
	stream_close(ftp->stream);
	ftp->stream = NULL;
	ftp->err = err;
	log_escape(ftp->why, FACT_MAX, why, strlen(why));
	if (ftp->done != NULL)
		tell_no_reply(ftp, err, why);
}

/* One line. */
static void
ftp_take_line(struct ftp *ftp, const uint8_t *line, size_t len)
{
	enum reply_place place;
	unsigned code;

	place = reply_next(&ftp->place, line, len, &code);
	if (place == REPLY_STRAY || place == REPLY_FIRST || place == REPLY_ONLY)
		ftp->len = 0;
	if (len < sizeof(ftp->text) - ftp->len) {
		memcpy(ftp->text + ftp->len, line, len);
		ftp->len += len;
		ftp->text[ftp->len] = '\0';
	}
	if (place == REPLY_STRAY)
		code = 1; /* not a reply code of any server */
	if (place != REPLY_FIRST && place != REPLY_INNER)
		tell_reply(ftp, code, line, line_text_len(line, len));
}

/* Drops the rest of a line that is too long.  False: there is none. */
static bool
skip(struct ftp *ftp, enum line_result result, size_t len)
{
	if (!ftp->skipping)
		return false;
	line_reader_consume(&ftp->lines, len);
	ftp->skipping = result != LINE_READY;
	return true;
}

/* Takes complete lines while somebody waits for a reply; the others stay in
 * the buffer. */
static void
take_lines(struct ftp *ftp)
{
	const uint8_t *line;
	uint8_t copy[FTP_REPLY_MAX];
	size_t len;

	while (ftp->stream != NULL && ftp->done != NULL) {
		enum line_result result =
		    line_reader_peek(&ftp->lines, &line, &len);

		if (result == LINE_MORE)
			return;
		if (skip(ftp, result, len))
			continue;
		/* The callback may close the connection. */
		memcpy(copy, line, len);
		line_reader_consume(&ftp->lines, len);
		ftp->skipping = result == LINE_TOO_LONG;
		ftp_take_line(ftp, copy, len);
	}
}

static void
ftp_on_data(void *ctx, const struct iovec *pieces, size_t n)
{
	struct ftp *ftp = ctx;

	for (size_t i = 0; i < n; i++)
		if (line_reader_feed(&ftp->lines, pieces[i].iov_base,
			pieces[i].iov_len) != 0) {
			ftp_lose(ftp, -ENOBUFS, "the server sends too much");
			return;
		}
	take_lines(ftp);
}

static void
ftp_on_eof(void *ctx)
{
	struct ftp *ftp = ctx;

	if (ftp->stream != NULL)
		ftp_lose(ftp, -EPIPE, "the server closed the connection");
}

static void
ftp_on_drained(void *ctx)
{
	(void)ctx;
}

static void
ftp_on_closed(void *ctx, int err, const char *why)
{
	ftp_lose(ctx, err, why);
}

static const struct stream_handler ftp_handler = {
	.opened = ftp_on_opened,
	.data = ftp_on_data,
	.eof = ftp_on_eof,
	.drained = ftp_on_drained,
	.closed = ftp_on_closed,
};

/* ---- ftp.h ---- */

struct ftp *
ftp_open(uv_loop_t *loop, struct side *side, const struct side_to *to,
    const struct check_timeouts *timeouts, ftp_reply_cb *done, void *ctx)
{
	struct ftp *ftp = calloc(1, sizeof(*ftp));

	if (ftp == NULL)
		return NULL;
	ftp->side = side;
	ftp->timeouts = timeouts;
	ftp->stream = side_dial(side, to, &ftp_handler, ftp);
	if (ftp->stream == NULL) {
		free(ftp);
		return NULL;
	}
	line_reader_init(&ftp->lines, FTP_REPLY_MAX - 1, LIMIT_CONTROL_INPUT);
	uv_timer_init(loop, &ftp->timer);
	ftp->timer.data = ftp;
	begin_wait(ftp, done, ctx, timeouts->connect);
	return ftp;
}

bool
ftp_was_open(const struct ftp *ftp)
{
	return ftp->was_open;
}

void
ftp_ends(struct ftp *ftp, struct addr *ret_local, struct addr *ret_peer)
{
	*ret_local = *ret_peer = (struct addr) { .family = AF_UNSPEC };
	if (ftp->stream != NULL)
		side_ends(ftp->side, ftp->stream, ret_local, ret_peer);
}

void
ftp_send(struct ftp *ftp, ftp_reply_cb *done, void *ctx, const char *format,
    ...)
{
	char line[1024];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(line, sizeof(line) - 2, format, args);
	va_end(args);
	if (len < 0 || (size_t)len >= sizeof(line) - 2)
		len = sizeof(line) - 3;
	memcpy(line + len, "\r\n", 2);
	secrets_hear(&ftp->secrets, (const uint8_t *)line, (size_t)len + 2);
	/* A failure is reported by closed(). */
	if (ftp->stream != NULL &&
	    stream_write(ftp->stream, line, (size_t)len + 2) != 0)
		log_verbose("a command could not be sent");
	explicit_bzero(line, sizeof(line));
	begin_wait(ftp, done, ctx, ftp->timeouts->reply);
}

static void
on_wait_over(uv_timer_t *timer)
{
	struct ftp *ftp = timer->data;

	uv_timer_start(timer, ftp_on_late, ftp->timeouts->reply, 0);
	take_lines(ftp);
}

void
ftp_wait(struct ftp *ftp, ftp_reply_cb *done, void *ctx)
{
	begin_wait(ftp, done, ctx, ftp->timeouts->reply);
	/* The reply may be in the buffer already. */
	if (ftp->stream != NULL)
		uv_timer_start(&ftp->timer, on_wait_over, 0, 0);
}

void
ftp_more_time(struct ftp *ftp)
{
	/* A timer that is due is for lines in the buffer. */
	if (ftp->done != NULL && uv_timer_get_due_in(&ftp->timer) > 0)
		uv_timer_start(&ftp->timer, ftp_on_late, ftp->timeouts->reply,
		    0);
}

static void
ftp_on_freed(uv_handle_t *handle)
{
	free(handle->data);
}

void
ftp_close(struct ftp *ftp)
{
	if (ftp == NULL)
		return;
	stream_close(ftp->stream);
	ftp->stream = NULL;
	ftp->done = NULL;
	line_reader_free(&ftp->lines);
	secrets_forget(&ftp->secrets);
	uv_close((uv_handle_t *)&ftp->timer, ftp_on_freed);
}
