/*
 * The side for tunnels with --login ssh.
 *
 * A session is over when its control connection has ended.  Then its data
 * connections may still end; when there are none, or some seconds have passed,
 * its ssh is ended.
 */
#include "gateway/front_side.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "gateway/front.h"
#include "tunnel/pair.h"
#include "gateway/ssh_account.h"
#include "limits.h"
#include "tunnel/policy.h"

/* How often it is looked whether sessions that are over can be freed. */
#define FRONT_LOOK_MS 100

struct front_side;

struct front_session {
	LIST_ENTRY(front_session) entry;
	struct front_side *side;
	struct addr client;
	char *host; /* of the FTP server */
	uint16_t port;
	struct front *front;
	struct stream *control;	      /* our end; NULL: closed */
	const struct stream *dialled; /* the other end, to compare */
	struct stream *server;	      /* NULL: none */
	struct ssh_login *login;      /* NULL: none */
	bool up;		      /* it has logged in */
	struct side *far;	      /* of that connection */
	unsigned failures;
	char *user;	   /* of the last login */
	uv_timer_t *timer; /* of a refusal; heap, freed by libuv */
	const char *refusal;
	bool over;
	uint64_t over_at;
};

struct front_side {
	struct side side;
	struct front_side_options options;
	struct log_limit failures;
	uv_timer_t *timer; /* heap, freed by libuv */
	LIST_HEAD(, front_session) sessions;
};

static void
front_on_handle_closed(uv_handle_t *handle)
{
	free(handle);
}

/* On the heap, to be closed with front_on_handle_closed(); or NULL. */
static uv_timer_t *
front_timer_new(uv_loop_t *loop, void *data)
{
	uv_timer_t *timer = malloc(sizeof(*timer));

	if (timer == NULL)
		return NULL;
	uv_timer_init(loop, timer);
	timer->data = data;
	return timer;
}

/* ---- the end of a session ---- */

static void
front_session_free(struct front_session *session)
{
	LIST_REMOVE(session, entry);
	front_free(session->front);
	stream_close(session->control);
	stream_close(session->server);
	side_free(session->far);
	ssh_login_close(session->login);
	uv_close((uv_handle_t *)session->timer, front_on_handle_closed);
	free(session->user);
	free(session->host);
	free(session);
}

/* Does a data connection of it still exist? */
static bool
front_session_is_used(const struct front_session *session)
{
	const struct links *links;

	if (!session->up)
		return false;
	links = ssh_login_links(session->login);
	return (session->far != NULL && !far_side_is_unused(session->far)) ||
	    link_data_streams(links_first(links), true) > 0;
}

static void front_side_on_timer(uv_timer_t *timer);

static void
front_session_be_over(struct front_session *session)
{
	uv_timer_t *timer = session->side->timer;

	if (session->over)
		return;
	session->over = true;
	session->over_at = uv_now(timer->loop);
	uv_timer_stop(session->timer);
	if (session->server != NULL)
		stream_finish(session->server);
	session->server = NULL;
	if (session->control != NULL)
		stream_finish(session->control);
	session->control = NULL;
	uv_timer_start(timer, front_side_on_timer, 0, FRONT_LOOK_MS);
}

/* The other end of the control connection learns why. */
static void
front_session_fail(struct front_session *session, int err, const char *why)
{
	char text[512];

	/* It may point into what is about to be closed. */
	snprintf(text, sizeof(text), "%s", why);
	if (session->control != NULL)
		pair_fail(session->control, err, text);
	session->control = NULL;
	front_session_be_over(session);
}

static void
front_side_on_timer(uv_timer_t *timer)
{
	struct front_side *side = timer->data;
	struct front_session *session, *next;
	uint64_t now = uv_now(timer->loop);
	bool more = false;

	for (session = LIST_FIRST(&side->sessions); session != NULL;
	     session = next) {
		next = LIST_NEXT(session, entry);
		if (!session->over)
			continue;
		more = true;
		if (!front_session_is_used(session))
			front_session_free(session);
		else if (now - session->over_at > LIMIT_SFTP_SETTLE_S * 1000)
			ssh_login_stop(session->login);
	}
	if (!more)
		uv_timer_stop(timer);
}

/* ---- the FTP server ---- */

/* Its greeting follows. */
static void
front_on_server_opened(void *ctx)
{
}

static void
front_on_server_data(void *ctx, const struct iovec *pieces, size_t n)
{
	struct front_session *session = ctx;

	for (size_t i = 0; i < n && !session->over; i++)
		front_server(session->front, pieces[i].iov_base,
		    pieces[i].iov_len);
	if (session->server != NULL && session->control != NULL &&
	    stream_queued(session->control) > LIMIT_HIGH_WATER)
		stream_read_stop(session->server);
}

static void
front_on_server_eof(void *ctx)
{
	front_session_be_over(ctx);
}

/* It cannot be reached, or is lost. */
static void
front_on_server_closed(void *ctx, int err, const char *why)
{
	struct front_session *session = ctx;
	const struct links *links = ssh_login_links(session->login);
	const struct ssh_account_event event = {
		.tunnel = session->side->options.log_name,
		.client = &session->client,
		.user = session->user,
		.why = "the password has expired",
	};

	if (front_is_through(session->front) ||
	    !reason_is_expiry(link_reason(links_first(links)))) {
		front_session_fail(session, err, why);
		return;
	}
	ssh_account_log(&event, &session->side->failures,
	    uv_now(session->side->options.loop));
	front_fail(session->front, ssh_account_reply(SSH_LOGIN_EXPIRED));
}

static void
front_on_dial(void *ctx)
{
	static const struct stream_handler handler = {
		.opened = front_on_server_opened,
		.data = front_on_server_data,
		.eof = front_on_server_eof,
		.closed = front_on_server_closed,
	};
	struct front_session *session = ctx;
	const struct front_side_options *options = &session->side->options;
	const struct side_to to = {
		.host = session->host,
		.port = session->port,
		.use = SIDE_CONTROL,
	};

	session->far =
	    far_side_new(options->loop, ssh_login_links(session->login),
		options->net, ssh_login_directory(session->login), false);
	if (session->far != NULL)
		session->server =
		    side_dial(session->far, &to, &handler, session);
	if (session->server != NULL)
		stream_read_start(session->server);
	else
		front_session_fail(session, -ECONNRESET,
		    "the SSH connection was lost");
}

/* ---- the login ---- */

static void
front_session_log(struct front_session *session, const char *why)
{
	const struct front_side *side = session->side;
	const struct ssh_account_event event = {
		.tunnel = side->options.log_name,
		.client = &session->client,
		.user = session->user,
		.host = side->options.link->destination,
		.why = why,
	};

	ssh_account_log(&event, &session->side->failures,
	    uv_now(side->options.loop));
}

static void
front_session_refuse(struct front_session *session, const char *reply,
    const char *why)
{
	front_session_log(session, why);
	if (reply[0] != '4' && ++session->failures >= LIMIT_LOGIN_FAILURES)
		reply = "421 Too many failed logins.";
	front_login_done(session->front, reply);
}

static void
front_on_ssh_up(void *ctx)
{
	struct front_session *session = ctx;

	session->up = true;
	front_session_log(session, NULL);
	front_login_done(session->front, NULL);
}

static void
front_on_ssh_failed(void *ctx, enum ssh_login_end end, const char *why)
{
	struct front_session *session = ctx;

	ssh_login_close(session->login);
	session->login = NULL;
	front_session_refuse(session, ssh_account_reply(end), why);
}

static void
front_on_refusal(uv_timer_t *timer)
{
	struct front_session *session = timer->data;

	front_session_refuse(session, "530 Login incorrect.", session->refusal);
}

static bool
front_on_login(void *ctx, const struct front_login *login)
{
	static const struct ssh_login_handler handler = {
		.up = front_on_ssh_up,
		.failed = front_on_ssh_failed,
	};
	struct front_session *session = ctx;
	const struct front_side_options *options = &session->side->options;
	const struct ssh_login_request request = {
		.link = options->link,
		.account = &login->account,
		.client = &session->client,
		.password = login->password,
	};

	free(session->user);
	session->user = strdup(login->user);
	if (session->user == NULL)
		return false;
	session->refusal = !login->valid ?
	    SSH_ACCOUNT_INVALID :
	    ssh_account_wrong(options->link, &login->account, login->password);
	if (session->refusal != NULL) {
		uv_timer_start(session->timer, front_on_refusal,
		    LIMIT_LOGIN_DELAY_MS, 0);
		return true;
	}
	session->login =
	    ssh_login_start(options->logins, &request, &handler, session);
	return session->login != NULL;
}

/* ---- the control connection ---- */

static void
front_to_client(void *ctx, const void *bytes, size_t len)
{
	struct front_session *session = ctx;

	/* A dead stream reports that itself. */
	if (session->control != NULL)
		(void)!stream_write(session->control, bytes, len);
}

static void
front_to_server(void *ctx, const void *bytes, size_t len)
{
	struct front_session *session = ctx;

	if (session->server != NULL)
		(void)!stream_write(session->server, bytes, len);
}

static void
front_on_end(void *ctx)
{
	front_session_be_over(ctx);
}

static const struct front_handler front_session_handler = {
	.to_client = front_to_client,
	.to_server = front_to_server,
	.login = front_on_login,
	.dial = front_on_dial,
	.end = front_on_end,
};

static void
front_on_control_data(void *ctx, const struct iovec *pieces, size_t n)
{
	struct front_session *session = ctx;

	for (size_t i = 0; i < n && !session->over; i++)
		front_client(session->front, pieces[i].iov_base,
		    pieces[i].iov_len);
}

static void
front_on_half_closed(uv_timer_t *timer)
{
	front_session_be_over(timer->data);
}

static void
front_on_control_drained(void *ctx)
{
	struct front_session *session = ctx;

	if (session->server != NULL)
		stream_read_start(session->server);
}

/* Replies may still come; then the server ends its direction, too. */
static void
front_on_control_eof(void *ctx)
{
	struct front_session *session = ctx;

	if (session->server == NULL || !front_is_through(session->front)) {
		front_session_be_over(session);
		return;
	}
	stream_shutdown(session->server);
	uv_timer_start(session->timer, front_on_half_closed,
	    LIMIT_HALF_CLOSED_MS, 0);
}

static void
front_on_control_closed(void *ctx, int err, const char *why)
{
	front_session_be_over(ctx);
}

static struct stream *
front_session_new(struct front_side *side, const struct side_to *to,
    const struct stream_handler *handler, void *ctx)
{
	static const struct stream_handler control_handler = {
		.data = front_on_control_data,
		.eof = front_on_control_eof,
		.drained = front_on_control_drained,
		.closed = front_on_control_closed,
	};
	struct front_session *session = calloc(1, sizeof(*session));
	uv_loop_t *loop = side->options.loop;
	struct stream *dialled;

	if (session == NULL)
		return NULL;
	session->side = side;
	session->port = to->port;
	session->host = strdup(to->host);
	session->timer = front_timer_new(loop, session);
	if (session->host == NULL || session->timer == NULL ||
	    pair_new(loop, handler, ctx, &dialled, &session->control) != 0) {
		if (session->timer != NULL)
			uv_close((uv_handle_t *)session->timer,
			    front_on_handle_closed);
		free(session->host);
		free(session);
		return NULL;
	}
	session->dialled = dialled;
	if (to->client != NULL)
		session->client = to->client->addr;
	stream_set_handler(session->control, &control_handler, session);
	stream_read_start(session->control);
	LIST_INSERT_HEAD(&side->sessions, session, entry);
	pair_connect(session->control);
	session->front = front_new(side->options.link->n_login_hosts > 0,
	    &front_session_handler, session);
	if (session->front != NULL)
		return dialled;
	stream_close(dialled);
	front_session_free(session);
	return NULL;
}

/* ---- the side ---- */

static struct stream *
front_side_dial(struct side *base, const struct side_to *to,
    const struct stream_handler *handler, void *ctx)
{
	if (to->use != SIDE_CONTROL)
		return NULL; /* before the login */
	return front_session_new((struct front_side *)base, to, handler, ctx);
}

static struct side_listener *
front_side_listen(struct side *side, const struct side_at *at,
    const struct side_listener_handler *handler, void *ctx)
{
	return NULL; /* before the login */
}

static struct side *
front_side_for_data(struct side *base, const struct stream *control)
{
	struct front_side *side = (struct front_side *)base;
	struct front_session *session;

	LIST_FOREACH (session, &side->sessions, entry)
		if (!session->over && session->dialled == control &&
		    session->far != NULL)
			return session->far;
	return base;
}

static void
front_side_free(struct side *base)
{
	struct front_side *side = (struct front_side *)base;

	while (!LIST_EMPTY(&side->sessions))
		front_session_free(LIST_FIRST(&side->sessions));
	log_limit_end(&side->failures,
	    &(struct log_origin) { .tunnel = side->options.log_name });
	uv_close((uv_handle_t *)side->timer, front_on_handle_closed);
	free(side);
}

struct side *
front_side_new(const struct front_side_options *options)
{
	static const struct side_ops ops = {
		.dial = front_side_dial,
		.listen = front_side_listen,
		.for_data = front_side_for_data,
		.free = front_side_free,
	};
	struct front_side *side = calloc(1, sizeof(*side));

	if (side == NULL)
		return NULL;
	side->timer = front_timer_new(options->loop, side);
	if (side->timer == NULL) {
		free(side);
		return NULL;
	}
	side->side.ops = &ops;
	side->side.name = "the SSH server";
	side->options = *options;
	side->failures.noun = "failed login";
	LIST_INIT(&side->sessions);
	return &side->side;
}
