/*
 * The connections of SOCKS clients, from the first byte until a session has
 * them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "capture/socks_priv.h"
#include "limits.h"

/* RFC 959 section 8. */
#define FTP_PORT 21

/* ---- their end ---- */

static void
socks_client_on_freed(uv_handle_t *handle)
{
	free(handle->data);
}

/* Frees the client, but not its stream, which is returned. */
static struct stream *
socks_client_free(struct socks_client *client)
{
	struct socks_hub *hub = client->side->hub;

	LIST_REMOVE(client, entry);
	hub->n_clients--;
	if (client->bound != 0)
		ports_give(hub->ports, client->bound);
	uv_close((uv_handle_t *)&client->timer, socks_client_on_freed);
	return client->stream;
}

/* Closes the connection after what was sent, or, if many are being closed, at
 * once. */
static void
socks_client_close(struct socks_client *client)
{
	struct net *net = client->side->hub->net;

	if (net_finishing(net) < LIMIT_TURNED_AWAY)
		stream_finish(socks_client_free(client));
	else
		stream_reset(socks_client_free(client));
}

void
socks_clients_drop(struct socks_hub *hub, const struct socks_side *side)
{
	struct socks_client *client = LIST_FIRST(&hub->clients), *next;

	for (; client != NULL; client = next) {
		next = LIST_NEXT(client, entry);
		if (side == NULL || client->side == side)
			stream_reset(socks_client_free(client));
	}
}

static void
socks_side_log_refusal(struct socks_side *side, const struct addr *peer,
    const char *what, const char *why)
{
	char text[ADDR_TEXT_MAX];
	const struct log_origin origin = {
		.tunnel = side->config.log_name,
		.peer = addr_format(peer, text),
	};

	if (log_limit_allows(&side->refusals, uv_now(side->hub->loop), &origin))
		log_line(LOG_LEVEL_WARN, &origin,
		    "refused a SOCKS client from %s: %s%s", text, what, why);
}

/* ---- replies ---- */

static int
socks_client_reply(struct socks_client *client, enum socks_code code,
    const struct addr *at)
{
	uint8_t reply[SOCKS_REPLY_MAX];

	return stream_write(client->stream, reply,
	    socks_reply(&client->socks, code, at, reply));
}

/* Refuses the request, and closes the connection.  why is for the log. */
static void
socks_client_refuse(struct socks_client *client, enum socks_code code,
    const char *why)
{
	static const struct addr none = { .family = AF_UNSPEC };
	const struct socks_request *request = &client->socks.request;
	char what[SOCKS_HOST_MAX + 40];

	snprintf(what, sizeof(what), "%s to %s port %u: ",
	    request->command == SOCKS_BIND ? "BIND" : "CONNECT", request->host,
	    request->port);
	socks_side_log_refusal(client->side, &client->peer, what, why);
	/* If it cannot be told, the end of the connection tells it. */
	(void)!socks_client_reply(client, code, &none);
	socks_client_close(client);
}

/* What sshd or the kernel says, as a reply. */
static enum socks_code
socks_code_of(int err, const char *why)
{
	static const struct {
		const char *words;
		enum socks_code code;
	} words[] = {
		{ "Connection refused", SOCKS_REFUSED },
		{ "No route to host", SOCKS_HOST_UNREACHABLE },
		{ "timed out", SOCKS_HOST_UNREACHABLE },
		{ "not known", SOCKS_HOST_UNREACHABLE },
		{ "unknown host", SOCKS_HOST_UNREACHABLE },
		{ "name resolution", SOCKS_HOST_UNREACHABLE },
		{ "No address associated", SOCKS_HOST_UNREACHABLE },
		{ "Network is unreachable", SOCKS_NET_UNREACHABLE },
	};

	if (err == 0)
		return SOCKS_GRANTED;
	if (err == -EACCES || err == -EPERM)
		return SOCKS_NOT_ALLOWED;
	if (err == -ENETDOWN)
		return SOCKS_NET_UNREACHABLE;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strstr(why, words[i].words) != NULL)
			return words[i].code;
	return SOCKS_FAILURE;
}

static void
socks_answer(uint8_t version, struct stream *stream, const struct addr *local,
    int err, const char *why)
{
	const struct socks socks = { .version = version };
	const struct addr none = { .family = AF_UNSPEC };
	uint8_t reply[SOCKS_REPLY_MAX];
	size_t len = socks_reply(&socks, socks_code_of(err, why),
	    err == 0 ? local : &none, reply);

	/* A dead stream reports that itself. */
	(void)!stream_write(stream, reply, len);
}

static void
socks_answer4(struct stream *stream, const struct addr *local, int err,
    const char *why)
{
	socks_answer(4, stream, local, err, why);
}

static void
socks_answer5(struct stream *stream, const struct addr *local, int err,
    const char *why)
{
	socks_answer(5, stream, local, err, why);
}

/* ---- CONNECT ---- */

/* For a data connection in passive mode. */
static void
socks_connect_data(struct socks_client *client, struct socks_listener *listener)
{
	const struct addr local = client->local, peer = client->peer;
	char why[200];

	if (policy_admits(client->side->config.policy, &listener->client,
		&local, &peer, why, sizeof(why)) != POLICY_ADMITTED) {
		socks_client_refuse(client, SOCKS_NOT_ALLOWED, why);
		return;
	}
	if (listener->taken) {
		socks_client_refuse(client, SOCKS_REFUSED,
		    "the data connection to that port was made already");
		return;
	}
	if (socks_client_reply(client, SOCKS_GRANTED, &local) != 0) {
		stream_reset(socks_client_free(client));
		return;
	}
	socks_listener_take(listener, socks_client_free(client), &local, &peer);
}

/* For a control connection: the reply comes when its session has connected to
 * the server. */
static void
socks_connect_control(struct socks_client *client)
{
	struct socks_side *side = client->side;
	struct socks_request request = client->socks.request;
	struct arrival arrival = {
		.local = client->local,
		.peer = client->peer,
		.side = &side->side,
		.answer =
		    client->socks.version == 5 ? socks_answer5 : socks_answer4,
	};

	/* It expects data connections there. */
	if (side->config.policy->client_address.family != AF_UNSPEC ||
	    addr_parse_ip(request.host, &arrival.known_as) != 0)
		arrival.known_as.family = AF_UNSPEC;
	arrival.known_as.port = request.port;
	arrival.stream = socks_client_free(client);
	arrival.place = tunnel_admit(side->tunnel, &arrival);
	if (arrival.place != NULL)
		router_take(side->config.router, &arrival, request.host,
		    request.port);
}

static void
socks_connect(struct socks_client *client)
{
	struct socks_listener *listener =
	    socks_hub_listener(client->side->hub, client->socks.request.port);

	stream_read_stop(client->stream);
	if (listener != NULL)
		socks_connect_data(client, listener);
	else
		socks_connect_control(client);
}

/* ---- BIND ---- */

static void
socks_client_on_bind_expired(uv_timer_t *timer)
{
	socks_client_refuse(timer->data, SOCKS_FAILURE,
	    "the FTP server has not connected");
}

static void
socks_bind(struct socks_client *client)
{
	struct socks_hub *hub = client->side->hub;
	struct addr at = client->local;
	char why[200], text[ADDR_TEXT_MAX];
	const struct log_origin origin = {
		.tunnel = client->side->config.log_name,
		.peer = addr_format(&client->peer, text),
	};
	enum refusal refusal;

	if (!policy_takes(client->side->config.policy, &client->local,
		&client->peer, why, sizeof(why), &refusal)) {
		socks_client_refuse(client, SOCKS_NOT_ALLOWED, why);
		return;
	}
	at.port = client->bound = ports_take(hub->ports);
	if (at.port == 0) {
		socks_client_refuse(client, SOCKS_FAILURE,
		    "all ports for SOCKS clients are in use");
		return;
	}
	if (socks_client_reply(client, SOCKS_GRANTED, &at) != 0) {
		stream_reset(socks_client_free(client));
		return;
	}
	log_line(LOG_LEVEL_VERBOSE, &origin,
	    "a SOCKS client from %s waits in BIND on port %u", origin.peer,
	    at.port);
	uv_timer_start(&client->timer, socks_client_on_bind_expired,
	    LIMIT_SOCKS_BIND_MS, 0);
}

struct socks_client *
socks_client_bound(const struct socks_side *side, uint16_t port,
    const struct policy_peer *who)
{
	struct socks_client *client;
	char why[200];

	LIST_FOREACH (client, &side->hub->clients, entry)
		if (client->bound != 0 && client->bound == port)
			break;
	if (client == NULL ||
	    policy_admits(client->side->config.policy, who, &client->local,
		&client->peer, why, sizeof(why)) != POLICY_ADMITTED)
		return NULL;
	return client;
}

/* The second reply says who has connected: the client has named the server in
 * its request, and some clients compare the two.  The port is that of RFC 959
 * section 3.2. */
struct stream *
socks_client_serve(struct socks_client *client)
{
	struct addr server;
	int err;

	if (addr_parse_ip(client->socks.request.host, &server) != 0 ||
	    addr_is_any(&server))
		server = client->local;
	server.port = FTP_PORT - 1;
	stream_read_stop(client->stream);
	err = socks_client_reply(client, SOCKS_GRANTED, &server);
	if (err == 0)
		return socks_client_free(client);
	stream_reset(socks_client_free(client));
	return NULL;
}

/* ---- the handshake ---- */

static void
socks_client_on_late(uv_timer_t *timer)
{
	struct socks_client *client = timer->data;

	socks_side_log_refusal(client->side, &client->peer, "",
	    "it has not sent a request in time");
	stream_reset(socks_client_free(client));
}

static void
socks_client_on_request(struct socks_client *client, bool more)
{
	uv_timer_stop(&client->timer);
	if (more)
		socks_client_refuse(client, SOCKS_FAILURE,
		    "it has sent data before the reply");
	else if (client->socks.request.command == SOCKS_BIND)
		socks_bind(client);
	else
		socks_connect(client);
}

/* Returns whether the next bytes may be fed; if not, the client may be gone. */
static bool
socks_client_feed(struct socks_client *client, const struct iovec *piece,
    bool last)
{
	struct socks_out out;
	size_t taken;
	enum socks_result result = socks_feed(&client->socks, piece->iov_base,
	    piece->iov_len, &taken, &out);

	if (out.len > 0 &&
	    stream_write(client->stream, out.bytes, out.len) != 0) {
		stream_reset(socks_client_free(client));
		return false;
	}
	if (result == SOCKS_WRONG) {
		socks_side_log_refusal(client->side, &client->peer, "",
		    out.why);
		socks_client_close(client);
	} else if (result == SOCKS_READY) {
		socks_client_on_request(client,
		    !last || taken < piece->iov_len);
	}
	return result == SOCKS_MORE;
}

static void
socks_client_on_data(void *ctx, const struct iovec *pieces, size_t n)
{
	struct socks_client *client = ctx;

	if (client->bound != 0) {
		socks_client_refuse(client, SOCKS_FAILURE,
		    "it has sent data before the server has connected");
		return;
	}
	for (size_t i = 0; i < n; i++)
		if (!socks_client_feed(client, &pieces[i], i == n - 1))
			return;
}

static void
socks_client_on_eof(void *ctx)
{
	struct socks_client *client = ctx;

	stream_close(socks_client_free(client));
}

static void
socks_client_on_closed(void *ctx, int err, const char *why)
{
	socks_client_on_eof(ctx);
}

static const struct stream_handler socks_client_handler = {
	.data = socks_client_on_data,
	.eof = socks_client_on_eof,
	.closed = socks_client_on_closed,
};

/* Is there room for one more connection from that address? */
static bool
socks_hub_has_room(const struct socks_hub *hub, const struct addr *peer)
{
	const struct socks_client *client;
	size_t n = 0;

	if (hub->n_clients >= LIMIT_SOCKS_CLIENTS)
		return false;
	LIST_FOREACH (client, &hub->clients, entry)
		n += addr_same_ip(&client->peer, peer);
	return n < LIMIT_SOCKS_PER_ADDRESS;
}

void
socks_side_take(void *ctx, struct stream *stream, const struct addr *local,
    const struct addr *peer)
{
	struct socks_side *side = ctx;
	struct socks_hub *hub = side->hub;
	struct socks_client *client = NULL;
	const char *why = NULL;

	/* Nobody else occupies memory or a place. */
	if (!policy_allows(side->config.policy, peer))
		why = "no --allow contains that address";
	else if (!socks_hub_has_room(hub, peer))
		why = "too many SOCKS clients are in a handshake or in BIND";
	else if ((client = calloc(1, sizeof(*client))) == NULL)
		why = "out of memory";
	if (why != NULL) {
		socks_side_log_refusal(side, peer, "", why);
		stream_reset(stream);
		return;
	}
	client->side = side;
	client->stream = stream;
	client->local = *local;
	client->peer = *peer;
	uv_timer_init(hub->loop, &client->timer);
	client->timer.data = client;
	LIST_INSERT_HEAD(&hub->clients, client, entry);
	hub->n_clients++;
	uv_timer_start(&client->timer, socks_client_on_late,
	    LIMIT_SOCKS_REQUEST_MS, 0);
	stream_set_handler(stream, &socks_client_handler, client);
	stream_read_start(stream);
}
