/*
 * One listener of the far side: a remote forward of sshd to a Unix socket of
 * ours.
 *
 *	MAKING -- it stands --> READY -- lent and taken back, again and again
 *	   |                      |
 *	   |                      +-- its link is lost --------> DEAD
 *	   +-- refused, or not where it should be, or lost --> DEAD
 *
 * Where sshd binds (channel_fwd_bind_addr() in channels.c; seen with 9.2):
 *
 *	asked for	GatewayPorts no    clientspecified    yes
 *	localhost	127.0.0.1, ::1     127.0.0.1, ::1     0.0.0.0, ::
 *	127.0.0.1, ::1	that one           that one           0.0.0.0, ::
 *	* (sent as "")	127.0.0.1, ::1     0.0.0.0, ::        0.0.0.0, ::
 *	an address	127.0.0.1, ::1     that one           0.0.0.0, ::
 *	not its own	127.0.0.1, ::1     it refuses         0.0.0.0, ::
 *
 * and it says yes without a word of where; also when it got only one of the two
 * because the port is taken on the other.  (A free port it takes from ::1 or
 * ::, and on a busy host that port is often not free in IPv4: a connection or
 * its TIME_WAIT has it.)  So each new forward is probed by a dial from the SSH
 * server to where it should be, and what comes out of our Unix socket meanwhile
 * is dropped.  When the dial is refused, or taken by somebody else, another one
 * to the loopback address tells whether sshd listens there instead, which is
 * its administrator's doing, or whether the port is taken, which another port
 * cures.  127.0.0.2 stands for "all addresses": on Linux it reaches 0.0.0.0,
 * and not 127.0.0.1.
 *
 * When its link is lost an idle one goes, one that is being made is made again
 * on another link, if it may be anywhere, and of all others the owner is told.
 */
#include "tunnel/far_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "limits.h"

/* "<directory>/f<number>"; "s" of the side that spreads;
 * "<directory>/<port>@<host>" */
#define PATH_MAX_LEN 108

/* Longest text for failed(): an address, and some words. */
#define WHY_MAX 512

/* How often a forward is made until one gets its port in all it should. */
#define MAKES_MAX 8

#define ALL_ADDRESSES_PROBE "127.0.0.2"

enum answer {
	ANSWER_HERE, /* it came out of our Unix socket */
	ANSWER_NOT_HERE,
	ANSWER_UNKNOWN, /* the dial is forbidden (PermitOpen), or the like */
};

static void make_forward(struct far_listener *listener);
static void ask(struct far_listener *listener, enum far_question question);

/* ---- where it should be ---- */

static bool
has_host(const struct far_listener *listener, const char *host)
{
	return strcmp(listener->host, host) == 0;
}

static bool
is_for_all(const struct far_listener *listener)
{
	return has_host(listener, "*") || has_host(listener, "0.0.0.0") ||
	    has_host(listener, "::");
}

/* GatewayPorts has a say in it. */
static bool
is_beyond_loopback(const struct far_listener *listener)
{
	return !has_host(listener, "localhost") &&
	    !has_host(listener, "127.0.0.1") && !has_host(listener, "::1");
}

/* Its port is known, or will be, to others than our peer: some of them may be
 * there before the probe is over. */
static bool
is_public(const struct far_listener *listener)
{
	return listener->many || listener->wanted != 0;
}

/* Where the dial that answers the question goes. */
static const char *
probe_host(const struct far_listener *listener, enum far_question question)
{
	static const struct {
		const char *host;
		const char *probe;
	} hosts[] = {
		{ "localhost", "127.0.0.1" }, { "*", ALL_ADDRESSES_PROBE },
		{ "0.0.0.0", ALL_ADDRESSES_PROBE },
		{ "::", "::1" }, /* IPv6 has one loopback address */
	};
	struct addr addr = { .family = AF_UNSPEC };

	if (question == FAR_SPREAD)
		return ALL_ADDRESSES_PROBE;
	if (question == FAR_FELL) {
		addr_parse_ip(listener->host, &addr);
		return addr.family == AF_INET6 ? "::1" : "127.0.0.1";
	}
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		if (has_host(listener, hosts[i].host))
			return hosts[i].probe;
	}
	return listener->host;
}

static const char *
describe(const struct far_listener *listener, char *text, size_t size)
{
	snprintf(text, size, "port %u of the SSH server%s", listener->port,
	    is_beyond_loopback(listener) ? "" : "'s loopback");
	return text;
}

/* ---- what its owner is told ---- */

static void
tell_listening(struct far_listener *listener)
{
	struct addr v4 = { .family = AF_INET }, v6 = { .family = AF_INET6 };
	struct addr addr;

	if (has_host(listener, "localhost")) {
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

static void
end_probe(struct far_listener *listener)
{
	uv_timer_stop(&listener->timer);
	stream_close(listener->probe);
	listener->probe = NULL;
	listener->question = FAR_NO_PROBE;
}

static void
get_ready(struct far_listener *listener)
{
	listener->state = FAR_READY;
	tell_listening(listener);
}

/* Counts the listener as a data connection of its link, or no more. */
static void
hold(struct far_listener *listener, bool held)
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

/* Nothing carries it any more. */
static void
leave_link(struct far_listener *listener)
{
	hold(listener, false);
	listener->ssh = NULL;
}

static void
fail(struct far_listener *listener, int err, const char *why)
{
	leave_link(listener);
	listener->state = FAR_DEAD;
	listener->handler->failed(listener->ctx, err, why);
}

/* ---- what follows from a probe ---- */

static void
make_again(struct far_listener *listener)
{
	link_forward_close(listener->forward);
	net_listener_close(listener->net);
	listener->forward = NULL;
	listener->net = NULL;
	make_forward(listener);
}

/* The port is somebody else's where we should be. */
static void
port_taken(struct far_listener *listener)
{
	char place[64], why[WHY_MAX];

	snprintf(why, sizeof(why), "%s is taken on %s",
	    describe(listener, place, sizeof(place)),
	    is_for_all(listener) ? "one of its addresses" :
				   probe_host(listener, FAR_STANDS));
	if (listener->wanted == 0 && listener->makes < MAKES_MAX) {
		log_verbose("%s: asking for another", why);
		make_again(listener);
	} else if (listener->wanted == 0 && has_host(listener, "localhost")) {
		listener->only_v6 = true;
		get_ready(listener);
	} else {
		fail(listener, -EADDRINUSE, why);
	}
}

static void
loopback_instead(struct far_listener *listener)
{
	bool all = is_for_all(listener);
	char why[WHY_MAX];

	snprintf(why, sizeof(why),
	    "sshd listens on its loopback address instead of %s: GatewayPorts "
	    "(sshd_config) must be clientspecified%s",
	    all ? "all" : listener->host,
	    all ? "" : ", and the address the SSH server's own");
	fail(listener, -EADDRNOTAVAIL, why);
}

static void
warn_spread(const struct far_listener *listener)
{
	log_warn("sshd listens at port %u on all its addresses, not only on "
		 "%s, because of GatewayPorts yes (sshd_config): whoever "
		 "reaches the SSH server can connect",
	    listener->port, listener->host);
}

static void
answered(struct far_listener *listener, enum answer answer)
{
	enum far_question question = listener->question;

	end_probe(listener);
	if (question == FAR_FELL) {
		if (answer == ANSWER_NOT_HERE)
			port_taken(listener);
		else
			loopback_instead(listener);
	} else if (question == FAR_SPREAD) {
		if (answer == ANSWER_HERE)
			warn_spread(listener);
		get_ready(listener);
	} else if (answer == ANSWER_NOT_HERE) {
		if (is_beyond_loopback(listener))
			ask(listener, FAR_FELL);
		else
			port_taken(listener);
	} else if (answer == ANSWER_HERE && listener->many &&
	    !is_for_all(listener)) {
		ask(listener, FAR_SPREAD);
	} else {
		get_ready(listener);
	}
}

/* A probe takes too long; or the callback is due that was owed. */
static void
on_timer(uv_timer_t *timer)
{
	struct far_listener *listener = timer->data;

	if (listener->question != FAR_NO_PROBE)
		answered(listener, ANSWER_NOT_HERE);
	else if (listener->state == FAR_DEAD)
		fail(listener, listener->err, strerror(-listener->err));
	else
		tell_listening(listener);
}

/* ---- a probe ---- */

/*
 * It is ours when it is open there and has come out here.  Where others may
 * connect too, what came out may be one of them.  Therefore all that comes is
 * closed, and when the probe's end is there, the probe was among it: it can no
 * longer come and be taken for a client.
 */
static void
probe_step(struct far_listener *listener)
{
	if (!listener->probe_opened)
		return;
	if (listener->probe_accepted &&
	    (listener->probe_ended || !is_public(listener)))
		answered(listener, ANSWER_HERE);
	else if (listener->probe_ended)
		answered(listener, ANSWER_NOT_HERE);
}

/* Somebody else may have the port, and say nothing at all.  Where another port
 * is no cure, he is given more time. */
static void
on_probe_opened(void *ctx)
{
	struct far_listener *listener = ctx;

	listener->probe_opened = true;
	uv_timer_start(&listener->timer, on_timer,
	    is_public(listener) ? LIMIT_HOLD_DIAL_MS : LIMIT_HOLD_ACCEPT_MS, 0);
	probe_step(listener);
}

/* Our end sends nothing. */
static void
on_probe_data(void *ctx, const struct iovec *pieces, size_t n)
{
	(void)pieces;
	(void)n;
	answered(ctx, ANSWER_NOT_HERE);
}

static void
on_probe_eof(void *ctx)
{
	struct far_listener *listener = ctx;

	listener->probe_ended = true;
	probe_step(listener);
}

static void
on_probe_drained(void *ctx)
{
	(void)ctx;
}

static void
on_probe_closed(void *ctx, int err, const char *why)
{
	struct far_listener *listener = ctx;

	if (err == -ECONNRESET) {
		end_probe(listener);
		/* Of the loss of the link on_forward() is told. */
		if (link_is_up(listener->ssh))
			fail(listener, err, why);
	} else if (listener->probe_opened) {
		on_probe_eof(listener);
	} else if (err == -ECONNREFUSED) {
		answered(listener, ANSWER_NOT_HERE);
	} else {
		log_verbose("cannot tell whether sshd listens at %s: %s",
		    listener->host, why);
		answered(listener, ANSWER_UNKNOWN);
	}
}

static void
ask(struct far_listener *listener, enum far_question question)
{
	static const struct stream_handler handler = {
		.opened = on_probe_opened,
		.data = on_probe_data,
		.eof = on_probe_eof,
		.drained = on_probe_drained,
		.closed = on_probe_closed,
	};

	listener->question = question;
	listener->probe_opened = false;
	listener->probe_accepted = false;
	listener->probe_ended = false;
	listener->probe =
	    link_dial(listener->ssh, probe_host(listener, question),
		listener->port, LINK_CONTROL, &handler, listener);
	if (listener->probe == NULL) {
		answered(listener, ANSWER_UNKNOWN);
		return;
	}
	stream_read_start(listener->probe);
	/* To an address that is not sshd's own the dial may take minutes. */
	if (question == FAR_STANDS && is_beyond_loopback(listener))
		uv_timer_start(&listener->timer, on_timer, LIMIT_HOLD_DIAL_MS,
		    0);
}

/* ---- its life ---- */

/* The link has gone, and the forward with it. */
static void
lost(struct far_listener *listener, int err, const char *why)
{
	struct far_side *far = (struct far_side *)listener->base.side;
	bool making = listener->state == FAR_MAKING;
	struct link *other = NULL;

	end_probe(listener);
	leave_link(listener);
	if (listener->handler == NULL) {
		LIST_REMOVE(listener, link);
		far_listener_free(listener);
		return;
	}
	if (making && !listener->spare && !is_public(listener) &&
	    listener->makes < MAKES_MAX)
		other = far_link_for_data(far);
	if (other == NULL) {
		fail(listener, err, why);
		return;
	}
	listener->ssh = other;
	hold(listener, true);
	make_again(listener);
}

static void
on_forward(void *ctx, uint16_t port, int err, const char *why)
{
	struct far_listener *listener = ctx;

	if (port == 0 && listener->state == FAR_DEAD)
		return; /* it has been told */
	if (port == 0 && err == -ECONNRESET) {
		lost(listener, err, why);
		return;
	}
	if (port == 0) {
		fail(listener, err, why);
		return;
	}
	listener->port = port;
	/* One loopback address and any port: there is no half of it.  And a
	 * probe of what may be another's port could be taken for a client
	 * there: an FTP server's passive port takes one connection. */
	if (!is_beyond_loopback(listener) && !is_public(listener) &&
	    !has_host(listener, "localhost"))
		get_ready(listener);
	else
		ask(listener, FAR_STANDS);
}

/*
 * Who connects cannot be told (the forward drops it), only when: while a data
 * connection awaits one, the first is taken.
 */
static void
on_accept(void *ctx, struct stream *stream)
{
	struct far_listener *listener = ctx;
	struct far_side *far = (struct far_side *)listener->base.side;
	struct addr none = { .family = AF_UNSPEC };
	char place[64];

	if (listener->state == FAR_MAKING) {
		stream_close(stream);
		listener->probe_accepted = true;
		if (listener->question != FAR_NO_PROBE)
			probe_step(listener);
		return;
	}
	describe(listener, place, sizeof(place));
	if (listener->state == FAR_DEAD || listener->handler == NULL) {
		if (log_limit_allows(&far->refusals, uv_now(far->loop), 0))
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
 * Each forward has a path of its own; but when sshd has refused a port, and is
 * asked for it again, ssh goes by the path that it was told first.
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

static void
make_forward(struct far_listener *listener)
{
	struct far_side *far = (struct far_side *)listener->base.side;
	char path[PATH_MAX_LEN];

	listener->makes++;
	name_path(listener, path);
	listener->net = net_listen_unix(far->net, path, on_accept, listener,
	    &listener->err);
	if (listener->net != NULL)
		listener->err = net_listener_start(listener->net);
	if (listener->net != NULL && listener->err == 0) {
		if (listener->ssh != NULL)
			listener->forward =
			    link_forward_open(listener->ssh, listener->host,
				listener->wanted, path, on_forward, listener);
		if (listener->forward != NULL)
			return;
		listener->err = -ENOTCONN;
	}
	leave_link(listener);
	listener->state = FAR_DEAD;
	uv_timer_start(&listener->timer, on_timer, 0, 0);
}

static struct far_listener *
create(struct far_side *far, struct link *ssh, const struct side_at *at,
    const struct side_listener_handler *handler)
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
	listener->question = FAR_NO_PROBE;
	listener->handler = handler;
	uv_timer_init(far->loop, &listener->timer);
	listener->timer.data = listener;
	listener->ssh = ssh;
	return listener;
}

struct far_listener *
far_listener_new(struct far_side *far, struct link *ssh,
    const struct side_at *at, const struct side_listener_handler *handler,
    void *ctx)
{
	struct far_listener *listener = create(far, ssh, at, handler);

	if (listener == NULL)
		return NULL;
	listener->ctx = ctx;
	hold(listener, true);
	make_forward(listener);
	return listener;
}

struct far_listener *
far_listener_new_spare(struct far_side *far, struct link *ssh,
    const struct side_at *at, const struct side_listener_handler *handler)
{
	struct far_listener *listener = create(far, ssh, at, handler);

	if (listener == NULL)
		return NULL;
	listener->ctx = listener;
	listener->spare = true;
	make_forward(listener);
	return listener;
}

bool
far_listener_suits(const struct far_listener *listener,
    const struct side_at *at)
{
	return !at->many && at->port == 0 && has_host(listener, at->host);
}

void
far_listener_lend(struct far_listener *listener,
    const struct side_listener_handler *handler, void *ctx)
{
	listener->handler = handler;
	listener->ctx = ctx;
	listener->accepted = false;
	hold(listener, true);
	uv_timer_start(&listener->timer, on_timer, 0, 0);
}

void
far_listener_adopt(struct far_listener *listener,
    const struct side_listener_handler *handler, void *ctx)
{
	listener->handler = handler;
	listener->ctx = ctx;
	listener->spare = false;
	hold(listener, true);
}

/*
 * One that was not connected to may still have a connection on the way to it,
 * which must not reach the next who borrows it; so it goes.
 */
bool
far_listener_take_back(struct far_listener *listener)
{
	listener->handler = NULL;
	uv_timer_stop(&listener->timer);
	hold(listener, false);
	if (listener->spare) { /* nobody was told of it */
		listener->spare = false;
		return listener->state == FAR_READY;
	}
	return listener->state == FAR_READY && listener->accepted &&
	    !is_public(listener);
}

static void
on_freed(uv_handle_t *handle)
{
	struct far_listener *listener = handle->data;

	free(listener->host);
	free(listener);
}

void
far_listener_free(struct far_listener *listener)
{
	stream_close(listener->probe);
	link_forward_close(listener->forward);
	net_listener_close(listener->net);
	uv_close((uv_handle_t *)&listener->timer, on_freed);
}
