/*
 * A session of the gateway's side: it connects the core (gateway.h) with its
 * streams.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/time.h>

#include "base/buf.h"
#include "base/log.h"
#include "tunnel/pair.h"
#include "gateway/side_priv.h"
#include "limits.h"

/* How often a channel is opened again; see session_channel_eof(). */
#define SESSION_RETRIES 3

/* How long sshd may take to close a channel. */
#define SESSION_CLOSING_MS 5000

/* ---- channels ---- */

static void
session_channel_opened(void *ctx)
{
	struct session_channel *channel = ctx;

	channel->opened = true;
	gateway_channel_up(channel->session->core, channel->number);
}

static void
session_channel_data(void *ctx, const struct iovec *pieces, size_t n)
{
	struct session_channel *channel = ctx;

	gateway_channel_bytes(channel->session->core, channel->number, pieces,
	    n);
	if (channel->session->over)
		gateway_side_stir(channel->session->side);
}

static void
session_channel_lost(struct session_channel *channel, const char *why)
{
	struct gateway_session *session = channel->session;
	char text[512];

	/* It may point into what is about to be closed. */
	snprintf(text, sizeof(text), "%s", why);
	if (channel->number == 0 && session->side->ssh_logins != NULL &&
	    gateway_is_logging_in(session->core)) {
		session_login_examine(&session->login, text);
		return;
	}
	gateway_channel_failed(session->core, channel->number, text);
}

static void session_connect_channel(struct session_channel *channel);
static void session_close_channel(void *ctx, unsigned number);

/* dropbear ends a new session if the program of an older one ends before the
 * request for the subsystem comes.  It may nevertheless start the program then,
 * whose end does the same to the next session: so later tries come later. */
static void
session_channel_eof(void *ctx)
{
	struct session_channel *channel = ctx;

	if (channel->opened || channel->retries >= SESSION_RETRIES) {
		session_channel_lost(channel, "the SFTP server has ended");
		return;
	}
	session_close_channel(channel->session, channel->number);
	channel->waits = channel->retries++ > 0;
	if (!channel->waits)
		session_connect_channel(channel);
}

static void
session_channel_drained(void *ctx)
{
	struct session_channel *channel = ctx;

	gateway_channel_drained(channel->session->core, channel->number);
}

/* sshd permits so many sessions on a connection (MaxSessions): it may be
 * refused for the further channels of uploads, for channels that sshd still has
 * to close, or for the session of ssh/nodelay.h.  So it is opened again later,
 * at least once. */
static bool
session_channel_waits(struct session_channel *channel)
{
	struct gateway_session *session = channel->session;
	struct gateway_side *side = session->side;

	if (channel->number > 0 || channel->opened ||
	    !link_is_up(session->link))
		return false;
	if (!gateway_side_yield(side, session->link) && channel->waited &&
	    (side->closed_at == 0 ||
		uv_now(side->loop) - side->closed_at > SESSION_CLOSING_MS))
		return false;
	session_close_channel(session, channel->number);
	channel->waits = channel->waited = true;
	return true;
}

static void
session_channel_closed(void *ctx, int err, const char *why)
{
	if (!session_channel_waits(ctx))
		session_channel_lost(ctx, why);
}

static const struct stream_handler channel_handler = {
	.opened = session_channel_opened,
	.data = session_channel_data,
	.eof = session_channel_eof,
	.drained = session_channel_drained,
	.closed = session_channel_closed,
};

/* A failure is told by the timer: not from inside a call of the core. */
static void
session_connect_channel(struct session_channel *channel)
{
	struct gateway_session *session = channel->session;

	channel->opened = channel->waits = false;
	if (channel->number == 0)
		session->link = session->side->ssh_logins != NULL ?
		    session_login_link(&session->login) :
		    links_choose(session->side->links);
	channel->stream = session->link != NULL && link_is_up(session->link) ?
	    link_sftp(session->link, &channel_handler, channel) :
	    NULL;
	if (channel->stream != NULL)
		stream_read_start(channel->stream);
	else
		gateway_side_stir(session->side);
}

static void
session_open_channel(void *ctx, unsigned number)
{
	struct gateway_session *session = ctx;
	struct session_channel *channel = &session->channels[number];

	channel->retries = 0;
	channel->waited = false;
	if (number > 0 && gateway_side_waits(session->side, session->link))
		gateway_side_stir(session->side);
	else
		session_connect_channel(channel);
}

static void
session_close_channel(void *ctx, unsigned number)
{
	struct gateway_session *session = ctx;
	struct stream *stream = session->channels[number].stream;

	session->channels[number].waits = false;
	if (stream == NULL)
		return;
	session->channels[number].stream = NULL;
	if (stream_alive(stream)) /* it was not refused */
		session->side->closed_at = uv_now(session->side->loop);
	stream_finish(stream);
}

static int
session_send(void *ctx, unsigned number, const struct iovec *pieces, size_t n)
{
	struct gateway_session *session = ctx;
	struct stream *stream = session->channels[number].stream;

	return stream == NULL ? -EPIPE : stream_writev(stream, pieces, n);
}

static size_t
session_queued(void *ctx, unsigned number)
{
	struct gateway_session *session = ctx;
	struct stream *stream = session->channels[number].stream;

	return stream == NULL ? 0 : stream_queued(stream);
}

static void
session_read_channel(void *ctx, unsigned number, bool on)
{
	struct gateway_session *session = ctx;

	gateway_read_or_not(session->channels[number].stream, on);
}

/* ---- the control connection ---- */

void
session_pass_held(struct gateway_session *session)
{
	uv_timer_stop(session->hold);
	/* A dead stream reports that itself. */
	if (session->control != NULL && buf_len(&session->held) > 0)
		(void)!stream_write(session->control, buf_bytes(&session->held),
		    buf_len(&session->held));
	buf_free(&session->held);
}

static void
session_reply(void *ctx, const void *bytes, size_t len)
{
	struct gateway_session *session = ctx;

	if (session->control == NULL)
		return;
	if (uv_is_active((uv_handle_t *)session->hold) &&
	    buf_append(&session->held, bytes, len) == 0)
		return;
	session_pass_held(session);
	if (!session->greeted) {
		session->greeted = true;
		pair_connect(session->control);
	}
	/* A dead stream reports that itself. */
	(void)!stream_write(session->control, bytes, len);
}

static void
session_be_over(struct gateway_session *session)
{
	session->over = true;
	session->port = 0;
	session_login_cancel(&session->login);
	gateway_side_stir(session->side);
}

static void
session_end(void *ctx)
{
	struct gateway_session *session = ctx;

	session_pass_held(session);
	if (session->control != NULL)
		stream_finish(session->control);
	session->control = NULL;
	session_be_over(session);
}

static void
session_fail(void *ctx, bool was_up, const char *why)
{
	struct gateway_session *session = ctx;

	if (session->control != NULL)
		pair_fail(session->control,
		    was_up ? -ECONNRESET : -ECONNREFUSED, why);
	session->control = NULL;
	session_be_over(session);
}

static void
session_control_data(void *ctx, const struct iovec *pieces, size_t n)
{
	struct gateway_session *session = ctx;

	for (size_t i = 0; i < n; i++)
		gateway_control(session->core, pieces[i].iov_base,
		    pieces[i].iov_len);
}

static void
session_control_eof(void *ctx)
{
	struct gateway_session *session = ctx;

	gateway_control_end(session->core);
}

static void
session_control_closed(void *ctx, int err, const char *why)
{
	struct gateway_session *session = ctx;

	stream_close(session->control);
	session->control = NULL;
	gateway_control_end(session->core);
}

static const struct stream_handler gateway_control_handler = {
	.data = session_control_data,
	.eof = session_control_eof,
	.closed = session_control_closed,
};

/* ---- what else the core needs ---- */

static bool
session_log_in(void *ctx, const char *user, const char *password)
{
	struct gateway_session *session = ctx;

	return session_login_start(&session->login, session->core, user,
	    password);
}

static int64_t
session_now(void *ctx)
{
	struct timeval now;

	gettimeofday(&now, NULL);
	return now.tv_sec * 1000 + now.tv_usec / 1000;
}

static void
session_random(void *ctx, void *bytes, size_t len)
{
	/* Never less for so few bytes (getrandom(2)). */
	(void)!getrandom(bytes, len, 0);
}

static bool
session_claim(void *ctx, const char *path)
{
	struct gateway_session *session = ctx, *other;

	LIST_FOREACH (other, &session->side->sessions, entry)
		if (other != session && other->claimed != NULL &&
		    strcmp(other->claimed, path) == 0)
			return false;
	free(session->claimed);
	session->claimed = strdup(path);
	return session->claimed != NULL;
}

static void
session_release(void *ctx)
{
	struct gateway_session *session = ctx;

	free(session->claimed);
	session->claimed = NULL;
}

static void
session_left_over(void *ctx, const char *path, const char *target)
{
	struct gateway_session *session = ctx;

	cleaner_add(session->side, path, target,
	    session_login_who(&session->login));
}

static void session_log_loss(const struct gateway_session *session,
    const char *format, ...) __attribute__((format(printf, 2, 3)));

static void
session_log_loss(const struct gateway_session *session, const char *format, ...)
{
	const struct log_origin origin = { .tunnel = session->side->log_name };
	char client[ADDR_TEXT_MAX], text[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	log_line(LOG_LEVEL_INFO, &origin, "client %s: %s",
	    addr_format(&session->login.client, client), text);
}

static void
session_paused(void *ctx, const char *why)
{
	const struct gateway_session *session = ctx;

	session_log_loss(session,
	    "waiting for the next SSH connection, for at most %u s (%s)",
	    session->side->config->survive_s, why);
}

static void
session_resumed(void *ctx, unsigned seconds)
{
	struct gateway_session *session = ctx;

	session->losses.n++;
	session->losses.ms += 1000 * (uint64_t)seconds;
	session_log_loss(ctx,
	    "goes on after the loss of the SSH connection, "
	    "%u s",
	    seconds);
}

static void
session_stays(void *ctx, const char *path)
{
	struct gateway_session *session = ctx;

	cleaner_give_up(session->side, path);
}

static const struct gateway_handler core_handler = {
	.reply = session_reply,
	.end = session_end,
	.paused = session_paused,
	.resumed = session_resumed,
	.fail = session_fail,
	.channel_open = session_open_channel,
	.channel_close = session_close_channel,
	.channel_send = session_send,
	.channel_queued = session_queued,
	.channel_read = session_read_channel,
	.data_listen = session_listen,
	.data_send = session_data_send,
	.data_queued = session_data_queued,
	.data_read = session_data_read,
	.data_end = session_data_end,
	.data_reset = session_data_reset,
	.login = session_log_in,
	.now = session_now,
	.random = session_random,
	.claim = session_claim,
	.release = session_release,
	.left_over = session_left_over,
	.stays = session_stays,
};

/* ---- life ---- */

struct stream *
gateway_session_new(struct gateway_side *side, const struct addr *client,
    const struct stream_handler *handler, void *ctx)
{
	struct gateway_session *session = calloc(1, sizeof(*session));
	uv_timer_t *hold = malloc(sizeof(*hold));
	struct stream *dialled;

	if (session == NULL || hold == NULL ||
	    pair_new(side->loop, handler, ctx, &dialled, &session->control) !=
		0) {
		free(session);
		free(hold);
		return NULL;
	}
	if (!session_login_init(&session->login, side, client)) {
		stream_close(dialled);
		stream_close(session->control);
		free(session);
		free(hold);
		return NULL;
	}
	session->dialled = dialled;
	uv_timer_init(side->loop, hold);
	hold->data = session;
	session->hold = hold;
	buf_init(&session->held, LIMIT_GATEWAY_INPUT);
	session->side = side;
	for (unsigned i = 0; i < GATEWAY_CHANNELS; i++) {
		session->channels[i].session = session;
		session->channels[i].number = i;
	}
	stream_set_handler(session->control, &gateway_control_handler, session);
	stream_read_start(session->control);
	LIST_INSERT_HEAD(&side->sessions, session, entry);
	side->n_sessions++;
	session->core = gateway_new(side->config, &core_handler, session);
	if (session->core == NULL) {
		stream_close(dialled);
		gateway_session_free(session);
		return NULL;
	}
	return dialled;
}

static void
session_on_hold_closed(uv_handle_t *handle)
{
	free(handle);
}

void
gateway_session_free(struct gateway_session *session)
{
	LIST_REMOVE(session, entry);
	session->side->n_sessions--;
	/* The core first: it may have something to say. */
	gateway_free(session->core);
	stream_close(session->control);
	stream_close(session->data);
	for (unsigned i = 0; i < GATEWAY_CHANNELS; i++)
		session_close_channel(session, i);
	session_login_end(&session->login);
	uv_close((uv_handle_t *)session->hold, session_on_hold_closed);
	buf_free(&session->held);
	free(session->claimed);
	free(session);
}

void
gateway_session_look(struct gateway_session *session)
{
	for (unsigned i = 0; i < GATEWAY_CHANNELS; i++)
		if (session->channels[i].stream == NULL &&
		    (!session->channels[i].waits || session->over))
			gateway_channel_failed(session->core, i,
			    "the SSH connection is down");
}

void
gateway_session_tick(struct gateway_session *session)
{
	for (unsigned i = 0; i < GATEWAY_CHANNELS; i++)
		if (session->channels[i].waits && !session->over)
			session_connect_channel(&session->channels[i]);
	gateway_tick(session->core);
	session->over_s += session->over;
}

bool
gateway_session_is_over(const struct gateway_session *session)
{
	return session->over &&
	    (session->over_s > LIMIT_SFTP_SETTLE_S ||
		session->channels[0].stream == NULL ||
		gateway_is_settled(session->core));
}

bool
gateway_session_yield(struct gateway_session *session, const struct link *link)
{
	bool any = false;

	if (session->link != link)
		return false;
	for (unsigned i = 1; i < GATEWAY_CHANNELS; i++)
		any |= session->channels[i].stream != NULL;
	if (any)
		gateway_yield(session->core);
	return any;
}

bool
gateway_session_waits(const struct gateway_session *session,
    const struct link *link)
{
	return session->link == link && session->channels[0].waits &&
	    session->channels[0].waited;
}

bool
gateway_session_listens(const struct gateway_session *session, uint16_t port)
{
	return session->port == port;
}

bool
gateway_session_is_paused(const struct gateway_session *session,
    const struct stream *control)
{
	return session->control != NULL && session->dialled == control &&
	    gateway_is_away(session->core);
}

bool
gateway_session_losses(const struct gateway_session *session,
    const struct stream *control, struct side_losses *ret)
{
	if (session->control == NULL || session->dialled != control)
		return false;
	*ret = session->losses;
	return true;
}

struct gateway_session *
gateway_session_next(struct gateway_session *session)
{
	return LIST_NEXT(session, entry);
}
