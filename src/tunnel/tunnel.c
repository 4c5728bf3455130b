/*
 * A tunnel: a listening address, and the sessions that came by it.
 */
#include "tunnel/tunnel.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/log.h"
#include "tunnel/session.h"

/* A name like "localhost" has an address in each family. */
#define LISTENERS_MAX 4

struct entry {
	LIST_ENTRY(entry) link;
	struct session *session;
	struct tunnel *tunnel;
};

struct tunnel {
	struct tunnel_options options;
	struct session_options session_options;
	struct net_listener *listeners[LISTENERS_MAX];
	size_t n_listeners;
	LIST_HEAD(, entry) sessions;
};

/* ---- sessions ---- */

static void
on_session_ended(void *ctx, struct session *session)
{
	struct entry *entry = ctx;

	(void)session;
	LIST_REMOVE(entry, link);
	entry->tunnel->options.count->sessions--;
	free(entry);
}

static void
refuse(struct tunnel *tunnel, struct stream *stream, const struct addr *peer)
{
	static const struct stream_handler deaf = { .data = NULL };
	static const char reply[] =
	    "421 Too many connections, try again later.\r\n";
	char text[ADDR_TEXT_MAX];

	log_warn("refused a client from %s: %zu sessions are running, as many "
		 "as --max-sessions allows",
	    addr_format(peer, text), tunnel->options.count->max_sessions);
	stream_set_handler(stream, &deaf, NULL);
	if (stream_write(stream, reply, sizeof(reply) - 1) == 0)
		stream_finish(stream);
	else
		stream_close(stream);
}

static void
on_accept(void *ctx, struct stream *stream)
{
	struct tunnel *tunnel = ctx;
	struct tunnel_count *count = tunnel->options.count;
	struct addr local = net_stream_local(stream);
	struct addr peer = net_stream_peer(stream);
	struct entry *entry;

	if (peer.family == AF_UNSPEC) {
		/* It came and went. */
		stream_close(stream);
		return;
	}
	if (count->sessions >= count->max_sessions) {
		refuse(tunnel, stream, &peer);
		return;
	}
	entry = calloc(1, sizeof(*entry));
	if (entry == NULL) {
		stream_reset(stream);
		return;
	}
	entry->tunnel = tunnel;
	entry->session =
	    session_new(&tunnel->session_options, ++count->last_number, stream,
		&local, &peer, on_session_ended, entry);
	if (entry->session == NULL) {
		free(entry);
		return;
	}
	LIST_INSERT_HEAD(&tunnel->sessions, entry, link);
	count->sessions++;
	session_begin(entry->session);
}

/* ---- listening ---- */

static int
bind_one(struct tunnel *tunnel, struct addr at, bool dual)
{
	struct net_listener *listener;
	int err;

	if (tunnel->n_listeners == LISTENERS_MAX)
		return 0;
	/* The addresses of one name share the port that the first was given. */
	at.port = tunnel->options.port;
	if (at.port == 0 && tunnel->n_listeners > 0)
		at.port = net_listener_addr(tunnel->listeners[0]).port;
	listener =
	    net_listen(tunnel->options.net, &at, dual, on_accept, tunnel, &err);
	if (listener == NULL)
		return err;
	tunnel->listeners[tunnel->n_listeners++] = listener;
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

/* Every address of a name; one that works is enough ("localhost" may have
 * ::1 in a file but not on the host). */
static int
bind_name(struct tunnel *tunnel, const char *name, const char **ret_why)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found, *info;
	struct addr at;
	int err = -EADDRNOTAVAIL, gai;

	gai = getaddrinfo(name, NULL, &hints, &found);
	if (gai != 0) {
		*ret_why = gai_strerror(gai);
		return -EADDRNOTAVAIL;
	}
	for (info = found; info != NULL; info = info->ai_next)
		if (addr_from_sockaddr(info->ai_addr, &at) == 0)
			err = bind_one(tunnel, at, false);
	freeaddrinfo(found);
	return tunnel->n_listeners > 0 ? 0 : err;
}

static int
bind_where(struct tunnel *tunnel, const char **ret_why)
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

struct tunnel *
tunnel_new(const struct tunnel_options *options, char *why, size_t why_size)
{
	struct tunnel *tunnel = calloc(1, sizeof(*tunnel));
	const char *reason = NULL;
	int err;

	if (tunnel == NULL) {
		snprintf(why, why_size, "out of memory");
		return NULL;
	}
	tunnel->options = *options;
	tunnel->session_options = (struct session_options) {
		.loop = options->loop,
		.client_side = options->near,
		.server_side = options->far,
		.server_host = options->server_host,
		.server_port = options->server_port,
		.pass_foreign_port = options->pass_foreign_port,
		.allow_tls = options->allow_tls,
		.any_user = options->any_user,
	};
	LIST_INIT(&tunnel->sessions);
	err = bind_where(tunnel, &reason);
	if (err == 0)
		return tunnel;
	snprintf(why, why_size, "cannot listen on %s%sport %u: %s%s",
	    options->bind, *options->bind != '\0' ? " " : "", options->port,
	    reason != NULL ? reason : strerror(-err),
	    err == -EACCES && options->port < 1024 ?
		" (ports below 1024 need root; take one from 1024 up)" :
		"");
	tunnel_free(tunnel);
	return NULL;
}

int
tunnel_start(struct tunnel *tunnel)
{
	int err = 0;

	for (size_t i = 0; i < tunnel->n_listeners && err == 0; i++)
		err = net_listener_start(tunnel->listeners[i]);
	return err;
}

const char *
tunnel_address(const struct tunnel *tunnel, char *text, size_t size)
{
	char one[ADDR_TEXT_MAX];
	struct addr at;
	size_t len = 0;

	*text = '\0';
	for (size_t i = 0; i < tunnel->n_listeners && len < size; i++) {
		at = net_listener_addr(tunnel->listeners[i]);
		if (strcmp(tunnel->options.bind, "*") == 0)
			snprintf(one, sizeof(one), "*:%u", at.port);
		else
			addr_format(&at, one);
		len += (size_t)snprintf(text + len, size - len, "%s%s",
		    i > 0 ? " and " : "", one);
	}
	return text;
}

static void
close_listeners(struct tunnel *tunnel)
{
	while (tunnel->n_listeners > 0)
		net_listener_close(tunnel->listeners[--tunnel->n_listeners]);
}

void
tunnel_stop(struct tunnel *tunnel, const char *why)
{
	close_listeners(tunnel);
	while (!LIST_EMPTY(&tunnel->sessions))
		session_stop(LIST_FIRST(&tunnel->sessions)->session, why);
}

void
tunnel_free(struct tunnel *tunnel)
{
	if (tunnel == NULL)
		return;
	assert(LIST_EMPTY(&tunnel->sessions));
	close_listeners(tunnel);
	free(tunnel);
}
