/*
 * A local tunnel: it listens on this host, and continues to listen while the
 * link is down.  Clients that connect then wait for it, unread, for a bounded
 * time.
 */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/activation.h"
#include "base/log.h"
#include "ssh/reconnect.h"
#include "tunnel/session.h"

/* A client that waits for the link. */
struct tunnel_waiting {
	TAILQ_ENTRY(tunnel_waiting) entry;
	struct tunnel *tunnel;
	struct arrival arrival; /* place NULL: its session has it now */
	struct target target;	/* the arrival's, */
	uint8_t *said;		/* and what its client has said */
	struct policy_peer client;
	uint64_t since; /* uv_now() */
	uv_timer_t timer;
};

/* Reasons for tunnel_say_cannot(). */
static const char allow_missing[] =
    "clients of other hosts could connect; --allow FROM says which may (an "
    "address or a network, repeatable; 0.0.0.0/0 and ::/0 for everybody)";
static const char logins_missing[] =
    "clients of other hosts could use the files without a password; "
    "--login-file FILE says who may log in (culvert passwd makes it)";

/* ---- clients while the link is down ---- */

static void
tunnel_local_on_waiting_freed(uv_handle_t *handle)
{
	free(handle->data);
}

/* Frees it, and gives its place back.  The stream must be closed, or have
 * another owner. */
static void
end_waiting(struct tunnel_waiting *waiting)
{
	struct tunnel *tunnel = waiting->tunnel;

	TAILQ_REMOVE(&tunnel->local.waiting, waiting, entry);
	free(waiting->said);
	ports_free(waiting->arrival.ports);
	side_free(waiting->arrival.side);
	if (waiting->arrival.place != NULL)
		admission_leave(waiting->arrival.place);
	reconnect_release(tunnel->options.reconnect);
	uv_close((uv_handle_t *)&waiting->timer, tunnel_local_on_waiting_freed);
}

/* The last of ssh's lines that together have at most max bytes; at least one.
 * They say what failed; sshd's banner comes before them. */
static const char *
last_of(const char *why, size_t max)
{
	const char *next;

	while (strlen(why) > max && (next = strstr(why, "; ")) != NULL)
		why = next + strlen("; ");
	return why;
}

static void
refuse_waiting(struct tunnel_waiting *waiting, const char *why)
{
	char reply[400], text[ADDR_TEXT_MAX];
	const struct log_origin origin = {
		.tunnel = waiting->tunnel->options.name,
		.peer = addr_format(&waiting->client.addr, text),
	};

	waiting->tunnel->stats.refusals[REFUSAL_LINK]++;
	if (log_limit_allows(&waiting->tunnel->refusals,
		uv_now(waiting->tunnel->options.loop), &origin))
		log_line(LOG_LEVEL_WARN, &origin,
		    "refused a client from %s: the SSH connection is down%s%s",
		    text, *why != '\0' ? ": " : "", why);
	snprintf(reply, sizeof(reply), "%s%s%.300s\r\n",
	    refusal_reply(REFUSAL_LINK),
	    *why != '\0' ? ": " : ", try again later.", last_of(why, 300));
	tunnel_turn_away(&waiting->arrival, reply, -ENETDOWN, why);
	end_waiting(waiting);
}

static void start_wait_timer(struct tunnel_waiting *waiting);

static void
tunnel_local_on_waiting_closed(void *ctx, int err, const char *why)
{
	struct tunnel_waiting *waiting = ctx;

	stream_close(waiting->arrival.stream);
	end_waiting(waiting);
}

/* Refuses the client if it has waited long enough, and drops it if it has gone:
 * a stream that is not read does not report that. */
static void
tunnel_local_on_waited(uv_timer_t *timer)
{
	struct tunnel_waiting *waiting = timer->data;
	const struct tunnel_options *options = &waiting->tunnel->options;

	if (uv_now(options->loop) - waiting->since >= options->link_wait_ms)
		refuse_waiting(waiting, reconnect_why(options->reconnect));
	else if (!stream_alive(waiting->arrival.stream) ||
	    policy_has_closed(options->policy, &waiting->client))
		tunnel_local_on_waiting_closed(waiting, 0, "");
	else
		start_wait_timer(waiting);
}

/* Starts the timer for the next look at the client, or for the end of its
 * wait. */
static void
start_wait_timer(struct tunnel_waiting *waiting)
{
	const struct tunnel_options *options = &waiting->tunnel->options;
	uint64_t ms =
	    options->link_wait_ms - (uv_now(options->loop) - waiting->since);

	uv_timer_start(&waiting->timer, tunnel_local_on_waited,
	    ms < LIMIT_CLIENT_LOOK_MS ? ms : LIMIT_CLIENT_LOOK_MS, 0);
}

static void
wait_for_link(struct tunnel *tunnel, const struct arrival *arrival)
{
	static const struct stream_handler handler = {
		.closed = tunnel_local_on_waiting_closed,
	};
	struct tunnel_waiting *waiting = calloc(1, sizeof(*waiting));
	char text[ADDR_TEXT_MAX];
	const struct log_origin origin = {
		.tunnel = tunnel->options.name,
		.peer = addr_format(&arrival->peer, text),
	};

	if (waiting != NULL && arrival->said != NULL)
		waiting->said = malloc(arrival->said_len);
	if (waiting == NULL ||
	    (waiting->said == NULL && arrival->said != NULL)) {
		free(waiting);
		stream_reset(arrival->stream);
		admission_leave(arrival->place);
		return;
	}
	log_line(LOG_LEVEL_VERBOSE, &origin,
	    "a client from %s waits for the SSH connection", text);
	waiting->tunnel = tunnel;
	waiting->arrival = *arrival;
	if (arrival->target != NULL) {
		waiting->target = *arrival->target;
		waiting->arrival.target = &waiting->target;
	}
	if (arrival->said != NULL) {
		memcpy(waiting->said, arrival->said, arrival->said_len);
		waiting->arrival.said = waiting->said;
	}
	ports_keep(arrival->ports);
	if (arrival->side != NULL)
		side_keep(arrival->side);
	stream_set_handler(arrival->stream, &handler, waiting);
	TAILQ_INSERT_TAIL(&tunnel->local.waiting, waiting, entry);
	uv_timer_init(tunnel->options.loop, &waiting->timer);
	waiting->timer.data = waiting;
	policy_learn(tunnel->options.policy, &arrival->local, &arrival->peer,
	    &waiting->client);
	waiting->since = uv_now(tunnel->options.loop);
	start_wait_timer(waiting);
	/* On demand, this may begin an attempt to connect. */
	reconnect_hold(tunnel->options.reconnect);
}

void
tunnel_local_up(struct tunnel *tunnel)
{
	struct tunnel_waiting *waiting;

	while ((waiting = TAILQ_FIRST(&tunnel->local.waiting)) != NULL) {
		/* The session first, so that the link is held without a gap. */
		session_begin(tunnel, &waiting->arrival);
		waiting->arrival.place = NULL;
		end_waiting(waiting);
	}
}

void
tunnel_local_down(struct tunnel *tunnel, const char *why)
{
	struct tunnel_waiting *waiting;

	while ((waiting = TAILQ_FIRST(&tunnel->local.waiting)) != NULL)
		refuse_waiting(waiting, why);
}

void
tunnel_take(struct tunnel *tunnel, const struct arrival *arrival)
{
	const struct target *target =
	    arrival->target != NULL ? arrival->target : &tunnel->options.target;

	if (target->no_link || reconnect_is_up(tunnel->options.reconnect))
		session_begin(tunnel, arrival);
	else
		wait_for_link(tunnel, arrival);
}

static void
tunnel_local_on_accept(void *ctx, struct stream *stream)
{
	struct tunnel *tunnel = ctx;
	struct arrival arrival = {
		.stream = stream,
		.local = net_stream_local(stream),
		.peer = net_stream_peer(stream),
	};

	if (arrival.peer.family == AF_UNSPEC) {
		stream_close(stream); /* the client is gone already */
		return;
	}
	if (tunnel->options.accepted != NULL) {
		tunnel->options.accepted(tunnel->options.accepted_ctx, stream,
		    &arrival.local, &arrival.peer);
		return;
	}
	arrival.place = tunnel_admit(tunnel, &arrival);
	if (arrival.place == NULL)
		return;
	if (tunnel->options.admitted != NULL)
		tunnel->options.admitted(tunnel->options.admitted_ctx,
		    &arrival);
	else
		tunnel_take(tunnel, &arrival);
}

/* ---- where it listens ---- */

/* Uses the service manager's socket, if there is one for that address. */
static struct net_listener *
listen_plain(struct tunnel *tunnel, const struct addr *at, bool dual,
    int *ret_err)
{
	const struct tunnel_options *options = &tunnel->options;
	struct net_listener *listener;
	int fd = -1;

	if (options->activation != NULL)
		fd = activation_find(options->activation, at, dual);
	if (fd < 0)
		return net_listen(options->net, at, dual ? NET_DUAL : 0,
		    tunnel_local_on_accept, tunnel, ret_err);
	listener = net_listen_fd(options->net, fd, tunnel_local_on_accept,
	    tunnel, ret_err);
	if (listener == NULL) {
		close(fd);
		activation_give_back(options->activation, at);
	}
	return listener;
}

static struct net_listener *
listen_one(struct tunnel *tunnel, const struct addr *at, bool dual,
    int *ret_err)
{
	struct net_listener *listener = listen_plain(tunnel, at, dual, ret_err);

	if (listener == NULL || !tunnel->options.transparent)
		return listener;
	*ret_err = net_listener_set_foreign(listener);
	if (*ret_err == 0)
		return listener;
	net_listener_close(listener);
	return NULL;
}

static int
bind_one(struct tunnel *tunnel, struct addr at, bool dual)
{
	struct net_listener *listener;
	int err;

	if (tunnel->local.n_listeners == TUNNEL_LISTENERS_MAX)
		return 0;
	if (!addr_is_loopback(&at)) {
		if (tunnel->options.policy->n_allow == 0)
			tunnel->local.exposed = allow_missing;
		else if (tunnel->options.target.no_password)
			tunnel->local.exposed = logins_missing;
		if (tunnel->local.exposed != NULL)
			return -EPERM;
	}
	/* The addresses of one name share the port that the first was given. */
	at.port = tunnel->options.port;
	if (at.port == 0 && tunnel->local.n_listeners > 0)
		at.port = net_listener_addr(tunnel->local.listeners[0]).port;
	listener = listen_one(tunnel, &at, dual, &err);
	if (listener == NULL)
		return err;
	tunnel->local.listeners[tunnel->local.n_listeners++] = listener;
	return 0;
}

/* All addresses: one socket for both families, or IPv4 where there is no
 * IPv6. */
static int
bind_all(struct tunnel *tunnel)
{
	struct addr any = { .family = AF_INET6 };
	int err = bind_one(tunnel, any, true);

	if (err != -EAFNOSUPPORT && err != -EADDRNOTAVAIL)
		return err;
	any.family = AF_INET;
	return bind_one(tunnel, any, false);
}

static bool
is_bound(const struct tunnel *tunnel, const struct addr *at)
{
	for (size_t i = 0; i < tunnel->local.n_listeners; i++) {
		struct addr bound =
		    net_listener_addr(tunnel->local.listeners[i]);

		if (addr_same_ip(&bound, at))
			return true;
	}
	return false;
}

/* Listens at every address of a name.  One that works is enough: /etc/hosts may
 * have ::1 for "localhost" on a host without IPv6.  But this fails if another
 * program listens at one of them, because clients could connect to that. */
static int
bind_name(struct tunnel *tunnel, const char *name, const char **ret_why)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found, *info;
	struct addr at;
	int err = -EADDRNOTAVAIL, gai;
	bool in_use = false;

	gai = getaddrinfo(name, NULL, &hints, &found);
	if (gai != 0) {
		*ret_why = gai_strerror(gai);
		return -EADDRNOTAVAIL;
	}
	for (info = found; info != NULL; info = info->ai_next)
		/* /etc/hosts may have an address twice. */
		if (addr_from_sockaddr(info->ai_addr, &at) == 0 &&
		    !is_bound(tunnel, &at)) {
			err = bind_one(tunnel, at, false);
			/* With port 0, the kernel has chosen a port that is
			 * free at the first address only. */
			in_use |=
			    err == -EADDRINUSE && tunnel->options.port != 0;
		}
	freeaddrinfo(found);
	if (in_use)
		return -EADDRINUSE;
	return tunnel->local.n_listeners > 0 ? 0 : err;
}

static int
tunnel_local_bind_where(struct tunnel *tunnel, const char **ret_why)
{
	const char *bind = tunnel->options.bind;
	struct addr at;

	if (*bind == '\0')
		return bind_one(tunnel, addr_loopback(AF_INET, 0), false);
	if (strcmp(bind, "*") == 0)
		return bind_all(tunnel);
	if (addr_parse_ip(bind, &at) == 0)
		return bind_one(tunnel, at, false);
	return bind_name(tunnel, bind, ret_why);
}

int
tunnel_local_make(struct tunnel *tunnel, char *why, size_t why_size)
{
	const struct tunnel_options *options = &tunnel->options;
	const char *reason = NULL;
	char text[200];
	int err;

	err = tunnel_local_bind_where(tunnel, &reason);
	if (tunnel->local.exposed != NULL) {
		tunnel_say_cannot(tunnel, tunnel->local.exposed, why, why_size);
		return -1;
	}
	if (err == 0)
		return 0;
	snprintf(text, sizeof(text), "%s%s",
	    reason != NULL ? reason : strerror(-err),
	    err == -EACCES && options->port < 1024 ?
		" (ports below 1024 need root; use one from 1024 up)" :
		err == -EPERM && options->transparent ?
		" (capture = tproxy needs root, or CAP_NET_RAW, when culvert "
		"starts)" :
		"");
	tunnel_say_cannot(tunnel, text, why, why_size);
	return -1;
}

void
tunnel_local_start(struct tunnel *tunnel, tunnel_started_cb *started, void *ctx)
{
	char why[300];
	int err = 0;

	for (size_t i = 0; i < tunnel->local.n_listeners && err == 0; i++)
		err = net_listener_start(tunnel->local.listeners[i]);
	if (err != 0)
		tunnel_say_cannot(tunnel, strerror(-err), why, sizeof(why));
	started(ctx, tunnel, err != 0 ? why : NULL);
}

size_t
tunnel_waiting(const struct tunnel *tunnel)
{
	const struct tunnel_waiting *waiting;
	size_t n = 0;

	TAILQ_FOREACH (waiting, &tunnel->local.waiting, entry)
		n++;
	return n;
}

void
tunnel_local_close(struct tunnel *tunnel, const char *why)
{
	struct net_listener *listener;
	struct addr at;

	if (tunnel->local.n_listeners > 0)
		tunnel_address(tunnel, tunnel->local.stood,
		    sizeof(tunnel->local.stood));
	while (tunnel->local.n_listeners > 0) {
		listener = tunnel->local.listeners[--tunnel->local.n_listeners];
		at = net_listener_addr(listener);
		net_listener_close(listener);
		if (tunnel->options.activation != NULL)
			activation_give_back(tunnel->options.activation, &at);
	}
	tunnel_local_down(tunnel, why);
}
