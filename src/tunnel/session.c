/*
 * A session: its control connections, and the table of the engine's actions.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ssh/link.h"
#include "ssh/reconnect.h"
#include "tunnel/session.h"

bool
session_may_warn(struct session *session)
{
	return log_limit_allows(&session->log.warnings,
	    uv_now(session->options->loop), &session->log.origin);
}

/* ---- idle connections that sshd closes ---- */

/* ChannelTimeout ends both directions of a channel.  A peer that closes its
 * connection ends only one, because sshd notices only at its next write that
 * the peer has gone. */
void
session_hint_idle(struct session *session, enum engine_peer peer,
    const char *what, bool accepted, uint64_t ms)
{
	static const char *const names[] = {
		[ENGINE_CLIENT] = "client",
		[ENGINE_SERVER] = "server",
	};
	const char *hint = side_idle_hint(session->side[peer], accepted);

	if (hint != NULL)
		session_say(session, LOG_LEVEL_WARN,
		    "%s the %s was closed after %.0f s without traffic: %s",
		    what, names[peer], (double)ms / 1000, hint);
}

/* Logs a hint if the client's connection was closed, by the client or by sshd,
 * after a while without traffic. */
static void
note_idle_client(const struct control *client)
{
	if (client->idle_ms >= LIMIT_IDLE_END_MS && client->stream != NULL &&
	    !stream_alive(client->stream))
		session_hint_idle(client->session, ENGINE_CLIENT,
		    "the control connection to", true, client->idle_ms);
}

/*
 * If a far server ends the control connection after a while without traffic, so
 * without a 421 or 221, sshd may have closed an idle channel: both look the
 * same.
 */
static void
note_idle_end(struct control *from)
{
	const struct session *session = from->session;
	uint64_t last = session->began_at;

	for (int peer = 0; peer < 2; peer++)
		if (session->control[peer].heard_at > last)
			last = session->control[peer].heard_at;
	from->idle_ms = uv_now(session->options->loop) - last;
	if (from->peer != ENGINE_SERVER ||
	    session->control[ENGINE_CLIENT].ended ||
	    from->idle_ms < LIMIT_IDLE_END_MS || session->options->remote ||
	    session->target.no_link)
		return;
	session_say(session, LOG_LEVEL_WARN,
	    "the control connection to the server ended after %.0f s without "
	    "traffic: " LINK_IDLE_SETTING "; --keepalive keeps it in use",
	    (double)from->idle_ms / 1000);
}

/* Tells the client how the connection to the server went, if it came in a way
 * that has such an answer.  Only the first call counts. */
static void
session_answer(struct session *session, int err, const char *why)
{
	struct stream *client = session->control[ENGINE_CLIENT].stream;

	if (session->answer == NULL)
		return;
	if (client != NULL)
		session->answer(client, &session->local[ENGINE_CLIENT], err,
		    why);
	session->answer = NULL;
	session->refused = err != 0;
}

/* ---- actions ---- */

static void
end_session(struct session *session, const struct engine_action *action)
{
	struct control *client = &session->control[ENGINE_CLIENT];
	struct control *server = &session->control[ENGINE_SERVER];

	session->over = true;
	note_idle_client(client);
	/* There are data connections only if memory was short. */
	while (!LIST_EMPTY(&session->data))
		dataconn_close(LIST_FIRST(&session->data), NULL);
	if (client->stream != NULL)
		stream_finish(client->stream);
	if (server->stream != NULL && server->opened)
		stream_finish(server->stream);
	else
		stream_close(server->stream);
	client->stream = NULL;
	server->stream = NULL;
	side_free(session->side[ENGINE_CLIENT]);
	session->side[ENGINE_CLIENT] = NULL;
}

static void
send_control(struct session *session, const struct engine_action *action)
{
	struct control *to = &session->control[action->peer];

	/* The session is ended before the server has been reached. */
	if (action->peer == ENGINE_CLIENT)
		session_answer(session, -ECANCELED, "");
	if (action->peer == ENGINE_CLIENT && session->refused)
		return;
	session_log_transcript(session, action);
	if (to->stream == NULL)
		return;
	/* Other errors need no reaction: closed() reports a dead stream. */
	if (stream_write(to->stream, action->bytes, action->len) == -ENOMEM)
		engine_stop(session->engine, "Out of memory");
}

static void
shut_control(struct session *session, const struct engine_action *action)
{
	struct stream *stream = session->control[action->peer].stream;

	if (stream != NULL)
		stream_shutdown(stream);
}

void
session_set_user(struct session *session, const char *user)
{
	if (session->user != NULL && strcmp(session->user, user) == 0)
		return;
	free(session->user);
	session->user = strdup(user);
}

static void
note_login(struct session *session, const struct engine_action *action)
{
	session_set_user(session, (const char *)action->bytes);
	uv_timer_stop(&session->timers[CLOCK_LOGIN]);
	admission_logged_in(session->place);
}

/* Each action of the engine is carried out by the session, or by the data
 * connection that it is about. */
static const struct {
	session_action *by_session;
	dataconn_action *by_data;
} actions[] = {
	[ENGINE_SEND] = { .by_session = send_control },
	[ENGINE_SHUT] = { .by_session = shut_control },
	[ENGINE_END] = { .by_session = end_session },
	[ENGINE_TIMER] = { .by_session = session_set_timer },
	[ENGINE_REPLY_TIMER] = { .by_session = session_set_reply_timer },
	[ENGINE_LOG] = { .by_session = session_log_text },
	[ENGINE_BEGIN] = { .by_session = transfer_begin },
	[ENGINE_REPORT] = { .by_session = transfer_report },
	[ENGINE_LOGIN] = { .by_session = note_login },
	[ENGINE_CREDIT] = { .by_session = session_grant_lines },
	[ENGINE_DATA_OPEN] = { .by_session = dataconn_open },
	[ENGINE_DATA_DIAL] = { .by_data = dataconn_dial },
	[ENGINE_DATA_TIMER] = { .by_data = dataconn_timer },
	[ENGINE_DATA_QUIET] = { .by_data = dataconn_quiet },
	[ENGINE_DATA_FRAMING] = { .by_data = dataconn_framing },
	[ENGINE_DATA_READ_ON] = { .by_data = dataconn_read_on },
	[ENGINE_DATA_ENDING] = { .by_data = dataconn_ending },
	[ENGINE_DATA_SHUT] = { .by_data = dataconn_shut },
	[ENGINE_DATA_DROP] = { .by_data = dataconn_drop },
	[ENGINE_DATA_RESET] = { .by_data = dataconn_reset },
	[ENGINE_DATA_CLOSE] = { .by_data = dataconn_close },
};

static void
carry_out(struct session *session, const struct engine_action *action)
{
	struct dataconn *conn;

	if (actions[action->type].by_session != NULL) {
		actions[action->type].by_session(session, action);
		return;
	}
	conn = dataconn_find(session, action->data);
	if (conn != NULL)
		actions[action->type].by_data(conn, action);
}

/* Reads a control connection only while the engine and the other control
 * connection take more. */
static void
session_read_or_not(struct session *session, enum engine_peer peer)
{
	struct control *from = &session->control[peer];
	struct control *to =
	    &session->control[peer == ENGINE_CLIENT ? ENGINE_SERVER :
						      ENGINE_CLIENT];

	if (from->stream == NULL || from->ended)
		return;
	from->unread = !engine_wants(session->engine, peer) ||
	    (to->stream != NULL &&
		stream_queued(to->stream) > LIMIT_HIGH_WATER);
	if (from->unread)
		stream_read_stop(from->stream);
	else
		stream_read_start(from->stream);
}

void
session_pump(struct session *session)
{
	struct engine_action action;

	if (session->over)
		return;
	while (!session->over && engine_next(session->engine, &action))
		carry_out(session, &action);
	if (!session->over) {
		session_read_or_not(session, ENGINE_CLIENT);
		session_read_or_not(session, ENGINE_SERVER);
		session_client_watch(session);
		return;
	}
	transfer_forget(&session->elsewhere);
	free(session->user);
	session->user = NULL;
	session_clock_close(session);
	log_limit_end(&session->log.warnings, &session->log.origin);
	session_say(session, LOG_LEVEL_VERBOSE, "ended");
	LIST_REMOVE(session, link);
	admission_leave(session->place);
	if (!session->target.no_link)
		reconnect_release(session->options->reconnect);
}

/* ---- control connections ---- */

static void
session_on_data(void *ctx, const struct iovec *pieces, size_t n)
{
	struct control *from = ctx;
	struct session *session = from->session;

	from->heard = true;
	from->heard_at = uv_now(session->options->loop);
	if (session->options->policy->keepalive_ms > 0)
		uv_timer_again(&session->timers[CLOCK_IDLE]);
	if (session->target.idle_ms > 0 && from->peer == ENGINE_CLIENT)
		uv_timer_again(&session->timers[CLOCK_UNUSED]);
	dataconn_tell_counts(session);
	for (size_t i = 0; i < n; i++)
		if (engine_bytes(session->engine, from->peer,
			pieces[i].iov_base, pieces[i].iov_len) != 0)
			engine_stop(session->engine, "Out of memory");
	session_pump(session);
}

static void
session_on_eof(void *ctx)
{
	struct control *from = ctx;

	from->ended = true;
	note_idle_end(from);
	dataconn_tell_counts(from->session);
	engine_eof(from->session->engine, from->peer);
	session_pump(from->session);
}

static void
session_on_drained(void *ctx)
{
	struct control *to = ctx;

	session_pump(to->session);
}

static void
session_on_opened(void *ctx)
{
	struct control *server = ctx;
	struct session *session = server->session;

	server->opened = true;
	session_answer(session, 0, "");
	session_clock_set(session, CLOCK_GREETING, LIMIT_GREETING_MS, 0);
	side_ends(session->side[ENGINE_SERVER], server->stream,
	    &session->local[ENGINE_SERVER], &session->server);
	if (session->server.family != AF_UNSPEC)
		engine_server_family(session->engine, session->server.family);
}

/* Why the control connection to the server was lost, or cannot be made. */
static void
describe_loss(const struct control *server, int err, const char *why,
    char *text, size_t size)
{
	const struct session *session = server->session;
	const struct target *target = &session->target;

	/* The gateway may greet before it uses the SFTP server. */
	if (server->opened && err != -ECONNREFUSED)
		snprintf(text, size,
		    "the connection to the %s server was lost: %s",
		    target->sftp ? "SFTP" : "FTP", why);
	else if (target->sftp)
		snprintf(text, size, "the SFTP server cannot be used: %s", why);
	else
		snprintf(text, size,
		    "the FTP server %s:%u cannot be reached from %s: %s",
		    target->host, target->port,
		    session->side[ENGINE_SERVER]->name, why);
}

/* Closes the control connection, and tells the engine why. */
static void
lose_control(struct control *control, const char *why)
{
	struct session *session = control->session;

	if (control->peer == ENGINE_CLIENT)
		note_idle_client(control);
	stream_close(control->stream);
	control->stream = NULL;
	control->lost = true;
	dataconn_tell_counts(session);
	engine_lost(session->engine, control->peer, why);
	session_pump(session);
}

void
session_client_lost(struct session *session, const char *why)
{
	session_say(session, LOG_LEVEL_VERBOSE, "the client is gone: %s", why);
	lose_control(&session->control[ENGINE_CLIENT], why);
}

static void
session_on_closed(void *ctx, int err, const char *why)
{
	struct control *control = ctx;
	struct session *session = control->session;
	char text[600], escaped[LOG_ESCAPED_MAX];

	/* The engine already has the EOF, and need not know that the peer does
	 * not read any more. */
	if (err == -ESHUTDOWN) {
		stream_close(control->stream);
		control->stream = NULL;
		return;
	}
	if (control->peer == ENGINE_CLIENT) {
		snprintf(text, sizeof(text), "%s", why);
		session_client_lost(session, text);
		return;
	}
	session_answer(session, err, why);
	describe_loss(control, err, why, text, sizeof(text));
	log_escape(escaped, sizeof(escaped), text, strlen(text));
	session_say(session, LOG_LEVEL_WARN, "%s", escaped);
	lose_control(control, text);
}

static const struct stream_handler control_handler = {
	.opened = session_on_opened,
	.data = session_on_data,
	.eof = session_on_eof,
	.drained = session_on_drained,
	.closed = session_on_closed,
};

/* ---- beginning and end ---- */

/* The family of an address; AF_UNSPEC for a name. */
static sa_family_t
session_family_of(const char *host)
{
	struct addr addr;

	return addr_parse_ip(host, &addr) == 0 ? addr.family : AF_UNSPEC;
}

static struct engine_config
engine_config_of(struct session *session, const struct arrival *arrival)
{
	struct tunnel *tunnel = session->tunnel;
	const struct tunnel_options *options = &tunnel->options;
	const struct target *target = &session->target;
	const struct policy *policy = options->policy;

	return (struct engine_config) {
		.client = arrival->peer,
		.networks = tunnel->networks,
		.n_networks = tunnel->n_networks,
		.server_host = target->host,
		.server_port = target->port,
		.server_family = session_family_of(target->host),
		.server_mode =
		    target->sftp ? ENGINE_PASSIVE : policy->server_mode,
		.ignore_port_host = policy->client_data_host_control ||
		    session->side[ENGINE_CLIENT]->has_own_ports,
		.pass_foreign_port = policy->pass_foreign_port,
		.allow_tls = policy->allow_tls,
		.upload_apart = policy->many_links && !options->remote &&
		    !target->sftp && !target->no_link,
		.stores_whole = target->sftp_whole,
		.looks_up =
		    !policy->any_user && addr_is_loopback(&arrival->peer),
		.max_lines = policy->max_lines,
		.max_data = policy->max_data,
		.policy = &policy->commands,
		.greeted = arrival->said != NULL,
		/* Another server may refuse other variants. */
		.memory = arrival->target != NULL ? NULL : &tunnel->memory,
	};
}

static void
open_controls(struct session *session, struct stream *stream)
{
	const struct side_to to = {
		.host = session->target.host,
		.port = session->target.port,
		.use = SIDE_CONTROL,
		.client = &session->client,
	};
	struct control *client = &session->control[ENGINE_CLIENT];
	struct control *server = &session->control[ENGINE_SERVER];

	client->session = server->session = session;
	client->peer = ENGINE_CLIENT;
	client->stream = stream;
	stream_set_handler(stream, &control_handler, client);
	server->peer = ENGINE_SERVER;
	server->stream = side_dial(session->side[ENGINE_SERVER], &to,
	    &control_handler, server);
	if (server->stream == NULL) {
		session_answer(session, -ENETDOWN, "");
		engine_lost(session->engine, ENGINE_SERVER,
		    "the SSH connection is down");
	}
}

/* The client knows the server by its own target, or by the address that it has
 * connected to, even if the gateway takes the server's place. */
static void
note_choice(struct session *session, const struct arrival *arrival)
{
	const struct target *target = arrival->target;
	bool bracket;

	if (target == NULL)
		return;
	if (arrival->known_as.family != AF_UNSPEC) {
		addr_format(&arrival->known_as, session->chosen);
		return;
	}
	/* Then the target is not what the client has named. */
	if (target->sftp)
		return;
	bracket = strchr(target->host, ':') != NULL;
	snprintf(session->chosen, sizeof(session->chosen), "%s%s%s:%u",
	    bracket ? "[" : "", target->host, bracket ? "]" : "", target->port);
}

/* Makes the session and its engine.  NULL: out of memory. */
static struct session *
session_new(struct tunnel *tunnel, const struct arrival *arrival)
{
	const struct tunnel_options *options = &tunnel->options;
	struct session *session = calloc(1, sizeof(*session));
	struct engine_config config;

	if (session == NULL)
		return NULL;
	session->tunnel = tunnel;
	session->options = options;
	session->target =
	    arrival->target != NULL ? *arrival->target : options->target;
	session->side[ENGINE_CLIENT] =
	    arrival->side != NULL ? arrival->side : options->side;
	session->side[ENGINE_SERVER] = session->target.side;
	session->listen_at[ENGINE_CLIENT] = tunnel->listen_at;
	session->listen_at[ENGINE_SERVER] = session->target.listen_at;
	session->known_as = arrival->known_as;
	note_choice(session, arrival);
	session->foreign = arrival->foreign;
	config = engine_config_of(session, arrival);
	session->engine = engine_new(&config);
	if (session->engine == NULL ||
	    (arrival->said != NULL &&
		engine_bytes(session->engine, ENGINE_CLIENT, arrival->said,
		    arrival->said_len) != 0)) {
		engine_free(session->engine);
		free(session);
		return NULL;
	}
	side_keep(session->side[ENGINE_CLIENT]);
	session->ports =
	    ports_keep(arrival->ports != NULL ? arrival->ports :
						options->policy->client_ports);
	return session;
}

bool
session_begin(struct tunnel *tunnel, const struct arrival *arrival)
{
	const struct tunnel_options *options = &tunnel->options;
	const struct addr *peer = &arrival->peer;
	struct session *session = session_new(tunnel, arrival);
	char text[ADDR_TEXT_MAX];

	if (session == NULL) {
		stream_reset(arrival->stream);
		admission_leave(arrival->place);
		return false;
	}
	session->log.origin = (struct log_origin) {
		.tunnel = options->name,
		.session = ++options->count->last_number,
		.peer = session->log.peer_text,
	};
	snprintf(session->log.peer_text, sizeof(session->log.peer_text), "%s",
	    peer->family != AF_UNSPEC ? addr_format(peer, text) :
					session->side[ENGINE_CLIENT]->name);
	session->place = arrival->place;
	session->answer = arrival->answer;
	LIST_INIT(&session->data);
	session->began_at = uv_now(options->loop);
	session->local[ENGINE_CLIENT] = arrival->local;
	policy_learn(options->policy, &arrival->local, peer, &session->client);
	rate_init(&session->rate, options->policy->session_rate,
	    uv_now(options->loop));
	session_clock_open(session);
	session_say(session, LOG_LEVEL_VERBOSE,
	    "control connection from %s%s%s", session->log.peer_text,
	    session->chosen[0] != '\0' ? ", to " : "", session->chosen);
	open_controls(session, arrival->stream);
	LIST_INSERT_HEAD(&tunnel->sessions, session, link);
	tunnel->stats.sessions++;
	if (!session->target.no_link)
		reconnect_hold(options->reconnect);
	session_pump(session);
	return true;
}

void
session_stop(struct session *session, const char *why)
{
	dataconn_tell_counts(session);
	engine_stop(session->engine, why);
	session_pump(session);
}
