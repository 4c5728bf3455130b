/*
 * A session: carries the engine's actions out.
 */
#include "tunnel/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "ftp/engine.h"
#include "limits.h"
#include "tunnel/dataconn.h"
#include "tunnel/policy.h"
#include "tunnel/session_log.h"

/* One of the two control connections. */
struct control {
	struct session *session;
	enum engine_peer peer;
	struct stream *stream;
	bool opened;
	bool ended; /* its EOF came */
};

struct session {
	const struct session_options *options;
	unsigned long number;
	session_ended_cb *ended;
	void *ctx;
	struct engine *engine;
	struct control control[2];
	struct dataconn *data[LIMIT_SESSION_DATA];
	struct policy_peer client;
	struct addr local[2]; /* our ends of the control connections, and */
	struct addr server;   /* the server's, where they are known */
	uv_timer_t timer;
	bool over; /* ENGINE_END was carried out */
};

static void pump(struct session *session);

#define say(session, level, ...) \
	log_line((level), (session)->number, __VA_ARGS__)

/* ---- data connections ---- */

static struct dataconn **
slot_of(struct session *session, uint32_t number)
{
	struct dataconn **slot;

	for (slot = session->data; slot < session->data + LIMIT_SESSION_DATA;
	     slot++)
		if (*slot != NULL && dataconn_number(*slot) == number)
			return slot;
	return NULL;
}

static struct dataconn **
free_slot(struct session *session)
{
	struct dataconn **slot;

	for (slot = session->data; slot < session->data + LIMIT_SESSION_DATA;
	     slot++)
		if (*slot == NULL)
			return slot;
	return NULL;
}

/* The engine is about to hear of a control connection: it should know what
 * has gone through the data connections by now. */
static void
tell_moved(struct session *session)
{
	struct engine_data_event event = { .type = ENGINE_DATA_MOVED };
	struct dataconn **slot;

	for (slot = session->data; slot < session->data + LIMIT_SESSION_DATA;
	     slot++) {
		if (*slot == NULL)
			continue;
		event.data = dataconn_number(*slot);
		event.to_client = dataconn_sent(*slot, ENGINE_CLIENT);
		event.to_server = dataconn_sent(*slot, ENGINE_SERVER);
		event.unsent = dataconn_unsent(*slot, ENGINE_SERVER);
		engine_data(session->engine, &event);
	}
}

/* A client that has half-closed and then died shows it only when asked. */
static void
notice_dead_client(struct session *session)
{
	struct control *client = &session->control[ENGINE_CLIENT];

	if (client->stream != NULL && client->ended &&
	    !stream_alive(client->stream))
		engine_lost(session->engine, ENGINE_CLIENT, "reset");
}

/* The client sees only that nobody is there; the cause is for the log. */
static void
log_failed_dial(struct session *session, const struct engine_data_event *event)
{
	struct dataconn **slot = slot_of(session, event->data);
	char escaped[LOG_ESCAPED_MAX];

	if (event->type != ENGINE_DATA_LOST || event->peer != ENGINE_SERVER ||
	    slot == NULL || dataconn_was_up(*slot, ENGINE_SERVER))
		return;
	log_escape(escaped, sizeof(escaped), event->why, strlen(event->why));
	say(session,
	    dataconn_is_ahead(*slot) ? LOG_LEVEL_VERBOSE : LOG_LEVEL_WARN, "%s",
	    escaped);
}

static void
on_data_event(void *ctx, const struct engine_data_event *event)
{
	struct session *session = ctx;

	log_failed_dial(session, event);
	if (event->type == ENGINE_DATA_TIMEOUT)
		notice_dead_client(session);
	engine_data(session->engine, event);
	pump(session);
}

static bool
admit(void *ctx, enum engine_peer expected, const struct addr *local,
    const struct addr *peer)
{
	struct session *session = ctx;
	char text[ADDR_TEXT_MAX], why[200];

	if (expected == ENGINE_SERVER) {
		/* As the servers demand it of their clients. */
		if (session->server.family == AF_UNSPEC ||
		    peer->family == AF_UNSPEC ||
		    addr_same_ip(&session->server, peer))
			return true;
		snprintf(why, sizeof(why),
		    "it does not come from the session's server");
	} else if (policy_admits(&session->client,
		       session->options->policy->any_user, local, peer, why,
		       sizeof(why))) {
		return true;
	}
	say(session, LOG_LEVEL_WARN, "refused a data connection from %s: %s",
	    addr_format(peer, text), why);
	return false;
}

/*
 * Where the listeners toward that peer are; text may hold it.  Of sshd's
 * loopback the one address that is wanted: for "localhost" sshd may get its
 * port in one family only, say so to nobody, and on the other it is somebody
 * else's.
 */
static const char *
listen_at(const struct session *session, enum engine_peer peer,
    sa_family_t family, char text[ADDR_TEXT_MAX])
{
	const struct session_options *options = session->options;
	const char *at =
	    peer == ENGINE_CLIENT ? options->client_at : options->server_at;

	if (at != NULL)
		return at;
	if (session->local[peer].family == AF_UNSPEC)
		return family == AF_INET6 ? "::1" : "127.0.0.1";
	return addr_format_ip(&session->local[peer], text);
}

/* What could not even be begun fails at once. */
static void
fail_data(struct session *session, const struct engine_action *action)
{
	struct engine_data_event failed = {
		.type = ENGINE_DATA_NO_LISTENER,
		.peer = action->client.listens ? ENGINE_CLIENT : ENGINE_SERVER,
		.data = action->data,
		.why = "out of memory",
		.passing = true,
	};

	if (!action->client.listens && !action->server.listens)
		failed.type = ENGINE_DATA_LOST;
	engine_data(session->engine, &failed);
}

static void
open_data(struct session *session, const struct engine_action *action)
{
	static const struct dataconn_owner owner = {
		.event = on_data_event,
		.admit = admit,
	};
	const struct session_options *options = session->options;
	char at[2][ADDR_TEXT_MAX], server[ADDR_TEXT_MAX];
	struct dataconn_options data = {
		.number = action->data,
		.end = {
			[ENGINE_CLIENT] = { .side = options->client_side,
			    .how = action->client },
			[ENGINE_SERVER] = { .side = options->server_side,
			    .how = action->server },
		},
		.server_host = options->server_host,
		.dial_reply = options->policy->server_data_host_reply,
		.ahead = action->ahead,
		.announce = options->policy->client_address,
		.ports = options->policy->client_ports,
	};
	struct dataconn **slot = free_slot(session);

	for (int peer = 0; peer < 2; peer++) {
		data.end[peer].at = listen_at(session, (enum engine_peer)peer,
		    data.end[peer].how.family, at[peer]);
		data.end[peer].from = session->local[peer];
	}
	/* The same peer for both, also where a name has several addresses. */
	if (session->server.family != AF_UNSPEC)
		data.server_host = addr_format_ip(&session->server, server);
	/* Ports of --client-ports are for clients that have asked. */
	if (slot != NULL && !(action->ahead && ports_are_scarce(data.ports)))
		*slot = dataconn_open(options->loop, &data, &owner, session);
	if (slot == NULL || *slot == NULL)
		fail_data(session, action);
}

static void
carry_out_data(struct session *session, const struct engine_action *action)
{
	struct dataconn **slot = slot_of(session, action->data);

	if (slot == NULL)
		return;
	switch (action->type) {
	case ENGINE_DATA_GIVE:
		dataconn_give(*slot);
		break;
	case ENGINE_DATA_DIAL:
		dataconn_dial(*slot);
		break;
	case ENGINE_DATA_TIMER:
		dataconn_timer(*slot, action->ms);
		break;
	case ENGINE_DATA_QUIET:
		dataconn_quiet(*slot, action->ms);
		break;
	case ENGINE_DATA_STOP:
		dataconn_stop(*slot, action->peer);
		break;
	case ENGINE_DATA_START:
		dataconn_start(*slot, action->peer);
		break;
	case ENGINE_DATA_SHUT:
		dataconn_shut(*slot, action->peer);
		break;
	case ENGINE_DATA_DROP:
		dataconn_drop(*slot, action->peer);
		break;
	case ENGINE_DATA_RESET:
		dataconn_reset(*slot, action->peer);
		break;
	case ENGINE_DATA_CLOSE:
		dataconn_close(*slot);
		*slot = NULL;
		break;
	case ENGINE_SEND:
	case ENGINE_SHUT:
	case ENGINE_END:
	case ENGINE_TIMER:
	case ENGINE_LOG:
	case ENGINE_REPORT:
	case ENGINE_DATA_OPEN:
		break;
	}
}

/* ---- actions ---- */

static void
end_session(struct session *session)
{
	struct control *client = &session->control[ENGINE_CLIENT];
	struct control *server = &session->control[ENGINE_SERVER];

	session->over = true;
	if (client->stream != NULL)
		stream_finish(client->stream);
	if (server->stream != NULL && server->opened)
		stream_finish(server->stream);
	else
		stream_close(server->stream);
	client->stream = NULL;
	server->stream = NULL;
}

static void
on_timer(uv_timer_t *timer)
{
	struct session *session = timer->data;

	engine_timer(session->engine);
	pump(session);
}

static void
send_control(struct session *session, const struct engine_action *action)
{
	struct control *to = &session->control[action->peer];

	session_log_transcript(session->number, action);
	if (to->stream == NULL)
		return;
	/* A dead stream says so by closed(); here only memory can fail. */
	if (stream_write(to->stream, action->bytes, action->len) == -ENOMEM)
		engine_stop(session->engine, "Out of memory");
}

static void
carry_out(struct session *session, const struct engine_action *action)
{
	switch (action->type) {
	case ENGINE_SEND:
		send_control(session, action);
		break;
	case ENGINE_SHUT:
		if (session->control[action->peer].stream != NULL)
			stream_shutdown(session->control[action->peer].stream);
		break;
	case ENGINE_END:
		end_session(session);
		break;
	case ENGINE_TIMER:
		uv_timer_start(&session->timer, on_timer, action->ms, 0);
		break;
	case ENGINE_LOG:
		session_log_text(session->number, action);
		break;
	case ENGINE_REPORT:
		session_log_report(session->number, &action->report);
		break;
	case ENGINE_DATA_OPEN:
		open_data(session, action);
		break;
	case ENGINE_DATA_GIVE:
	case ENGINE_DATA_DIAL:
	case ENGINE_DATA_TIMER:
	case ENGINE_DATA_QUIET:
	case ENGINE_DATA_STOP:
	case ENGINE_DATA_START:
	case ENGINE_DATA_SHUT:
	case ENGINE_DATA_DROP:
	case ENGINE_DATA_RESET:
	case ENGINE_DATA_CLOSE:
		carry_out_data(session, action);
		break;
	}
}

static void
on_timer_closed(uv_handle_t *handle)
{
	struct session *session = handle->data;

	engine_free(session->engine);
	free(session);
}

/* Reads a control connection only while what comes has somewhere to go. */
static void
read_or_not(struct session *session, enum engine_peer peer)
{
	struct control *from = &session->control[peer];
	struct control *to =
	    &session->control[peer == ENGINE_CLIENT ? ENGINE_SERVER :
						      ENGINE_CLIENT];

	if (from->stream == NULL || from->ended)
		return;
	if (engine_wants(session->engine, peer) &&
	    (to->stream == NULL ||
		stream_queued(to->stream) <= LIMIT_HIGH_WATER))
		stream_read_start(from->stream);
	else
		stream_read_stop(from->stream);
}

static void
pump(struct session *session)
{
	struct engine_action action;

	if (session->over)
		return;
	while (!session->over && engine_next(session->engine, &action))
		carry_out(session, &action);
	if (!session->over) {
		read_or_not(session, ENGINE_CLIENT);
		read_or_not(session, ENGINE_SERVER);
		return;
	}
	uv_close((uv_handle_t *)&session->timer, on_timer_closed);
	say(session, LOG_LEVEL_VERBOSE, "ended");
	session->ended(session->ctx, session);
}

/* ---- control connections ---- */

static void
on_data(void *ctx, const struct iovec *pieces, size_t n)
{
	struct control *from = ctx;
	struct session *session = from->session;

	tell_moved(session);
	for (size_t i = 0; i < n; i++)
		if (engine_bytes(session->engine, from->peer,
			pieces[i].iov_base, pieces[i].iov_len) != 0)
			engine_stop(session->engine, "Out of memory");
	pump(session);
}

static void
on_eof(void *ctx)
{
	struct control *from = ctx;

	from->ended = true;
	tell_moved(from->session);
	engine_eof(from->session->engine, from->peer);
	pump(from->session);
}

static void
on_drained(void *ctx)
{
	struct control *to = ctx;

	pump(to->session);
}

static void
on_opened(void *ctx)
{
	struct control *server = ctx;
	struct session *session = server->session;

	server->opened = true;
	side_ends(session->options->server_side, server->stream,
	    &session->local[ENGINE_SERVER], &session->server);
	if (session->server.family != AF_UNSPEC)
		engine_server_family(session->engine, session->server.family);
}

/* Why the control connection to the server fails. */
static void
describe_loss(const struct control *server, const char *why, char *text,
    size_t size)
{
	const struct session_options *options = server->session->options;

	if (server->opened)
		snprintf(text, size,
		    "the connection to the FTP server was lost: %s", why);
	else
		snprintf(text, size,
		    "the FTP server %s:%u cannot be reached from %s: %s",
		    options->server_host, options->server_port,
		    side_name(options->server_side), why);
}

static void
on_closed(void *ctx, int err, const char *why)
{
	struct control *control = ctx;
	struct session *session = control->session;
	char text[600], escaped[LOG_ESCAPED_MAX];

	(void)err;
	if (control->peer == ENGINE_SERVER) {
		describe_loss(control, why, text, sizeof(text));
		log_escape(escaped, sizeof(escaped), text, strlen(text));
		say(session, LOG_LEVEL_WARN, "%s", escaped);
	} else {
		snprintf(text, sizeof(text), "%s", why);
		say(session, LOG_LEVEL_VERBOSE, "the client is gone: %s", why);
	}
	stream_close(control->stream);
	control->stream = NULL;
	tell_moved(session);
	engine_lost(session->engine, control->peer, text);
	pump(session);
}

static const struct stream_handler control_handler = {
	.opened = on_opened,
	.data = on_data,
	.eof = on_eof,
	.drained = on_drained,
	.closed = on_closed,
};

/* ---- beginning and end ---- */

/* Certain only when the host is an address. */
static sa_family_t
family_of(const char *host)
{
	struct addr addr;

	return addr_parse_ip(host, &addr) == 0 ? addr.family : AF_UNSPEC;
}

struct session *
session_new(const struct session_options *options, unsigned long number,
    struct stream *client, const struct addr *local, const struct addr *peer,
    session_ended_cb *ended, void *ctx)
{
	struct session *session = calloc(1, sizeof(*session));
	struct engine_config config = {
		.client = *peer,
		.networks = options->networks,
		.n_networks = options->n_networks,
		.server_family = family_of(options->server_host),
		.server_mode = options->policy->server_mode,
		.ignore_port_host = options->policy->client_data_host_control,
		.pass_foreign_port = options->policy->pass_foreign_port,
		.allow_tls = options->policy->allow_tls,
		/* EPSV, in which we ask, names no address. */
		.prefetch = options->policy->prefetch &&
		    !options->policy->server_data_host_reply,
		.upload_apart = options->upload_apart,
		.memory = options->memory,
	};
	struct side_to to = {
		.host = options->server_host,
		.port = options->server_port,
		.use = SIDE_CONTROL,
	};
	char text[ADDR_TEXT_MAX];

	if (session != NULL)
		session->engine = engine_new(&config);
	if (session == NULL || session->engine == NULL) {
		free(session);
		stream_reset(client);
		return NULL;
	}
	session->options = options;
	session->number = number;
	session->ended = ended;
	session->ctx = ctx;
	session->local[ENGINE_CLIENT] = *local;
	policy_learn(local, peer, &session->client);
	uv_timer_init(options->loop, &session->timer);
	session->timer.data = session;
	for (int i = 0; i < 2; i++) {
		session->control[i].session = session;
		session->control[i].peer = (enum engine_peer)i;
	}
	say(session, LOG_LEVEL_VERBOSE, "control connection from %s",
	    peer->family != AF_UNSPEC ? addr_format(peer, text) :
					side_name(options->client_side));
	session->control[ENGINE_CLIENT].stream = client;
	stream_set_handler(client, &control_handler,
	    &session->control[ENGINE_CLIENT]);
	session->control[ENGINE_SERVER].stream = side_dial(options->server_side,
	    &to, &control_handler, &session->control[ENGINE_SERVER]);
	if (session->control[ENGINE_SERVER].stream == NULL)
		engine_lost(session->engine, ENGINE_SERVER,
		    "the SSH connection is down");
	return session;
}

void
session_begin(struct session *session)
{
	pump(session);
}

void
session_stop(struct session *session, const char *why)
{
	tell_moved(session);
	engine_stop(session->engine, why);
	pump(session);
}
