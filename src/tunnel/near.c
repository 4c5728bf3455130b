/*
 * The near side: sockets of this host.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "net/sock.h"
#include "tunnel/side.h"

struct near_side {
	struct side side;
	uv_loop_t *loop;
	struct net *net;
};

/* A listener, and its first callback, which must not come from inside
 * side_listen().  The timer's handle keeps it until the loop has let go. */
struct near_listener {
	struct side_listener base;
	struct net_listener *net;
	const struct side_listener_handler *handler;
	void *ctx;
	uv_timer_t soon;
	int err;
};

static struct stream *
dial(struct side *side, const char *host, uint16_t port,
    const struct addr *from, const struct stream_handler *handler, void *ctx)
{
	struct near_side *near = (struct near_side *)side;
	struct addr to;
	int err;

	if (addr_parse_ip(host, &to) != 0)
		return NULL;
	to.port = port;
	return net_dial(near->net, &to, from, handler, ctx, &err);
}

static void
on_accept(void *ctx, struct stream *stream)
{
	struct near_listener *listener = ctx;
	struct addr local = net_stream_local(stream);
	struct addr peer = net_stream_peer(stream);

	listener->handler->accepted(listener->ctx, stream, &local, &peer);
}

static void
on_soon(uv_timer_t *timer)
{
	struct near_listener *listener = timer->data;
	struct addr at, none = { .family = AF_UNSPEC };

	if (listener->net != NULL && listener->err == 0)
		listener->err = net_listener_start(listener->net);
	if (listener->net == NULL || listener->err != 0) {
		listener->handler->failed(listener->ctx, listener->err,
		    strerror(-listener->err));
		return;
	}
	at = net_listener_addr(listener->net);
	if (at.family == AF_INET)
		listener->handler->listening(listener->ctx, &at, &none);
	else
		listener->handler->listening(listener->ctx, &none, &at);
}

static struct side_listener *
listen_near(struct side *side, const struct addr *at,
    const struct side_listener_handler *handler, void *ctx)
{
	struct near_side *near = (struct near_side *)side;
	struct near_listener *listener = calloc(1, sizeof(*listener));

	if (listener == NULL)
		return NULL;
	listener->base.side = side;
	listener->handler = handler;
	listener->ctx = ctx;
	listener->net = net_listen(near->net, at, false, on_accept, listener,
	    &listener->err);
	uv_timer_init(near->loop, &listener->soon);
	listener->soon.data = listener;
	uv_timer_start(&listener->soon, on_soon, 0, 0);
	return &listener->base;
}

static void
on_listener_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void
unlisten(struct side_listener *base, bool reusable)
{
	struct near_listener *listener = (struct near_listener *)base;

	(void)reusable;
	net_listener_close(listener->net);
	uv_close((uv_handle_t *)&listener->soon, on_listener_closed);
}

static void
free_near(struct side *side)
{
	free(side);
}

struct side *
near_side_new(struct uv_loop_s *loop, struct net *net)
{
	static const struct side_ops ops = {
		.dial = dial,
		.listen = listen_near,
		.unlisten = unlisten,
		.free = free_near,
	};
	struct near_side *near = calloc(1, sizeof(*near));

	if (near == NULL)
		return NULL;
	near->side.ops = &ops;
	near->loop = loop;
	near->net = net;
	return &near->side;
}
