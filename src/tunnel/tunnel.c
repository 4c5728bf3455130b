/*
 * A tunnel: a listening address, and its sessions.
 */
#include "tunnel/tunnel.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "limits.h"
#include "ssh/reconnect.h"
#include "tunnel/session.h"

/* ---- clients ---- */

void
tunnel_turn_away(const struct arrival *arrival, const char *reply, int err,
    const char *why)
{
	static const struct stream_handler no_callbacks = { .data = NULL };
	struct stream *stream = arrival->stream;

	stream_set_handler(stream, &no_callbacks, NULL);
	if (arrival->answer != NULL)
		arrival->answer(stream, &arrival->local, err, why);
	if (arrival->answer != NULL ||
	    stream_write(stream, reply, strlen(reply)) == 0)
		stream_finish(stream);
	else
		stream_close(stream);
}

/* Refuses a client, and logs why.  It gets a reply, unless too many connections
 * are being closed. */
static void
tunnel_refuse(struct tunnel *tunnel, const struct arrival *arrival,
    enum refusal refusal, const char *why)
{
	const struct addr *peer = &arrival->peer;
	char text[TUNNEL_LISTENERS_MAX * ADDR_TEXT_MAX];
	struct log_origin origin = { .tunnel = tunnel->options.name };

	bool permitted = refusal != REFUSAL_ADDRESS &&
	    refusal != REFUSAL_USER && refusal != REFUSAL_LOOK_UP;

	tunnel->stats.refusals[refusal]++;
	if (net_finishing(tunnel->options.net) < LIMIT_TURNED_AWAY)
		tunnel_turn_away(arrival, refusal_reply(refusal),
		    permitted ? -EAGAIN : -EACCES, why);
	else
		stream_reset(arrival->stream);
	if (!log_limit_allows(&tunnel->refusals, uv_now(tunnel->options.loop),
		&origin))
		return;
	if (peer->family != AF_UNSPEC) {
		origin.peer = addr_format(peer, text);
		log_line(LOG_LEVEL_WARN, &origin,
		    "refused a client from %s: %s", text, why);
	} else {
		log_line(LOG_LEVEL_WARN, &origin,
		    "refused a client at %s of the SSH server: %s",
		    tunnel_address(tunnel, text, sizeof(text)), why);
	}
}

struct admission_place *
tunnel_admit(struct tunnel *tunnel, const struct arrival *arrival)
{
	const struct addr *peer = &arrival->peer;
	struct admission_place *place = NULL;
	enum refusal refusal = REFUSAL_MEMORY;
	char why[200];

	/* If its address is not known, every client is permitted. */
	if (peer->family == AF_UNSPEC ||
	    policy_takes(tunnel->options.policy, &arrival->local, peer, why,
		sizeof(why), &refusal))
		place = admission_enter(tunnel->options.count->admission, peer,
		    why, sizeof(why), &refusal);
	if (place == NULL)
		tunnel_refuse(tunnel, arrival, refusal, why);
	return place;
}

void
tunnel_refuse_arrival(struct tunnel *tunnel, const struct arrival *arrival,
    const char *why)
{
	char text[ADDR_TEXT_MAX], reply[400], escaped[LOG_ESCAPED_MAX];
	const struct log_origin origin = {
		.tunnel = tunnel->options.name,
		.peer = addr_format(&arrival->peer, text),
	};

	log_escape(escaped, sizeof(escaped), why, strlen(why));
	tunnel->stats.refusals[REFUSAL_RULE]++;
	if (log_limit_allows(&tunnel->refusals, uv_now(tunnel->options.loop),
		&origin))
		log_line(LOG_LEVEL_WARN, &origin,
		    "refused a client from %s: %s", text, escaped);
	snprintf(reply, sizeof(reply), "%s: %.300s.\r\n",
	    refusal_reply(REFUSAL_RULE), escaped);
	tunnel_turn_away(arrival, reply, -EACCES, why);
	admission_leave(arrival->place);
}

void
tunnel_say_cannot(const struct tunnel *tunnel, const char *reason, char *why,
    size_t why_size)
{
	const struct tunnel_options *options = &tunnel->options;
	bool known = tunnel->remote.at.family != AF_UNSPEC;

	snprintf(why, why_size, "cannot listen on %s%sport %u%s: %s",
	    options->bind, *options->bind != '\0' ? " " : "",
	    known ? tunnel->remote.at.port : options->port,
	    options->remote ? " of the SSH server" : "", reason);
}

/* ---- local and remote ---- */

struct tunnel *
tunnel_new(const struct tunnel_options *options, char *why, size_t why_size)
{
	struct tunnel *tunnel = calloc(1, sizeof(*tunnel));
	int err;

	if (tunnel == NULL) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	tunnel->options = *options;
	LIST_INIT(&tunnel->sessions);
	TAILQ_INIT(&tunnel->local.waiting);
	uv_timer_init(options->loop, &tunnel->remote.timer);
	tunnel->remote.timer.data = tunnel;
	tunnel->throttle = throttle_new(options->loop, options->policy->rate);
	if (tunnel->throttle == NULL) {
		snprintf(why, why_size, "out of memory");
		tunnel_free(tunnel);
		return NULL;
	}
	err = options->remote ? tunnel_remote_make(tunnel, why, why_size) :
				tunnel_local_make(tunnel, why, why_size);
	if (err == 0)
		return tunnel;
	tunnel_free(tunnel);
	return NULL;
}

void
tunnel_start(struct tunnel *tunnel, tunnel_started_cb *started, void *ctx)
{
	if (tunnel->options.remote)
		tunnel_remote_start(tunnel, started, ctx);
	else
		tunnel_local_start(tunnel, started, ctx);
}

/* "*" means all addresses, whatever addresses the sockets have. */
static const char *
format_one(const struct tunnel *tunnel, const struct addr *at, char *text)
{
	if (strcmp(tunnel->options.bind, "*") != 0)
		return addr_format(at, text);
	snprintf(text, ADDR_TEXT_MAX, "*:%u", at->port);
	return text;
}

const char *
tunnel_address(const struct tunnel *tunnel, char *text, size_t size)
{
	char one[ADDR_TEXT_MAX];
	struct addr at = tunnel->remote.at;
	size_t len = 0;

	*text = '\0';
	if (tunnel->options.remote)
		snprintf(text, size, "%s", format_one(tunnel, &at, one));
	else if (tunnel->local.n_listeners == 0)
		snprintf(text, size, "%s", tunnel->local.stood);
	for (size_t i = 0; i < tunnel->local.n_listeners && len < size; i++) {
		at = net_listener_addr(tunnel->local.listeners[i]);
		len += (size_t)snprintf(text + len, size - len, "%s%s",
		    i > 0 ? " and " : "", format_one(tunnel, &at, one));
	}
	return text;
}

uint16_t
tunnel_port(const struct tunnel *tunnel)
{
	struct addr at = { .port = 0 };

	if (tunnel->local.n_listeners > 0)
		at = net_listener_addr(tunnel->local.listeners[0]);
	return at.port;
}

void
tunnel_note_data_port(struct tunnel *tunnel, uint16_t port)
{
	tunnel->data_ports[tunnel->n_data_ports++ % LIMIT_EXEC_DATA_PORTS] =
	    port;
}

enum tunnel_data
tunnel_data_at(const struct tunnel *tunnel, uint16_t port)
{
	const struct session *session;
	const struct dataconn *conn;
	const struct dataconn_end *end;

	LIST_FOREACH (session, &tunnel->sessions, link)
		LIST_FOREACH (conn, &session->data, link) {
			end = &conn->end[ENGINE_CLIENT];
			if (end->listener != NULL && end->listening &&
			    end->port == port)
				return TUNNEL_DATA_AWAITED;
		}
	for (size_t i = 0;
	     i < tunnel->n_data_ports && i < LIMIT_EXEC_DATA_PORTS; i++)
		if (tunnel->data_ports[i] == port)
			return TUNNEL_DATA_OVER;
	return TUNNEL_DATA_NONE;
}

static bool
end_is_from(const struct dataconn_end *end, const struct addr *from)
{
	struct addr local, peer;

	if (end->state != END_CONNECTED || end->stream == NULL)
		return false;
	side_ends(end->side, end->stream, &local, &peer);
	return addr_same_ip(&local, from) && local.port == from->port;
}

bool
tunnel_has_dialed(const struct tunnel *tunnel, const struct addr *from)
{
	const struct session *session;
	const struct dataconn *conn;

	LIST_FOREACH (session, &tunnel->sessions, link)
		LIST_FOREACH (conn, &session->data, link)
			if (end_is_from(&conn->end[ENGINE_CLIENT], from))
				return true;
	return false;
}

void
tunnel_link_up(struct tunnel *tunnel)
{
	if (tunnel->options.remote)
		tunnel_remote_up(tunnel);
	else
		tunnel_local_up(tunnel);
}

/* Ends all sessions, or those that need the link. */
static void
stop_sessions(struct tunnel *tunnel, bool all, const char *why)
{
	struct session *session = LIST_FIRST(&tunnel->sessions), *next;

	for (; session != NULL; session = next) {
		next = LIST_NEXT(session, link);
		if (all ||
		    (!session->target.no_link && !session->target.survives))
			session_stop(session, why);
	}
}

void
tunnel_link_down(struct tunnel *tunnel, const char *why, bool again)
{
	stop_sessions(tunnel, false, "the SSH connection was lost");
	if (tunnel->options.remote)
		tunnel_remote_down(tunnel);
	else if (!again)
		tunnel_local_down(tunnel, why);
}

static void
close_listeners(struct tunnel *tunnel, const char *why)
{
	if (tunnel->options.remote)
		tunnel_remote_close(tunnel);
	else
		tunnel_local_close(tunnel, why);
}

void
tunnel_drain(struct tunnel *tunnel, const char *why)
{
	struct session *session = LIST_FIRST(&tunnel->sessions), *next;

	close_listeners(tunnel, why);
	for (; session != NULL; session = next) {
		next = LIST_NEXT(session, link);
		session_drain(session, why);
	}
}

const struct tunnel_stats *
tunnel_stats(const struct tunnel *tunnel)
{
	return &tunnel->stats;
}

void
tunnel_inherit(struct tunnel *tunnel, const struct tunnel *from)
{
	const struct tunnel_stats *more = &from->stats;
	struct tunnel_stats *stats = &tunnel->stats;

	stats->sessions += more->sessions;
	for (int i = 0; i < REFUSALS; i++)
		stats->refusals[i] += more->refusals[i];
	for (int i = 0; i < INFO_DIRECTIONS; i++) {
		stats->bytes[i] += more->bytes[i];
		for (int j = 0; j < INFO_OUTCOMES; j++)
			stats->transfers[i][j] += more->transfers[i][j];
	}
}

void
tunnel_each_session(const struct tunnel *tunnel, tunnel_session_cb *each,
    void *ctx)
{
	const struct session *session;
	struct session_info info;

	LIST_FOREACH (session, &tunnel->sessions, link) {
		session_describe(session, &info);
		each(ctx, &info);
	}
}

bool
tunnel_end_session(struct tunnel *tunnel, unsigned long number, const char *why)
{
	struct session *session;

	LIST_FOREACH (session, &tunnel->sessions, link)
		if (session->log.origin.session == number)
			break;
	if (session != NULL)
		session_stop(session, why);
	return session != NULL;
}

bool
tunnel_has_sessions(const struct tunnel *tunnel)
{
	return !LIST_EMPTY(&tunnel->sessions) ||
	    !TAILQ_EMPTY(&tunnel->local.waiting);
}

void
tunnel_stop(struct tunnel *tunnel, const char *why)
{
	close_listeners(tunnel, why);
	stop_sessions(tunnel, true, why);
}

static void
tunnel_on_freed(uv_handle_t *handle)
{
	free(handle->data);
}

void
tunnel_free(struct tunnel *tunnel)
{
	if (tunnel == NULL)
		return;
	assert(LIST_EMPTY(&tunnel->sessions));
	close_listeners(tunnel, "");
	log_limit_end(&tunnel->refusals,
	    &(struct log_origin) { .tunnel = tunnel->options.name });
	throttle_free(tunnel->throttle);
	uv_close((uv_handle_t *)&tunnel->remote.timer, tunnel_on_freed);
}
