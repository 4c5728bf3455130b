/*
 * The FTP client of culvert check: its control connection.
 */
#include "check/ftp.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "limits.h"

static void
ftp_on_data(void *ctx, const struct iovec *pieces, size_t n)
{
	struct ftp *ftp = ctx;

	for (size_t i = 0; i < n; i++)
		if (line_reader_feed(&ftp->lines, pieces[i].iov_base,
			pieces[i].iov_len) != 0) {
			peer_fail(&ftp->peer, -ENOBUFS,
			    "the server sends too much");
			return;
		}
}

void
ftp_open(struct ftp *ftp, struct wait *wait, struct side *side,
    const struct side_to *to)
{
	ftp->wait = wait;
	ftp->peer.data = ftp_on_data;
	ftp->peer.ctx = ftp;
	line_reader_init(&ftp->lines, FTP_REPLY_MAX - 1, LIMIT_CONTROL_INPUT);
	peer_dial(&ftp->peer, side, to);
	attempt_wait(&ftp->peer.attempt, wait, wait->times.connect);
}

void
ftp_close(struct ftp *ftp)
{
	peer_close(&ftp->peer);
	line_reader_free(&ftp->lines);
	secrets_forget(&ftp->secrets);
}

void
ftp_send(struct ftp *ftp, const char *format, ...)
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
	/* If this fails, the connection fails as well. */
	if (ftp->peer.stream != NULL &&
	    stream_write(ftp->peer.stream, line, (size_t)len + 2) != 0)
		log_verbose("a command could not be sent");
	explicit_bzero(line, sizeof(line));
}

/* ---- replies ---- */

/* Takes a line.  Returns true if it completes a reply, or belongs to no reply.
 */
static bool
ftp_take_line(struct ftp *ftp, const uint8_t *line, size_t len,
    struct ftp_reply *ret)
{
	unsigned code;
	enum reply_place place = reply_next(&ftp->place, line, len, &code);
	size_t telnet, end;

	if (place == REPLY_STRAY || place == REPLY_FIRST || place == REPLY_ONLY)
		ftp->len = 0;
	if (len < sizeof(ftp->text) - ftp->len) {
		memcpy(ftp->text + ftp->len, line, len);
		ftp->len += len;
		ftp->text[ftp->len] = '\0';
	}
	if (place == REPLY_FIRST || place == REPLY_INNER)
		return false;
	*ret = (struct ftp_reply) {
		/* No server has the reply code 1. */
		.code = place == REPLY_STRAY ? 1 : code,
		.lines = ftp->text,
		.len = ftp->len,
	};
	end = line_text_len(line, len);
	telnet = line_telnet_prefix(line, end);
	log_escape(ret->text, sizeof(ret->text), line + telnet,
	    secrets_shown(&ftp->secrets, line + telnet, end - telnet));
	return true;
}

static void
ftp_no_reply(struct ftp_reply *ret, int err, const char *why)
{
	*ret = (struct ftp_reply) { .err = err, .lines = "" };
	snprintf(ret->text, sizeof(ret->text), "%s", why);
}

bool
ftp_take(struct ftp *ftp, struct ftp_reply *ret)
{
	const uint8_t *line;
	size_t len;
	enum line_result result;

	while ((result = line_reader_peek(&ftp->lines, &line, &len)) !=
	    LINE_MORE) {
		bool complete =
		    !ftp->skipping && ftp_take_line(ftp, line, len, ret);

		line_reader_consume(&ftp->lines, len);
		ftp->skipping = result == LINE_TOO_LONG;
		if (complete)
			return true;
	}
	if (ftp->peer.ended && ftp->peer.attempt.result != ATTEMPT_FAILED)
		peer_fail(&ftp->peer, -EPIPE,
		    "the server closed the connection");
	if (ftp->peer.attempt.result != ATTEMPT_FAILED)
		return false;
	ftp_no_reply(ret, ftp->peer.attempt.err, ftp->peer.attempt.why);
	return true;
}

void
ftp_read(struct ftp *ftp, uint64_t ms, struct ftp_reply *ret)
{
	wait_begin(ftp->wait, ms);
	while (!ftp_take(ftp, ret))
		if (!wait_more(ftp->wait)) {
			ftp_no_reply(ret, -ETIMEDOUT, "no reply in time");
			return;
		}
}
