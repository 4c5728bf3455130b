/*
 * The far side: channels of the link, and remote forwards to Unix sockets.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <uv.h>

#include "base/log.h"
#include "limits.h"
#include "net/sock.h"
#include "ssh/link.h"
#include "tunnel/side.h"

/* "<directory>/f<number>" */
#define PATH_MAX_LEN 108

/* How often a forward is made anew when sshd got only half of one. */
#define PROBES_MAX 8

/* What a listener is still to see of its probe. */
enum probe_state {
	PROBE_NONE,
	PROBE_SENT,	/* neither the answer nor the connection */
	PROBE_OPENED,	/* sshd has connected, we have not accepted */
	PROBE_ACCEPTED, /* the other way round */
};

/*
 * One remote forward and its Unix socket.  It is lent to one data connection
 * at a time; between loans (handler == NULL) it stands in far_side.idle.
 *
 * sshd opens a forward on "localhost" as ::1 and 127.0.0.1 with one port, which
 * it takes from ::1.  When that port is not free on 127.0.0.1 (a connection or
 * its TIME_WAIT has it, on a busy host often), it says success all the same.
 * So each new forward is probed once, by a dial to 127.0.0.1 and its port,
 * and made anew when nobody is there.
 */
struct far_listener {
	struct side_listener base;
	LIST_ENTRY(far_listener) link;
	struct net_listener *net;
	struct link_forward *forward;
	uint16_t port; /* sshd's; 0 until it is known to be good */
	enum probe_state probing;
	uint16_t probed_port;
	unsigned probes; /* how many there were */
	struct stream *probe;
	bool only_v6;
	bool accepted; /* in this loan */
	bool dead;     /* its forward failed: never lent again */
	const struct side_listener_handler *handler;
	void *ctx;
	uv_timer_t soon; /* the callback that side_listen() owes */
	int err;
};

struct far_side {
	struct side side;
	uv_loop_t *loop;
	struct link *ssh;
	struct net *net;
	const char *directory;
	unsigned long last_path;
	LIST_HEAD(, far_listener) idle;
	size_t n_idle;
};

static void make_forward(struct far_side *far, struct far_listener *listener);

static struct stream *
dial(struct side *side, const char *host, uint16_t port,
    const struct addr *from, const struct stream_handler *handler, void *ctx)
{
	struct far_side *far = (struct far_side *)side;

	(void)from;
	return link_dial(far->ssh, host, port, handler, ctx);
}

/* ---- a listener's life ---- */

static void
on_listener_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void
destroy(struct far_listener *listener)
{
	stream_close(listener->probe);
	link_forward_close(listener->forward);
	net_listener_close(listener->net);
	uv_close((uv_handle_t *)&listener->soon, on_listener_closed);
}

static void
tell_listening(struct far_listener *listener)
{
	struct addr v4 = addr_loopback(AF_INET, listener->port);
	struct addr v6 = addr_loopback(AF_INET6, listener->port);

	if (listener->only_v6)
		v4.family = AF_UNSPEC;
	listener->handler->listening(listener->ctx, &v4, &v6);
}

/* ---- the probe of a new forward ---- */

static void
end_probe(struct far_listener *listener)
{
	uv_timer_stop(&listener->soon);
	stream_close(listener->probe);
	listener->probe = NULL;
	listener->probing = PROBE_NONE;
}

static void
probe_over(struct far_listener *listener)
{
	end_probe(listener);
	listener->port = listener->probed_port;
	tell_listening(listener);
}

/* It has come out here, and sshd says that it stands: in either order. */
static void
probe_step(struct far_listener *listener, enum probe_state step)
{
	if (listener->probing == PROBE_SENT)
		listener->probing = step;
	else if (listener->probing != step)
		probe_over(listener);
}

/* Nobody of ours listens on 127.0.0.1: asks for another forward. */
static void
probe_failed(struct far_listener *listener)
{
	struct far_side *far = (struct far_side *)listener->base.side;

	if (listener->probes == PROBES_MAX) {
		listener->only_v6 = true;
		probe_over(listener);
		return;
	}
	log_verbose("port %u of the SSH server's loopback is taken on "
		    "127.0.0.1: asking for another",
	    listener->probed_port);
	end_probe(listener);
	link_forward_close(listener->forward);
	net_listener_close(listener->net);
	listener->forward = NULL;
	listener->net = NULL;
	make_forward(far, listener);
}

static void
on_probe_lost(uv_timer_t *timer)
{
	probe_failed(timer->data);
}

/* Should the connection not come out here, the port is somebody else's. */
static void
on_probe_opened(void *ctx)
{
	struct far_listener *listener = ctx;

	uv_timer_start(&listener->soon, on_probe_lost, LIMIT_HOLD_ACCEPT_MS, 0);
	probe_step(listener, PROBE_OPENED);
}

/* Any other reason says nothing of the forward: PermitOpen may forbid it. */
static void
on_probe_closed(void *ctx, int err, const char *why)
{
	(void)why;
	if (err == -ECONNREFUSED)
		probe_failed(ctx);
	else
		probe_over(ctx);
}

static void
on_probe_data(void *ctx, const uint8_t *bytes, size_t len)
{
	(void)ctx;
	(void)bytes;
	(void)len;
}

static void
on_probe_nothing(void *ctx)
{
	(void)ctx;
}

static void
start_probe(struct far_listener *listener, uint16_t port)
{
	static const struct stream_handler handler = {
		.opened = on_probe_opened,
		.data = on_probe_data,
		.eof = on_probe_nothing,
		.drained = on_probe_nothing,
		.closed = on_probe_closed,
	};
	struct far_side *far = (struct far_side *)listener->base.side;

	listener->probes++;
	listener->probed_port = port;
	listener->probing = PROBE_SENT;
	listener->probe =
	    link_dial(far->ssh, "127.0.0.1", port, &handler, listener);
	if (listener->probe == NULL)
		probe_over(listener);
}

static void
on_forward(void *ctx, uint16_t port, int err, const char *why)
{
	struct far_listener *listener = ctx;
	char text[256];

	if (port == 0) {
		listener->dead = true;
		if (err == -EACCES) {
			snprintf(text, sizeof(text),
			    "sshd refused to listen (%s), see "
			    "AllowTcpForwarding, PermitListen (sshd_config) "
			    "and permitlisten (authorized_keys)",
			    why);
			why = text;
		}
		listener->handler->failed(listener->ctx, err, why);
		return;
	}
	start_probe(listener, port);
}

/*
 * Who connects cannot be told (the forward drops it), only when: while a data
 * connection awaits one, the first is taken.
 */
static void
on_accept(void *ctx, struct stream *stream)
{
	struct far_listener *listener = ctx;
	struct addr none = { .family = AF_UNSPEC };

	if (listener->probing == PROBE_SENT ||
	    listener->probing == PROBE_OPENED) {
		stream_close(stream);
		probe_step(listener, PROBE_ACCEPTED);
		return;
	}
	if (listener->handler == NULL || listener->accepted ||
	    listener->port == 0) {
		log_warn("refused a connection to port %u of the SSH server's "
			 "loopback: no data connection is expected there",
		    listener->port != 0 ? listener->port :
					  listener->probed_port);
		stream_reset(stream);
		return;
	}
	listener->accepted = true;
	listener->handler->accepted(listener->ctx, stream, &none, &none);
}

static void
on_soon(uv_timer_t *timer)
{
	struct far_listener *listener = timer->data;

	if (listener->dead)
		listener->handler->failed(listener->ctx, listener->err,
		    strerror(-listener->err));
	else
		tell_listening(listener);
}

static void
make_forward(struct far_side *far, struct far_listener *listener)
{
	char path[PATH_MAX_LEN];

	snprintf(path, sizeof(path), "%s/f%lu", far->directory,
	    ++far->last_path);
	listener->net = net_listen_unix(far->net, path, on_accept, listener,
	    &listener->err);
	if (listener->net != NULL)
		listener->err = net_listener_start(listener->net);
	if (listener->net != NULL && listener->err == 0) {
		listener->forward =
		    link_forward_open(far->ssh, path, on_forward, listener);
		if (listener->forward != NULL)
			return;
		listener->err = -ENOTCONN;
	}
	listener->dead = true;
	uv_timer_start(&listener->soon, on_soon, 0, 0);
}

static struct side_listener *
listen_far(struct side *side, const struct addr *at,
    const struct side_listener_handler *handler, void *ctx)
{
	struct far_side *far = (struct far_side *)side;
	struct far_listener *listener = LIST_FIRST(&far->idle);

	(void)at;
	if (listener != NULL) {
		LIST_REMOVE(listener, link);
		far->n_idle--;
		listener->handler = handler;
		listener->ctx = ctx;
		listener->accepted = false;
		uv_timer_start(&listener->soon, on_soon, 0, 0);
		return &listener->base;
	}
	listener = calloc(1, sizeof(*listener));
	if (listener == NULL)
		return NULL;
	listener->base.side = side;
	listener->handler = handler;
	listener->ctx = ctx;
	uv_timer_init(far->loop, &listener->soon);
	listener->soon.data = listener;
	make_forward(far, listener);
	return &listener->base;
}

/*
 * A listener that was not connected to may still have a connection on the way
 * to it, which must not reach the next who borrows it; so it goes.
 */
static void
unlisten(struct side_listener *base, bool reusable)
{
	struct far_listener *listener = (struct far_listener *)base;
	struct far_side *far = (struct far_side *)base->side;

	listener->handler = NULL;
	uv_timer_stop(&listener->soon);
	if (!reusable || !listener->accepted || listener->dead ||
	    listener->port == 0 || far->n_idle >= LIMIT_IDLE_FORWARDS) {
		destroy(listener);
		return;
	}
	LIST_INSERT_HEAD(&far->idle, listener, link);
	far->n_idle++;
}

/* ---- a clean end, or the death of ssh? ---- */

static enum side_end
check_end(struct side *side, side_check_cb *done, void *ctx,
    struct side_check **ret_check)
{
	struct far_side *far = (struct far_side *)side;
	struct link_alive *check = link_alive_check(far->ssh, done, ctx);

	if (check == NULL)
		return SIDE_END_LOST;
	*ret_check = (struct side_check *)check;
	return SIDE_END_ASKED;
}

static void
cancel_check(struct side_check *check)
{
	link_alive_cancel((struct link_alive *)check);
}

static void
free_far(struct side *side)
{
	struct far_side *far = (struct far_side *)side;
	struct far_listener *listener;

	while ((listener = LIST_FIRST(&far->idle)) != NULL) {
		LIST_REMOVE(listener, link);
		destroy(listener);
	}
	free(far);
}

struct side *
far_side_new(struct uv_loop_s *loop, struct link *link, struct net *net,
    const char *directory)
{
	static const struct side_ops ops = {
		.dial = dial,
		.listen = listen_far,
		.unlisten = unlisten,
		.check_end = check_end,
		.cancel_check = cancel_check,
		.free = free_far,
	};
	struct far_side *far = calloc(1, sizeof(*far));

	if (far == NULL)
		return NULL;
	far->side.ops = &ops;
	far->loop = loop;
	far->ssh = link;
	far->net = net;
	far->directory = directory;
	LIST_INIT(&far->idle);
	return &far->side;
}
