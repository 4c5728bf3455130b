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
	struct engine_memory memory;
	LIST_HEAD(, entry) sessions;

	/* A local tunnel's. */
	struct net_listener *listeners[LISTENERS_MAX];
	size_t n_listeners;
	bool exposed; /* an address was beyond loopback, and no --allow */

	/* A remote tunnel's. */
	struct side_listener *far;
	struct addr far_at; /* as the SSH server's host has it */
	tunnel_started_cb *started;
	void *started_ctx;
};

/* What goes behind "cannot listen on". */
static const char allow_missing[] =
    "clients of other hosts could connect; --allow FROM says which may (an "
    "address or a network, repeatable; 0.0.0.0/0 and ::/0 for everybody)";
static const char allow_missing_far[] =
    "clients of other hosts could connect; --allow FROM says where they are "
    "(an address or a network, repeatable; 0.0.0.0/0 and ::/0 for anywhere). "
    "sshd does not tell who connects, so this keeps nobody out there: it is "
    "where data connections to clients may go";

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

/* Says why to the log, and reply to the client. */
static void
refuse(struct tunnel *tunnel, struct stream *stream, const struct addr *peer,
    const char *why, const char *reply)
{
	static const struct stream_handler deaf = { .data = NULL };
	char text[LISTENERS_MAX * ADDR_TEXT_MAX];

	if (peer->family != AF_UNSPEC)
		log_warn("refused a client from %s: %s",
		    addr_format(peer, text), why);
	else
		log_warn("refused a client at %s of the SSH server: %s",
		    tunnel_address(tunnel, text, sizeof(text)), why);
	stream_set_handler(stream, &deaf, NULL);
	if (stream_write(stream, reply, strlen(reply)) == 0)
		stream_finish(stream);
	else
		stream_close(stream);
}

/* Is there a place for one more, and may it be this one? */
static bool
admit(struct tunnel *tunnel, struct stream *stream, const struct addr *peer)
{
	const struct tunnel_count *count = tunnel->options.count;
	char why[100];

	/* Where nobody's address is known everybody is taken. */
	if (peer->family != AF_UNSPEC &&
	    !policy_allows(tunnel->options.policy, peer)) {
		refuse(tunnel, stream, peer, "no --allow has that address",
		    "421 Clients at your address are not allowed here.\r\n");
		return false;
	}
	if (count->sessions >= count->max_sessions) {
		snprintf(why, sizeof(why),
		    "%zu sessions are running, as many as --max-sessions "
		    "allows",
		    count->max_sessions);
		refuse(tunnel, stream, peer, why,
		    "421 Too many connections, try again later.\r\n");
		return false;
	}
	return true;
}

/* The stream is taken, in one way or another; true: by a session. */
static bool
begin_session(struct tunnel *tunnel, struct stream *stream,
    const struct addr *local, const struct addr *peer)
{
	struct tunnel_count *count = tunnel->options.count;
	struct entry *entry;

	if (!admit(tunnel, stream, peer))
		return false;
	entry = calloc(1, sizeof(*entry));
	if (entry == NULL) {
		stream_reset(stream);
		return false;
	}
	entry->tunnel = tunnel;
	entry->session = session_new(&tunnel->session_options,
	    ++count->last_number, stream, local, peer, on_session_ended, entry);
	if (entry->session == NULL) {
		free(entry);
		return false;
	}
	LIST_INSERT_HEAD(&tunnel->sessions, entry, link);
	count->sessions++;
	session_begin(entry->session);
	return true;
}

static void
on_accept(void *ctx, struct stream *stream)
{
	struct addr local = net_stream_local(stream);
	struct addr peer = net_stream_peer(stream);

	if (peer.family == AF_UNSPEC)
		stream_close(stream); /* it came and went */
	else
		begin_session(ctx, stream, &local, &peer);
}

/* ---- a local tunnel ---- */

static int
bind_one(struct tunnel *tunnel, struct addr at, bool dual)
{
	struct net_listener *listener;
	int err;

	if (tunnel->n_listeners == LISTENERS_MAX)
		return 0;
	if (!addr_is_loopback(&at) && tunnel->options.policy->n_allow == 0) {
		tunnel->exposed = true;
		return -EPERM;
	}
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

/* "cannot listen on BIND port N: reason" */
static void
say_cannot(const struct tunnel *tunnel, const char *reason, char *why,
    size_t why_size)
{
	const struct tunnel_options *options = &tunnel->options;

	snprintf(why, why_size, "cannot listen on %s%sport %u%s: %s",
	    options->bind, *options->bind != '\0' ? " " : "", options->port,
	    options->remote ? " of the SSH server" : "", reason);
}

/* Returns 0, or -1 with why. */
static int
make_local(struct tunnel *tunnel, char *why, size_t why_size)
{
	struct session_options *session = &tunnel->session_options;
	const struct tunnel_options *options = &tunnel->options;
	const char *reason = NULL;
	char text[200];
	int err;

	session->client_side = options->near;
	session->server_side = options->far;
	session->server_at = options->policy->far_address;
	session->upload_apart = options->policy->many_links;
	err = bind_where(tunnel, &reason);
	if (tunnel->exposed) {
		say_cannot(tunnel, allow_missing, why, why_size);
		return -1;
	}
	if (err == 0)
		return 0;
	snprintf(text, sizeof(text), "%s%s",
	    reason != NULL ? reason : strerror(-err),
	    err == -EACCES && options->port < 1024 ?
		" (ports below 1024 need root; take one from 1024 up)" :
		"");
	say_cannot(tunnel, text, why, why_size);
	return -1;
}

static void
start_local(struct tunnel *tunnel, tunnel_started_cb *started, void *ctx)
{
	char why[300];
	int err = 0;

	for (size_t i = 0; i < tunnel->n_listeners && err == 0; i++)
		err = net_listener_start(tunnel->listeners[i]);
	if (err != 0)
		say_cannot(tunnel, strerror(-err), why, sizeof(why));
	started(ctx, tunnel, err != 0 ? why : NULL);
}

/* ---- a remote tunnel ---- */

/* Is that address, where the SSH server is to listen, on its loopback? */
static bool
is_far_loopback(const char *host)
{
	struct addr at;

	return strcmp(host, "localhost") == 0 ||
	    (addr_parse_ip(host, &at) == 0 && addr_is_loopback(&at));
}

/* What the SSH server cannot be asked to listen at; NULL: it can. */
static const char *
wrong_far_host(const struct policy *policy, const char *host)
{
	struct addr at = { .family = AF_UNSPEC };
	bool all = strcmp(host, "*") == 0;

	if (is_far_loopback(host))
		return NULL;
	if (!all && addr_parse_ip(host, &at) != 0)
		return "a name will not do, since FTP clients there are told "
		       "the address; give it, or localhost, or *";
	if (policy->n_allow == 0)
		return allow_missing_far;
	if ((all || addr_is_any(&at)) &&
	    policy->client_address.family == AF_UNSPEC)
		return "the replies to PASV name an address of the SSH "
		       "server, and which one its FTP clients see is not "
		       "known; --client-address ADDR says it, or give it "
		       "instead";
	if (policy->client_data_host_control)
		return "--client-data-host control needs the addresses of "
		       "clients, and sshd does not tell them";
	return NULL;
}

/* Returns 0, or -1 with why. */
static int
make_remote(struct tunnel *tunnel, char *why, size_t why_size)
{
	static const struct subnet loopback[] = {
		{ { .family = AF_INET, .ip = { 127 } }, 8 },
		{ { .family = AF_INET6, .ip = { [15] = 1 } }, 128 },
	};
	struct session_options *session = &tunnel->session_options;
	const struct tunnel_options *options = &tunnel->options;
	const char *host = options->bind, *wrong;

	if (*host == '\0')
		host = "localhost";
	wrong = wrong_far_host(options->policy, host);
	if (wrong != NULL) {
		say_cannot(tunnel, wrong, why, why_size);
		return -1;
	}
	session->client_side = options->far;
	session->server_side = options->near;
	session->client_at = host;
	session->networks = options->policy->allow;
	session->n_networks = options->policy->n_allow;
	if (is_far_loopback(host)) {
		session->networks = loopback;
		session->n_networks = 2;
	}
	return 0;
}

static void
tell_started(struct tunnel *tunnel, const char *why)
{
	tunnel_started_cb *started = tunnel->started;

	tunnel->started = NULL;
	started(tunnel->started_ctx, tunnel, why);
}

static void
on_far_listening(void *ctx, const struct addr *v4, const struct addr *v6)
{
	struct tunnel *tunnel = ctx;

	tunnel->far_at = v4->family != AF_UNSPEC ? *v4 : *v6;
	tell_started(tunnel, NULL);
}

static bool
on_far_accepted(void *ctx, struct stream *stream, const struct addr *local,
    const struct addr *peer)
{
	return begin_session(ctx, stream, local, peer);
}

/* Once it has listened only the end of the link ends it, and that has its own
 * words. */
static void
on_far_failed(void *ctx, int err, const char *reason)
{
	struct tunnel *tunnel = ctx;
	char why[1024];

	(void)err;
	say_cannot(tunnel, reason, why, sizeof(why));
	if (tunnel->started != NULL)
		tell_started(tunnel, why);
	else
		log_verbose("%s", why);
}

static void
start_remote(struct tunnel *tunnel, tunnel_started_cb *started, void *ctx)
{
	static const struct side_listener_handler handler = {
		.listening = on_far_listening,
		.accepted = on_far_accepted,
		.failed = on_far_failed,
	};
	struct side_at at = {
		.host = tunnel->session_options.client_at,
		.port = tunnel->options.port,
		.many = true,
	};

	tunnel->started = started;
	tunnel->started_ctx = ctx;
	tunnel->far = side_listen(tunnel->options.far, &at, &handler, tunnel);
	if (tunnel->far == NULL)
		on_far_failed(tunnel, -ENOMEM, strerror(ENOMEM));
}

/* ---- both ---- */

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
	tunnel->session_options = (struct session_options) {
		.loop = options->loop,
		.server_host = options->server_host,
		.server_port = options->server_port,
		.policy = options->policy,
		.memory = &tunnel->memory,
	};
	LIST_INIT(&tunnel->sessions);
	err = options->remote ? make_remote(tunnel, why, why_size) :
				make_local(tunnel, why, why_size);
	if (err == 0)
		return tunnel;
	tunnel_free(tunnel);
	return NULL;
}

void
tunnel_start(struct tunnel *tunnel, tunnel_started_cb *started, void *ctx)
{
	if (tunnel->options.remote)
		start_remote(tunnel, started, ctx);
	else
		start_local(tunnel, started, ctx);
}

/* All addresses are "*", whichever sockets that takes. */
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
	struct addr at = tunnel->far_at;
	size_t len = 0;

	*text = '\0';
	if (tunnel->options.remote)
		snprintf(text, size, "%s", format_one(tunnel, &at, one));
	for (size_t i = 0; i < tunnel->n_listeners && len < size; i++) {
		at = net_listener_addr(tunnel->listeners[i]);
		len += (size_t)snprintf(text + len, size - len, "%s%s",
		    i > 0 ? " and " : "", format_one(tunnel, &at, one));
	}
	return text;
}

static void
close_listeners(struct tunnel *tunnel)
{
	while (tunnel->n_listeners > 0)
		net_listener_close(tunnel->listeners[--tunnel->n_listeners]);
	side_listener_close(tunnel->far, false);
	tunnel->far = NULL;
	tunnel->started = NULL;
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
