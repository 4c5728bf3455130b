/*
 * One listing.
 *
 *	passive	ASKING -- 227 --> CONNECTING -- it stands --> LISTING
 *	active	LISTENING -- it does --> ASKING -- 200 -----> LISTING
 *
 * LISTING ends when both the final reply and the end of the data have come, in
 * either order.
 */
#include "check/trial.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/stream.h"
#include "ftp/hostport.h"
#include "limits.h"

struct trial {
	struct trial_options options;
	trial_cb *done; /* NULL once it has been called */
	void *ctx;
	uv_timer_t timer;
	struct side_listener *listener;
	struct stream *data;
	bool stands;	/* the data connection has been established */
	bool ended;	/* ... and has ended cleanly */
	bool listing;	/* LIST was sent */
	uint64_t began; /* ... at that time, ms */
	unsigned begun; /* preliminary replies (1yz) to it */
	bool final;	/* the final reply has come */
	struct trial_outcome outcome;
};

static bool
trial_is_active(const struct trial *trial)
{
	return trial->options.verb == VERB_PORT ||
	    trial->options.verb == VERB_EPRT;
}

static void
trial_finish(struct trial *trial, enum trial_result result)
{
	trial_cb *done = trial->done;

	uv_timer_stop(&trial->timer);
	if (done == NULL)
		return;
	trial->outcome.result = result;
	trial->done = NULL;
	stream_close(trial->data);
	trial->data = NULL;
	side_listener_close(trial->listener, false);
	trial->listener = NULL;
	done(trial->ctx, &trial->outcome);
}

static void
finish_why(struct trial *trial, enum trial_result result, const char *why)
{
	log_escape(trial->outcome.why, FACT_MAX, why, strlen(why));
	trial_finish(trial, result);
}

/* ---- the listing ---- */

/* Stores it.  False: there is none, and the trial has ended. */
static bool
keep_reply(struct trial *trial, const struct ftp_reply *reply)
{
	if (reply->code == 0) {
		/* Some servers try to connect for more than a minute. */
		trial->outcome.hangs = trial->listing &&
		    trial_is_active(trial) && !trial->stands &&
		    reply->err == -ETIMEDOUT;
		if (trial->outcome.hangs)
			fact_text(trial->outcome.reply, "%s", reply->text);
		finish_why(trial,
		    trial->outcome.hangs ? TRIAL_NOT_COME : TRIAL_LOST,
		    reply->text);
		return false;
	}
	trial->outcome.code = reply->code;
	fact_text(trial->outcome.reply, "%s", reply->text);
	return true;
}

/* Is the reply to LIST about the data connection? */
static bool
is_about_data(const struct trial *trial)
{
	return trial->begun > 0 || trial->outcome.code == 425 ||
	    trial->outcome.code == 426;
}

/* Ends the trial if the final reply is there and the data have ended, or will
 * not end. */
static void
look(struct trial *trial)
{
	bool good = trial->outcome.code >= 200 && trial->outcome.code < 300;
	bool waits = uv_is_active((uv_handle_t *)&trial->timer) != 0;

	if (!trial->final)
		return;
	if (!good && !trial->stands)
		trial_finish(trial,
		    is_about_data(trial) ? TRIAL_NOT_COME : TRIAL_UNSEEN);
	else if (!good && trial->begun == 0)
		trial_finish(trial, TRIAL_LIST_REFUSED);
	else if (trial->ended)
		trial_finish(trial, good ? TRIAL_OK : TRIAL_CUT);
	else if (!waits && !good)
		trial_finish(trial, TRIAL_CUT);
	else if (!waits)
		finish_why(trial, trial->stands ? TRIAL_CUT : TRIAL_NOT_COME,
		    "the data connection does not end");
}

static void
trial_on_late(uv_timer_t *timer)
{
	look(timer->data);
}

static void
on_listed(void *ctx, const struct ftp_reply *reply)
{
	struct trial *trial = ctx;

	if (!keep_reply(trial, reply))
		return;
	if (reply->code < 200 && ++trial->begun < LIMIT_CHECK_PRELIMINARY) {
		ftp_wait(trial->options.ftp, on_listed, trial);
		return;
	}
	trial->final = true;
	/* The data may come a little later. */
	uv_timer_start(&trial->timer, trial_on_late,
	    trial->options.timeouts->connect, 0);
	look(trial);
}

static void
list(struct trial *trial)
{
	trial->listing = true;
	trial->began = uv_now(trial->options.loop);
	ftp_send(trial->options.ftp, on_listed, trial, "LIST");
}

/* ---- the data connection ---- */

static void
trial_on_opened(void *ctx)
{
	struct trial *trial = ctx;

	uv_timer_stop(&trial->timer);
	trial->stands = true;
	stream_read_start(trial->data);
	list(trial);
}

static void
trial_on_data(void *ctx, const struct iovec *pieces, size_t n)
{
	struct trial *trial = ctx;

	trial->outcome.bytes += stream_len(pieces, n);
	if (uv_now(trial->options.loop) - trial->began >
	    trial->options.timeouts->listing)
		return;
	if (trial->final)
		uv_timer_start(&trial->timer, trial_on_late,
		    trial->options.timeouts->connect, 0);
	else
		ftp_more_time(trial->options.ftp);
}

static void
trial_on_eof(void *ctx)
{
	struct trial *trial = ctx;

	trial->ended = true;
	stream_shutdown(trial->data);
	look(trial);
}

static void
trial_on_drained(void *ctx)
{
	(void)ctx;
}

static void
trial_on_closed(void *ctx, int err, const char *why)
{
	struct trial *trial = ctx;

	/* Both directions have ended. */
	if (err == -ESHUTDOWN) {
		stream_close(trial->data);
		trial->data = NULL;
		return;
	}
	if (trial->stands)
		finish_why(trial, TRIAL_CUT, why);
	else
		finish_why(trial,
		    err == -EACCES ? TRIAL_FORBIDDEN : TRIAL_CONNECT_FAILED,
		    why);
}

static const struct stream_handler data_handler = {
	.opened = trial_on_opened,
	.data = trial_on_data,
	.eof = trial_on_eof,
	.drained = trial_on_drained,
	.closed = trial_on_closed,
};

/* ---- passive ---- */

static void
trial_on_connect_late(uv_timer_t *timer)
{
	finish_why(timer->data, TRIAL_CONNECT_FAILED, "no answer in time");
}

static void
trial_connect(struct trial *trial)
{
	const struct trial_options *options = &trial->options;
	char host[ADDR_TEXT_MAX];
	struct side_to to = {
		.host = options->host,
		.port = trial->outcome.port,
		.from =
		    options->from.family != AF_UNSPEC ? &options->from : NULL,
		.use = SIDE_DATA,
	};

	if (to.host == NULL)
		to.host = addr_format_ip(&trial->outcome.announced, host);
	uv_timer_start(&trial->timer, trial_on_connect_late,
	    trial->options.timeouts->connect, 0);
	trial->data = side_dial(options->side, &to, &data_handler, trial);
	if (trial->data == NULL)
		finish_why(trial, TRIAL_CONNECT_FAILED,
		    "the connection could not be started");
}

/* Finds the host-port in any line of the reply. */
static bool
find_hostport(const struct ftp_reply *reply, struct hostport *ret)
{
	const char *line = reply->lines, *end = line + reply->len;

	while (line < end) {
		const char *lf = memchr(line, '\n', (size_t)(end - line));
		size_t len = (size_t)((lf != NULL ? lf : end) - line);

		if (hostport_parse_reply(reply->code, (const uint8_t *)line,
			len, ret) == 0)
			return true;
		line += len + 1;
	}
	return false;
}

static void
on_passive(void *ctx, const struct ftp_reply *reply)
{
	struct trial *trial = ctx;
	struct hostport found;

	if (!keep_reply(trial, reply))
		return;
	if (reply->code < 200 || reply->code > 299) {
		trial_finish(trial, TRIAL_REFUSED);
		return;
	}
	if (!find_hostport(reply, &found)) {
		trial_finish(trial, TRIAL_NO_PORT);
		return;
	}
	trial->outcome.announced = found.addr;
	trial->outcome.port = found.addr.port;
	trial_connect(trial);
}

/* ---- active ---- */

static void
on_active(void *ctx, const struct ftp_reply *reply)
{
	struct trial *trial = ctx;

	if (!keep_reply(trial, reply))
		return;
	if (reply->code < 200 || reply->code > 299)
		trial_finish(trial,
		    reply->code == 425 ? TRIAL_NOT_COME : TRIAL_REFUSED);
	else
		list(trial);
}

static void
trial_on_listening(void *ctx, const struct addr *v4, const struct addr *v6)
{
	struct trial *trial = ctx;
	const struct addr *at = trial->options.family == AF_INET ? v4 : v6;
	char argument[HOSTPORT_TEXT_MAX];

	trial->outcome.announced = *at;
	trial->outcome.port = at->port;
	uv_timer_stop(&trial->timer);
	if (at->family == AF_UNSPEC ||
	    hostport_format_command(trial->options.verb, at, argument) != 0) {
		finish_why(trial, TRIAL_NO_LISTENER,
		    "sshd does not listen on that address family");
		return;
	}
	ftp_send(trial->options.ftp, on_active, trial, "%s %s",
	    verb_name(trial->options.verb), argument);
}

static bool
trial_on_accepted(void *ctx, struct stream *stream, const struct addr *local,
    const struct addr *peer)
{
	struct trial *trial = ctx;

	(void)local;
	(void)peer;
	if (trial->data != NULL || trial->done == NULL) {
		stream_reset(stream);
		return false;
	}
	trial->data = stream;
	trial->stands = true;
	stream_set_handler(stream, &data_handler, trial);
	stream_read_start(stream);
	return true;
}

static void
trial_on_second(void *ctx, const char *place)
{
	(void)ctx;
	(void)place;
}

static void
trial_on_failed(void *ctx, int err, const char *why)
{
	struct trial *trial = ctx;

	trial->outcome.err = err;
	finish_why(trial, TRIAL_NO_LISTENER, why);
}

static void
on_listen_late(uv_timer_t *timer)
{
	struct trial *trial = timer->data;

	trial->outcome.err = -ETIMEDOUT;
	finish_why(trial, TRIAL_NO_LISTENER, "no answer in time");
}

/* False: out of memory. */
static bool
listen_active(struct trial *trial)
{
	static const struct side_listener_handler handler = {
		.listening = trial_on_listening,
		.accepted = trial_on_accepted,
		.second = trial_on_second,
		.failed = trial_on_failed,
	};
	const struct side_at at = { .host = trial->options.at };

	uv_timer_start(&trial->timer, on_listen_late,
	    trial->options.timeouts->sshd, 0);
	trial->listener =
	    side_listen(trial->options.side, &at, &handler, trial);
	return trial->listener != NULL;
}

/* ---- trial.h ---- */

static void
trial_on_freed(uv_handle_t *handle)
{
	free(handle->data);
}

void
trial_free(struct trial *trial)
{
	if (trial == NULL)
		return;
	trial->done = NULL;
	stream_close(trial->data);
	side_listener_close(trial->listener, false);
	uv_close((uv_handle_t *)&trial->timer, trial_on_freed);
}

struct trial *
trial_start(const struct trial_options *options, trial_cb *done, void *ctx)
{
	struct trial *trial = calloc(1, sizeof(*trial));

	if (trial == NULL)
		return NULL;
	trial->options = *options;
	trial->done = done;
	trial->ctx = ctx;
	uv_timer_init(options->loop, &trial->timer);
	trial->timer.data = trial;
	if (!trial_is_active(trial)) {
		ftp_send(options->ftp, on_passive, trial, "%s",
		    verb_name(options->verb));
		return trial;
	}
	if (listen_active(trial))
		return trial;
	trial_free(trial);
	return NULL;
}
