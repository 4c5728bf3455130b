/*
 * The near side: sockets of this host.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "net/sock.h"
#include "tunnel/ports.h"
#include "tunnel/side.h"

struct near_side {
	struct side side;
	uv_loop_t *loop;
	struct net *net;
};

/* Its first callback comes by a timer, because it must not come from inside
 * side_listen(). */
struct near_listener {
	struct side_listener base;
	struct net_listener *net; /* NULL: it failed, or is finished */
	const struct side_listener_handler *handler;
	void *ctx;
	bool many;
	bool foreign;
	struct ports *ports;
	uint16_t port; /* of ports, or 0 */
	uv_timer_t soon;
	int err;
	char why[128];
};

static struct stream *
near_dial(struct side *side, const struct side_to *to,
    const struct stream_handler *handler, void *ctx)
{
	struct near_side *near = (struct near_side *)side;

	return net_dial_host(near->net, to->host, to->port, to->from, handler,
	    ctx);
}

static void
near_ends(const struct stream *stream, struct addr *ret_local,
    struct addr *ret_peer)
{
	*ret_local = net_stream_local(stream);
	*ret_peer = net_stream_peer(stream);
}

/* ---- listening ---- */

static void
near_stop_listening(struct near_listener *listener)
{
	net_listener_close(listener->net);
	listener->net = NULL;
}

static void
near_on_accept(void *ctx, struct stream *stream)
{
	struct near_listener *listener = ctx;
	struct addr local = net_stream_local(stream);
	struct addr peer = net_stream_peer(stream);
	bool taken;

	if (peer.family == AF_UNSPEC) {
		/* The connection is gone already; else its peer would be
		 * known. */
		stream_close(stream);
		if (listener->handler->vanished != NULL)
			listener->handler->vanished(listener->ctx);
		return;
	}
	taken =
	    listener->handler->accepted(listener->ctx, stream, &local, &peer);
	if (taken && !listener->many)
		near_stop_listening(listener);
}

static void
near_on_soon(uv_timer_t *timer)
{
	struct near_listener *listener = timer->data;
	struct addr at, none = { .family = AF_UNSPEC };

	if (listener->err == 0)
		listener->err = net_listener_start(listener->net);
	if (listener->err != 0) {
		listener->handler->failed(listener->ctx, listener->err,
		    listener->why[0] != '\0' ? listener->why :
					       strerror(-listener->err));
		return;
	}
	at = net_listener_addr(listener->net);
	if (at.family == AF_INET)
		listener->handler->listening(listener->ctx, &at, &none);
	else
		listener->handler->listening(listener->ctx, &none, &at);
}

/* 0 or a negative errno. */
static int
bind_at(struct near_listener *listener, const struct addr *at)
{
	struct near_side *near = (struct near_side *)listener->base.side;
	int err = 0;

	listener->net =
	    net_listen(near->net, at, listener->foreign ? NET_FOREIGN : 0,
		near_on_accept, listener, &err);
	return err;
}

static void
say_no_port(struct near_listener *listener)
{
	unsigned low = ports_low(listener->ports);
	unsigned high = ports_high(listener->ports);
	char range[16];

	snprintf(range, sizeof(range), low == high ? "%u" : "%u-%u", low, high);
	snprintf(listener->why, sizeof(listener->why),
	    "all ports of --client-ports %s are in use", range);
}

/* Binds a port of the range that is free on this host; each is tried once.  0
 * or a negative errno. */
static int
bind_one_of(struct near_listener *listener, struct addr at)
{
	uint16_t first = 0, port;
	int err = -EADDRINUSE;

	while ((port = ports_take(listener->ports)) != 0) {
		if (port == first) {
			ports_give(listener->ports, port);
			break;
		}
		at.port = port;
		err = bind_at(listener, &at);
		if (err == 0) {
			listener->port = port;
			return 0;
		}
		ports_give(listener->ports, port);
		if (err != -EADDRINUSE)
			break;
		if (first == 0)
			first = port;
	}
	if (err == -EADDRINUSE)
		say_no_port(listener);
	else if (err == -EACCES)
		snprintf(listener->why, sizeof(listener->why),
		    "port %u of --client-ports needs root; use ports from "
		    "1024 up",
		    port);
	return err;
}

static int
near_bind_where(struct near_listener *listener, const struct side_at *where)
{
	struct addr at;

	if (addr_parse_ip(where->host, &at) != 0) {
		snprintf(listener->why, sizeof(listener->why),
		    "\"%.64s\" is not an address", where->host);
		return -EINVAL;
	}
	at.port = where->port;
	if (at.port == 0 && where->ports != NULL)
		return bind_one_of(listener, at);
	return bind_at(listener, &at);
}

static struct side_listener *
near_listen(struct side *side, const struct side_at *at,
    const struct side_listener_handler *handler, void *ctx)
{
	struct near_side *near = (struct near_side *)side;
	struct near_listener *listener = calloc(1, sizeof(*listener));

	if (listener == NULL)
		return NULL;
	listener->base.side = side;
	listener->handler = handler;
	listener->ctx = ctx;
	listener->many = at->many;
	listener->foreign = at->foreign;
	listener->ports = at->ports;
	listener->err = near_bind_where(listener, at);
	uv_timer_init(near->loop, &listener->soon);
	listener->soon.data = listener;
	uv_timer_start(&listener->soon, near_on_soon, 0, 0);
	return &listener->base;
}

static void
near_on_listener_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void
near_unlisten(struct side_listener *base, bool reusable)
{
	struct near_listener *listener = (struct near_listener *)base;

	near_stop_listening(listener);
	if (listener->port != 0)
		ports_give(listener->ports, listener->port);
	uv_close((uv_handle_t *)&listener->soon, near_on_listener_closed);
}

/* ---- the side ---- */

static void
near_free(struct side *side)
{
	free(side);
}

struct side *
near_side_new(struct uv_loop_s *loop, struct net *net)
{
	static const struct side_ops ops = {
		.dial = near_dial,
		.ends = near_ends,
		.listen = near_listen,
		.unlisten = near_unlisten,
		.free = near_free,
	};
	struct near_side *near = calloc(1, sizeof(*near));

	if (near == NULL)
		return NULL;
	near->side.ops = &ops;
	near->side.name = "this host";
	near->side.sees_delivery = true;
	near->loop = loop;
	near->net = net;
	return &near->side;
}
