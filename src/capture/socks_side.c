/*
 * The side toward SOCKS clients: the ports that exist only in requests.
 */
#include "capture/socks_side.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "capture/socks_priv.h"
#include "limits.h"

/* ---- listening ---- */

static void
socks_side_on_soon(uv_timer_t *timer)
{
	static const struct addr none = { .family = AF_UNSPEC };
	struct socks_listener *listener = timer->data;

	if (listener->port != 0)
		listener->handler->listening(listener->ctx, &listener->at,
		    &none);
	else
		listener->handler->failed(listener->ctx, -EADDRINUSE,
		    "all ports for SOCKS clients are in use");
}

/* An IPv4 address in any case, because PASV has no other (RFC 959); the reply
 * to EPSV has only the port. */
static struct addr
told_address(const char *host, uint16_t port)
{
	struct addr at;

	if (addr_parse_ip(host, &at) != 0 || at.family != AF_INET)
		at = addr_loopback(AF_INET, 0);
	at.port = port;
	return at;
}

static struct side_listener *
socks_side_listen(struct side *base, const struct side_at *at,
    const struct side_listener_handler *handler, void *ctx)
{
	struct socks_side *side = (struct socks_side *)base;
	struct socks_listener *listener = calloc(1, sizeof(*listener));

	if (listener == NULL)
		return NULL;
	assert(!at->many && at->client != NULL);
	listener->base.side = base;
	listener->client = *at->client;
	listener->handler = handler;
	listener->ctx = ctx;
	listener->port = ports_take(side->hub->ports);
	listener->at = told_address(at->host, listener->port);
	LIST_INSERT_HEAD(&side->hub->listeners, listener, entry);
	uv_timer_init(side->hub->loop, &listener->soon);
	listener->soon.data = listener;
	uv_timer_start(&listener->soon, socks_side_on_soon, 0, 0);
	return &listener->base;
}

static void
socks_side_on_listener_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void
socks_side_unlisten(struct side_listener *base, bool reusable)
{
	struct socks_listener *listener = (struct socks_listener *)base;
	struct socks_side *side = (struct socks_side *)base->side;

	LIST_REMOVE(listener, entry);
	if (listener->port != 0)
		ports_give(side->hub->ports, listener->port);
	uv_close((uv_handle_t *)&listener->soon, socks_side_on_listener_closed);
}

struct socks_listener *
socks_hub_listener(const struct socks_hub *hub, uint16_t port)
{
	struct socks_listener *listener;

	LIST_FOREACH (listener, &hub->listeners, entry)
		if (port != 0 && listener->port == port)
			break;
	return listener;
}

void
socks_listener_take(struct socks_listener *listener, struct stream *stream,
    const struct addr *local, const struct addr *peer)
{
	/* The loop frees it later, if the callee closes it. */
	listener->taken =
	    listener->handler->accepted(listener->ctx, stream, local, peer);
}

/* ---- connecting ---- */

static struct stream *
socks_side_dial(struct side *base, const struct side_to *to,
    const struct stream_handler *handler, void *ctx)
{
	struct socks_side *side = (struct socks_side *)base;
	struct socks_client *client;
	struct stream *stream;

	assert(to->client != NULL);
	client = socks_client_bound(side, to->port, to->client);
	if (client == NULL)
		return side_dial(side->config.near, to, handler, ctx);
	stream = socks_client_serve(client);
	if (stream != NULL)
		net_stream_reopen(stream, handler, ctx);
	return stream;
}

static void
socks_side_ends(const struct stream *stream, struct addr *ret_local,
    struct addr *ret_peer)
{
	*ret_local = net_stream_local(stream);
	*ret_peer = net_stream_peer(stream);
}

/* ---- life ---- */

void
socks_side_close(struct side *base)
{
	struct socks_side *side = (struct socks_side *)base;

	if (side == NULL)
		return;
	socks_clients_drop(side->hub, side);
	log_limit_end(&side->refusals,
	    &(struct log_origin) { .tunnel = side->config.log_name });
	side->config.log_name = NULL;
	side->config.policy = NULL;
	side->config.router = NULL;
	side->tunnel = NULL;
}

static void
socks_side_free(struct side *base)
{
	free(base);
}

struct side *
socks_side_new(struct socks_hub *hub, const struct socks_config *config)
{
	static const struct side_ops ops = {
		.dial = socks_side_dial,
		.ends = socks_side_ends,
		.listen = socks_side_listen,
		.unlisten = socks_side_unlisten,
		.free = socks_side_free,
	};
	struct socks_side *side = calloc(1, sizeof(*side));

	if (side == NULL)
		return NULL;
	side->side.ops = &ops;
	side->side.name = "this host";
	side->side.sees_delivery = true;
	side->side.has_own_ports = true;
	side->hub = hub;
	side->config = *config;
	side->refusals.noun = "refused SOCKS client";
	return &side->side;
}

void
socks_side_set_tunnel(struct side *base, struct tunnel *tunnel)
{
	((struct socks_side *)base)->tunnel = tunnel;
}

struct socks_hub *
socks_hub_new(uv_loop_t *loop, struct net *net)
{
	struct socks_hub *hub = calloc(1, sizeof(*hub));

	if (hub == NULL)
		return NULL;
	hub->ports = ports_new(LIMIT_SOCKS_PORT_LOW, LIMIT_SOCKS_PORT_HIGH);
	if (hub->ports == NULL) {
		free(hub);
		return NULL;
	}
	hub->loop = loop;
	hub->net = net;
	LIST_INIT(&hub->listeners);
	LIST_INIT(&hub->clients);
	return hub;
}

void
socks_hub_free(struct socks_hub *hub)
{
	if (hub == NULL)
		return;
	assert(LIST_EMPTY(&hub->listeners) && LIST_EMPTY(&hub->clients));
	ports_free(hub->ports);
	free(hub);
}
