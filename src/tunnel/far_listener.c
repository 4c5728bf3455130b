/*
 * One listener of the far side: a remote forward of sshd to a Unix socket of
 * ours.
 *
 *	MAKING -- it listens --> READY -- lent and taken back repeatedly
 *	   |                       |
 *	   |                       +-- its link is lost -------> DEAD
 *	   +-- refused, or not where it should be, or lost --> DEAD
 *
 * If the link is lost, an idle listener is freed.  One that is being made is
 * requested again on another link, if any port will do.  Otherwise the borrower
 * is told.
 */
#include "tunnel/far_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* "DIRECTORY/fNUMBER", with "s" for "f" if the side spreads; or
 * "DIRECTORY/PORT@HOST". */
#define PATH_MAX_LEN 108

static void make_forward(struct far_listener *listener);

const char *
far_listener_describe(const struct far_listener *listener, char *text,
    size_t size)
{
	snprintf(text, size, "port %u of the SSH server%s", listener->port,
	    far_is_beyond_loopback(listener) ? "" : "'s loopback");
	return text;
}

/* ---- what its borrower is told ---- */

static void
tell_listening(struct far_listener *listener)
{
	struct addr v4 = { .family = AF_INET }, v6 = { .family = AF_INET6 };
	struct addr addr;

	if (far_has_host(listener, "localhost")) {
		v4 = addr_loopback(AF_INET, 0);
		v6 = addr_loopback(AF_INET6, 0);
		if (listener->only_v6)
			v4.family = AF_UNSPEC;
	} else if (addr_parse_ip(listener->host, &addr) == 0) {
		v4.family = v6.family = AF_UNSPEC;
		*(addr.family == AF_INET ? &v4 : &v6) = addr;
	}
	v4.port = v6.port = listener->port;
	listener->handler->listening(listener->ctx, &v4, &v6);
}

void
far_listener_ready(struct far_listener *listener)
{
	listener->state = FAR_READY;
	tell_listening(listener);
}

/* Counts the listener as a data connection of its link, or stops that. */
static void
far_listener_hold(struct far_listener *listener, bool held)
{
	struct far_side *far = (struct far_side *)listener->base.side;

	if (listener->ssh == NULL || listener->held == held || listener->many ||
	    listener->spare)
		return;
	listener->held = held;
	if (held)
		links_hold(far->links, listener->ssh);
	else
		links_release(far->links, listener->ssh);
}

/* No link carries the listener any more. */
static void
leave_link(struct far_listener *listener)
{
	far_listener_hold(listener, false);
	listener->ssh = NULL;
}

void
far_listener_fail(struct far_listener *listener, int err, const char *why)
{
	leave_link(listener);
	listener->state = FAR_DEAD;
	listener->handler->failed(listener->ctx, err, why);
}

/* Calls the handler, from the loop. */
static void
far_listener_on_timer(uv_timer_t *timer)
{
	struct far_listener *listener = timer->data;

	if (listener->state == FAR_DEAD)
		far_listener_fail(listener, listener->err,
		    listener->err == -EOPNOTSUPP ? FAR_NO_FORWARDS :
						   strerror(-listener->err));
	else
		tell_listening(listener);
}

/* ---- its life ---- */

void
far_listener_make_again(struct far_listener *listener)
{
	link_forward_close(listener->forward);
	net_listener_close(listener->net);
	listener->forward = NULL;
	listener->net = NULL;
	make_forward(listener);
}

/* The link is lost, and the forward with it. */
static void
far_listener_lost(struct far_listener *listener, int err, const char *why)
{
	struct far_side *far = (struct far_side *)listener->base.side;
	bool making = listener->state == FAR_MAKING;
	struct link *other = NULL;

	far_probe_end(listener);
	leave_link(listener);
	if (listener->handler == NULL) {
		LIST_REMOVE(listener, link);
		far_listener_free(listener);
		return;
	}
	if (making && !listener->spare && !far_is_public(listener) &&
	    listener->makes < FAR_MAKES_MAX)
		other = far_link_for_data(far);
	if (other == NULL) {
		far_listener_fail(listener, err, why);
		return;
	}
	listener->ssh = other;
	far_listener_hold(listener, true);
	far_listener_make_again(listener);
}

static void
far_listener_on_forward(void *ctx, uint16_t port, int err, const char *why)
{
	struct far_listener *listener = ctx;

	if (port == 0 && listener->state == FAR_DEAD)
		return; /* its borrower knows */
	if (port == 0 && err == -ECONNRESET) {
		far_listener_lost(listener, err, why);
		return;
	}
	if (port == 0) {
		far_listener_fail(listener, err, why);
		return;
	}
	listener->port = port;
	/* Another program may have the port, and would take the probe for its
	 * client: an FTP server accepts only one connection at a passive port.
	 * So if forwards of the link have worked, a plain one is not probed. */
	if (far_is_plain(listener) &&
	    link_info(listener->ssh)->forwards == LINK_FORWARDS_WORK)
		far_listener_ready(listener);
	else
		far_probe_start(listener, FAR_AS_REQUESTED);
}

/*
 * sshd does not say who connects.  So the first connection that comes while a
 * data connection waits is taken.
 */
static void
far_listener_on_accept(void *ctx, struct stream *stream)
{
	struct far_listener *listener = ctx;
	struct far_side *far = (struct far_side *)listener->base.side;
	struct addr none = { .family = AF_UNSPEC };
	char place[64];

	if (listener->ssh != NULL)
		link_info(listener->ssh)->forwards = LINK_FORWARDS_WORK;
	if (listener->state == FAR_MAKING) {
		stream_close(stream);
		listener->probe.arrived = true;
		far_probe_step(listener);
		return;
	}
	far_listener_describe(listener, place, sizeof(place));
	if (listener->state == FAR_DEAD || listener->handler == NULL) {
		if (log_limit_allows(&far->refusals, uv_now(far->loop), NULL))
			log_warn("refused a connection to %s: no data "
				 "connection is expected there",
			    place);
		stream_reset(stream);
		return;
	}
	if (listener->accepted && !listener->many) {
		stream_reset(stream);
		listener->handler->second(listener->ctx, place);
		return;
	}
	/* Before the call, in which the listener may be given back. */
	listener->accepted = true;
	if (!listener->handler->accepted(listener->ctx, stream, &none, &none))
		listener->accepted = false;
}

/*
 * Each forward has its own path, but for a given port it is always the same: if
 * sshd has refused that port and it is requested again, ssh uses the path of
 * the first request.
 */
static void
name_path(const struct far_listener *listener, char path[PATH_MAX_LEN])
{
	struct far_side *far = (struct far_side *)listener->base.side;

	if (listener->wanted != 0)
		snprintf(path, PATH_MAX_LEN, "%s/%u@%s", far->directory,
		    listener->wanted, listener->host);
	else
		snprintf(path, PATH_MAX_LEN, "%s/%c%lu", far->directory,
		    far->spread ? 's' : 'f', ++far->last_path);
}

/* Reports the failure after the caller has returned. */
static void
fail_later(struct far_listener *listener, int err)
{
	leave_link(listener);
	listener->err = err;
	listener->state = FAR_DEAD;
	uv_timer_start(&listener->timer, far_listener_on_timer, 0, 0);
}

static void
make_forward(struct far_listener *listener)
{
	struct far_side *far = (struct far_side *)listener->base.side;
	char path[PATH_MAX_LEN];

	listener->makes++;
	name_path(listener, path);
	if (listener->wanted == 0 && listener->ssh != NULL &&
	    link_info(listener->ssh)->forwards == LINK_FORWARDS_FAIL) {
		fail_later(listener, -EOPNOTSUPP);
		return;
	}
	listener->net = net_listen_unix(far->net, path, far_listener_on_accept,
	    listener, &listener->err);
	if (listener->net != NULL)
		listener->err = net_listener_start(listener->net);
	if (listener->net != NULL && listener->err == 0) {
		if (listener->ssh != NULL)
			listener->forward = link_forward_open(listener->ssh,
			    listener->host, listener->wanted, path,
			    far_listener_on_forward, listener);
		if (listener->forward != NULL)
			return;
		listener->err = -ENOTCONN;
	}
	fail_later(listener, listener->err);
}

struct far_listener *
far_listener_new(struct far_side *far, struct link *ssh,
    const struct side_at *at, const struct side_listener_handler *handler,
    void *ctx)
{
	struct far_listener *listener = calloc(1, sizeof(*listener));

	if (listener == NULL)
		return NULL;
	listener->host = strdup(at->host);
	if (listener->host == NULL) {
		free(listener);
		return NULL;
	}
	listener->base.side = &far->side;
	listener->wanted = at->port;
	listener->many = at->many;
	listener->handler = handler;
	listener->spare = ctx == NULL;
	listener->ctx = ctx != NULL ? ctx : listener;
	uv_timer_init(far->loop, &listener->timer);
	listener->timer.data = listener;
	listener->ssh = ssh;
	far_listener_hold(listener, true);
	make_forward(listener);
	return listener;
}

void
far_listener_lend(struct far_listener *listener,
    const struct side_listener_handler *handler, void *ctx)
{
	listener->handler = handler;
	listener->ctx = ctx;
	listener->accepted = false;
	listener->spare = false;
	far_listener_hold(listener, true);
	if (listener->state == FAR_READY)
		uv_timer_start(&listener->timer, far_listener_on_timer, 0, 0);
}

/* If nobody has connected to it, a connection may still be on the way, which
 * must not reach the next borrower; so it is not lent again. */
bool
far_listener_take_back(struct far_listener *listener)
{
	listener->handler = NULL;
	uv_timer_stop(&listener->timer);
	far_listener_hold(listener, false);
	if (listener->spare) { /* no peer knows its port */
		listener->spare = false;
		return listener->state == FAR_READY;
	}
	return listener->state == FAR_READY && listener->accepted &&
	    !far_is_public(listener);
}

static void
far_listener_on_freed(uv_handle_t *handle)
{
	struct far_listener *listener = handle->data;

	free(listener->host);
	free(listener);
}

void
far_listener_free(struct far_listener *listener)
{
	stream_close(listener->probe.stream);
	link_forward_close(listener->forward);
	net_listener_close(listener->net);
	uv_close((uv_handle_t *)&listener->timer, far_listener_on_freed);
}
