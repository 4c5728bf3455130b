/*
 * A remote tunnel: sshd listens.  When the link was lost and is up again, sshd
 * is requested to listen at the same port, repeatedly until it does, because
 * the dead connection may keep the port for a while.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "limits.h"
#include "ssh/reconnect.h"
#include "tunnel/session.h"

/* A reason for tunnel_say_cannot(). */
static const char allow_missing_far[] =
    "clients of other hosts could connect; --allow FROM says where they are "
    "(an address or a network, repeatable; 0.0.0.0/0 and ::/0 for anywhere). "
    "sshd does not tell who connects, so this does not restrict who "
    "connects, only where data connections to clients may go";

/* Is that address of the SSH server its loopback address? */
static bool
is_far_loopback(const char *host)
{
	struct addr at;

	return strcmp(host, "localhost") == 0 ||
	    (addr_parse_ip(host, &at) == 0 && addr_is_loopback(&at));
}

const char *
tunnel_remote_wrong(const struct policy *policy, const char *host)
{
	struct addr at = { .family = AF_UNSPEC };
	bool all = strcmp(host, "*") == 0;

	if (*host == '\0' || is_far_loopback(host))
		return NULL;
	if (!all && addr_parse_ip(host, &at) != 0)
		return "the bind address must not be a host name, because "
		       "replies to PASV contain it; use an IP address, "
		       "localhost or *";
	if (policy->n_allow == 0)
		return allow_missing_far;
	if ((all || addr_is_any(&at)) &&
	    policy->client_address.family == AF_UNSPEC)
		return "replies to PASV contain an address of the SSH server, "
		       "and culvert does not know which one its FTP clients "
		       "see; set it with --client-address ADDR, or as the bind "
		       "address";
	if (policy->client_data_host_control)
		return "--client-data-host control needs the addresses of "
		       "clients, and sshd does not tell them";
	return NULL;
}

int
tunnel_remote_make(struct tunnel *tunnel, char *why, size_t why_size)
{
	static const struct subnet loopback[] = {
		{ { .family = AF_INET, .ip = { 127 } }, 8 },
		{ { .family = AF_INET6, .ip = { [15] = 1 } }, 128 },
	};
	const struct tunnel_options *options = &tunnel->options;
	const char *host = options->bind, *wrong;

	if (*host == '\0')
		host = "localhost";
	wrong = tunnel_remote_wrong(options->policy, host);
	if (wrong != NULL) {
		tunnel_say_cannot(tunnel, wrong, why, why_size);
		return -1;
	}
	tunnel->listen_at = host;
	tunnel->networks = options->policy->allow;
	tunnel->n_networks = options->policy->n_allow;
	if (is_far_loopback(host)) {
		tunnel->networks = loopback;
		tunnel->n_networks = 2;
	}
	return 0;
}

static void tunnel_remote_listen(struct tunnel *tunnel);

static void
tell_started(struct tunnel *tunnel, const char *why)
{
	tunnel_started_cb *started = tunnel->remote.started;

	tunnel->remote.started = NULL;
	started(tunnel->remote.started_ctx, tunnel, why);
}

static void
tunnel_remote_on_listening(void *ctx, const struct addr *v4,
    const struct addr *v6)
{
	struct tunnel *tunnel = ctx;
	const struct log_origin origin = { .tunnel = tunnel->options.name };
	char text[TUNNEL_LISTENERS_MAX * ADDR_TEXT_MAX];

	tunnel->remote.at = v4->family != AF_UNSPEC ? *v4 : *v6;
	if (tunnel->remote.started != NULL) {
		tell_started(tunnel, NULL);
		return;
	}
	log_line(tunnel->remote.told ? LOG_LEVEL_WARN : LOG_LEVEL_VERBOSE,
	    &origin, "listening on %s of the SSH server again",
	    tunnel_address(tunnel, text, sizeof(text)));
	tunnel->remote.told = false;
}

static bool
tunnel_remote_on_accepted(void *ctx, struct stream *stream,
    const struct addr *local, const struct addr *peer)
{
	struct tunnel *tunnel = ctx;
	struct arrival arrival = {
		.stream = stream,
		.local = *local,
		.peer = *peer,
	};

	arrival.place = tunnel_admit(tunnel, &arrival);

	return arrival.place != NULL && session_begin(tunnel, &arrival);
}

static void
tunnel_remote_on_pause_over(uv_timer_t *timer)
{
	struct tunnel *tunnel = timer->data;

	side_listener_close(tunnel->remote.listener, false);
	tunnel->remote.listener = NULL;
	if (reconnect_is_up(tunnel->options.reconnect))
		tunnel_remote_listen(tunnel);
}

/* sshd refuses to listen, or does not listen any more. */
static void
listen_later(struct tunnel *tunnel, const char *why)
{
	const struct log_origin origin = { .tunnel = tunnel->options.name };
	uint64_t ms = pause_after(&tunnel->remote.pause, 0);

	log_line(tunnel->remote.told ? LOG_LEVEL_VERBOSE : LOG_LEVEL_WARN,
	    &origin, "%s; retrying in %.1f s%s", why, (double)ms / 1000,
	    tunnel->remote.told ? "" : ", then repeatedly");
	tunnel->remote.told = true;
	uv_timer_start(&tunnel->remote.timer, tunnel_remote_on_pause_over, ms,
	    0);
}

static void
tunnel_remote_on_failed(void *ctx, int err, const char *reason)
{
	struct tunnel *tunnel = ctx;
	char why[1024];

	tunnel_say_cannot(tunnel, reason, why, sizeof(why));
	if (!reconnect_is_up(tunnel->options.reconnect))
		/* The loss of the link is reported elsewhere; the tunnel can
		 * still start on the next link. */
		log_verbose("%s", why);
	else if (tunnel->remote.started != NULL && !tunnel->options.patient)
		tell_started(tunnel, why);
	else
		listen_later(tunnel, why);
}

static void
tunnel_remote_listen(struct tunnel *tunnel)
{
	static const struct side_listener_handler handler = {
		.listening = tunnel_remote_on_listening,
		.accepted = tunnel_remote_on_accepted,
		.failed = tunnel_remote_on_failed,
	};
	struct side_at at = {
		.host = tunnel->listen_at,
		.port = tunnel->options.port,
		.many = true,
	};

	/* Again the port that clients know. */
	if (tunnel->remote.at.family != AF_UNSPEC)
		at.port = tunnel->remote.at.port;
	tunnel->remote.listener =
	    side_listen(tunnel->options.side, &at, &handler, tunnel);
	if (tunnel->remote.listener == NULL)
		tunnel_remote_on_failed(tunnel, -ENOMEM, strerror(ENOMEM));
}

void
tunnel_remote_start(struct tunnel *tunnel, tunnel_started_cb *started,
    void *ctx)
{
	tunnel->remote.started = started;
	tunnel->remote.started_ctx = ctx;
	tunnel_remote_up(tunnel);
}

void
tunnel_remote_up(struct tunnel *tunnel)
{
	pause_init(&tunnel->remote.pause, LIMIT_RECONNECT_PAUSE_MS,
	    LIMIT_RECONNECT_PAUSE_MAX_MS);
	tunnel_remote_listen(tunnel);
}

void
tunnel_remote_down(struct tunnel *tunnel)
{
	uv_timer_stop(&tunnel->remote.timer);
	side_listener_close(tunnel->remote.listener, false);
	tunnel->remote.listener = NULL;
}

bool
tunnel_is_retrying(const struct tunnel *tunnel)
{
	return tunnel->remote.told;
}

void
tunnel_remote_close(struct tunnel *tunnel)
{
	tunnel_remote_down(tunnel);
	tunnel->remote.started = NULL;
}
