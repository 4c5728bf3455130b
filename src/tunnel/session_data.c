/*
 * A session's data connections: carries out what the engine wants of them, and
 * tells it what becomes of them.
 */
#include <stdio.h>
#include <string.h>

#include "tunnel/session_priv.h"

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
session_data_free_slot(struct session *session)
{
	struct dataconn **slot;

	for (slot = session->data; slot < session->data + LIMIT_SESSION_DATA;
	     slot++)
		if (*slot == NULL)
			return slot;
	return NULL;
}

void
session_data_tell(struct session *session)
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

uint64_t
session_data_moved(const struct session *session)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < LIMIT_SESSION_DATA; i++)
		if (session->data[i] != NULL)
			sum += dataconn_moved(session->data[i]) +
			    dataconn_number(session->data[i]);
	return sum;
}

uint64_t
session_data_sent(const struct session *session, uint32_t data,
    enum engine_peer peer)
{
	for (size_t i = 0; i < LIMIT_SESSION_DATA; i++)
		if (session->data[i] != NULL &&
		    dataconn_number(session->data[i]) == data)
			return dataconn_sent(session->data[i], peer);
	return 0;
}

const char *
session_data_digest(struct session *session, uint32_t data,
    enum engine_peer peer, char text[DATACONN_DIGEST_MAX])
{
	struct dataconn **slot = data != 0 ? slot_of(session, data) : NULL;

	return slot != NULL ? dataconn_digest(*slot, peer, text) : NULL;
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
	if (dataconn_is_unproven(*slot))
		session_say(session, LOG_LEVEL_VERBOSE, "%s", escaped);
	else if (session_may_warn(session))
		session_say(session, LOG_LEVEL_WARN, "%s", escaped);
}

/* sshd does not say who connects; so there is no more to be said than this. */
static void
note_second(struct session *session, struct engine_data_event *event)
{
	const struct control *server = &session->control[ENGINE_SERVER];

	event->recent =
	    uv_now(session->options->loop) - server->heard_at < LIMIT_SECOND_MS;
	if (!session_may_warn(session))
		return;
	session_say(session, LOG_LEVEL_WARN,
	    "possible theft of a data connection: refused a second connection "
	    "to %s, where one was expected",
	    event->why);
}

static void
session_data_on_idle_end(void *ctx, enum engine_peer peer, bool accepted,
    uint64_t ms)
{
	struct session *session = ctx;

	session_hint_idle(session, peer, "the data connection to", accepted,
	    ms);
}

static void
session_data_on_data_event(void *ctx, const struct engine_data_event *event)
{
	struct session *session = ctx;
	struct engine_data_event with_time = *event;

	log_failed_dial(session, event);
	if (event->type == ENGINE_DATA_TIMEOUT)
		notice_dead_client(session);
	if (event->type == ENGINE_DATA_SECOND)
		note_second(session, &with_time);
	engine_data(session->engine, &with_time);
	session_pump(session);
}

static enum policy_answer
admit(void *ctx, enum engine_peer expected, const struct addr *local,
    const struct addr *peer)
{
	struct session *session = ctx;
	enum policy_answer answer = POLICY_STRANGER;
	char text[ADDR_TEXT_MAX], why[200];

	if (expected == ENGINE_SERVER) {
		/* As the servers demand it of their clients. */
		if (session->server.family == AF_UNSPEC ||
		    peer->family == AF_UNSPEC ||
		    addr_same_ip(&session->server, peer))
			return POLICY_ADMITTED;
		snprintf(why, sizeof(why),
		    "it does not come from the session's server");
	} else {
		answer = policy_admits(session->options->policy,
		    &session->client, local, peer, why, sizeof(why));
	}
	if (answer == POLICY_ADMITTED)
		return answer;
	if (session_may_warn(session))
		session_say(session, LOG_LEVEL_WARN,
		    "refused a data connection from %s: %s",
		    addr_format(peer, text), why);
	return answer;
}

/*
 * Where the listeners toward that peer are; text may hold it.  Of sshd's
 * loopback the one address that is wanted: for "localhost" sshd may get its
 * port in one family only, say so to nobody, and on the other it is somebody
 * else's.
 */
static const char *
session_data_listen_at(const struct session *session, enum engine_peer peer,
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
		.event = session_data_on_data_event,
		.admit = admit,
		.idle_end = session_data_on_idle_end,
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
		.unproven = action->unproven,
		.digests = options->log != NULL,
		.count = options->stats->bytes,
		.announce = options->policy->client_address,
		.ports = options->policy->client_ports,
		.throttle = options->throttle,
		.session_rate = &session->rate,
	};
	struct dataconn **slot = session_data_free_slot(session);

	for (int peer = 0; peer < 2; peer++) {
		data.end[peer].at =
		    session_data_listen_at(session, (enum engine_peer)peer,
			data.end[peer].how.family, at[peer]);
		data.end[peer].from = session->local[peer];
	}
	/* The same peer for both, also where a name has several addresses. */
	if (session->server.family != AF_UNSPEC)
		data.server_host = addr_format_ip(&session->server, server);
	if (slot != NULL)
		*slot = dataconn_open(options->loop, &data, &owner, session);
	if (slot == NULL || *slot == NULL)
		fail_data(session, action);
}

static void
act_on(struct dataconn **slot, const struct engine_action *action)
{
	switch (action->type) {
	case ENGINE_DATA_DIAL:
		dataconn_dial(*slot);
		break;
	case ENGINE_DATA_TIMER:
		dataconn_timer(*slot, action->ms);
		break;
	case ENGINE_DATA_QUIET:
		dataconn_quiet(*slot, action->ms);
		break;
	case ENGINE_DATA_FRAMING:
		dataconn_framing(*slot, action->framing);
		break;
	case ENGINE_DATA_READ_ON:
		dataconn_read_on(*slot, action->peer);
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
	case ENGINE_REPLY_TIMER:
	case ENGINE_LOG:
	case ENGINE_BEGIN:
	case ENGINE_REPORT:
	case ENGINE_LOGIN:
	case ENGINE_CREDIT:
	case ENGINE_DATA_OPEN:
		break;
	}
}

void
session_data_act(struct session *session, const struct engine_action *action)
{
	struct dataconn **slot = slot_of(session, action->data);

	if (action->type == ENGINE_DATA_OPEN)
		open_data(session, action);
	else if (slot != NULL)
		act_on(slot, action);
}
