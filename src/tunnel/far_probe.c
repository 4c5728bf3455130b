/*
 * The probe of a far listener's forward: does sshd listen where it should?
 *
 * Where sshd binds (channel_fwd_bind_addr() in channels.c; seen with 9.2):
 *
 *	requested	GatewayPorts no    clientspecified    yes
 *	localhost	127.0.0.1, ::1     127.0.0.1, ::1     0.0.0.0, ::
 *	127.0.0.1, ::1	that one           that one           0.0.0.0, ::
 *	* (sent as "")	127.0.0.1, ::1     0.0.0.0, ::        0.0.0.0, ::
 *	an address	127.0.0.1, ::1     that one           0.0.0.0, ::
 *	not its own	127.0.0.1, ::1     it refuses         0.0.0.0, ::
 *
 * sshd reports success without saying where it listens, even if it got only one
 * of the two addresses because the port is in use at the other.  (It chooses a
 * port that is free at ::1 or ::.  On a busy host that port is often in use in
 * IPv4, by a connection or its TIME_WAIT.)
 *
 * So a new forward is probed: the SSH server connects to the address where it
 * should listen, and connections that come to our Unix socket meanwhile are
 * closed.  If the probe is refused, or another program accepts it, a second
 * probe, of the loopback address, shows whether sshd listens there instead
 * because of its configuration.  If it does not, the port is in use, and
 * another one is requested.  (If sshd has chosen several ports, and none of the
 * probes has arrived here, remote forwards do not work at all, as with
 * asyncssh.)  127.0.0.2 stands for "all addresses": on Linux a connection to it
 * reaches a socket at 0.0.0.0, but not one at 127.0.0.1.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "limits.h"
#include "tunnel/far_priv.h"

#define ALL_ADDRESSES_PROBE "127.0.0.2"

enum answer {
	ANSWER_HERE, /* the probe has come to our Unix socket */
	ANSWER_NOT_HERE,
	ANSWER_UNKNOWN, /* for example, PermitOpen forbids the probe */
};

/* The host to connect to in order to answer the question. */
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

	if (question == FAR_ON_ALL)
		return ALL_ADDRESSES_PROBE;
	if (question == FAR_ON_V6)
		return "::1";
	if (question == FAR_ON_LOOPBACK) {
		addr_parse_ip(listener->host, &addr);
		return addr.family == AF_INET6 ? "::1" : "127.0.0.1";
	}
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		if (far_has_host(listener, hosts[i].host))
			return hosts[i].probe;
	}
	return listener->host;
}

void
far_probe_end(struct far_listener *listener)
{
	uv_timer_stop(&listener->timer);
	stream_close(listener->probe.stream);
	listener->probe.stream = NULL;
	listener->probe.state = PROBE_NONE;
}

/* ---- what follows from a probe ---- */

/* No port has worked, and not all can be in use by other programs. */
static void
forwards_fail(struct far_listener *listener)
{
	if (link_info(listener->ssh)->forwards == LINK_FORWARDS_UNKNOWN)
		link_info(listener->ssh)->forwards = LINK_FORWARDS_FAIL;
	far_listener_fail(listener, -EOPNOTSUPP, FAR_NO_FORWARDS);
}

/* Another program has the port at that address. */
static void
port_taken(struct far_listener *listener)
{
	char place[64], why[FAR_WHY_MAX];

	snprintf(why, sizeof(why), "%s is in use on %s",
	    far_listener_describe(listener, place, sizeof(place)),
	    far_is_for_all(listener) ? "one of its addresses" :
				       probe_host(listener, FAR_AS_REQUESTED));
	if (listener->wanted == 0 &&
	    listener->makes <
		(far_is_plain(listener) ? FAR_MAKES_PLAIN : FAR_MAKES_MAX)) {
		log_verbose("%s: requesting another port", why);
		far_listener_make_again(listener);
	} else if (listener->wanted == 0 &&
	    far_has_host(listener, "localhost")) {
		far_probe_start(listener, FAR_ON_V6);
	} else if (far_is_plain(listener)) {
		forwards_fail(listener);
	} else {
		far_listener_fail(listener, -EADDRINUSE, why);
	}
}

static void
loopback_instead(struct far_listener *listener)
{
	bool all = far_is_for_all(listener);
	char why[FAR_WHY_MAX];

	snprintf(why, sizeof(why),
	    "sshd listens on its loopback address instead of %s: GatewayPorts "
	    "(sshd_config) must be clientspecified%s",
	    all ? "all" : listener->host,
	    all ? "" : ", and that must be an address of the SSH server");
	far_listener_fail(listener, -EADDRNOTAVAIL, why);
}

static void
warn_on_all(const struct far_listener *listener)
{
	log_warn(
	    "sshd listens at port %u on all its addresses, not only on %s, "
	    "because of GatewayPorts yes (sshd_config): every host that can "
	    "reach the SSH server can connect",
	    listener->port, listener->host);
}

static void
answered(struct far_listener *listener, enum answer answer)
{
	enum far_question question = listener->probe.question;

	far_probe_end(listener);
	/* No more probes: they would be refused, too, and ssh keeps a record of
	 * each refusal. */
	if (answer == ANSWER_UNKNOWN && far_is_plain(listener))
		link_info(listener->ssh)->forwards = LINK_FORWARDS_WORK;
	if (question == FAR_ON_LOOPBACK) {
		if (answer == ANSWER_NOT_HERE)
			port_taken(listener);
		else
			loopback_instead(listener);
	} else if (question == FAR_ON_V6) {
		listener->only_v6 = answer != ANSWER_NOT_HERE;
		if (listener->only_v6)
			far_listener_ready(listener);
		else
			forwards_fail(listener);
	} else if (question == FAR_ON_ALL) {
		if (answer == ANSWER_HERE)
			warn_on_all(listener);
		far_listener_ready(listener);
	} else if (answer == ANSWER_NOT_HERE) {
		if (far_is_beyond_loopback(listener))
			far_probe_start(listener, FAR_ON_LOOPBACK);
		else
			port_taken(listener);
	} else if (answer == ANSWER_HERE && listener->many &&
	    !far_is_for_all(listener)) {
		far_probe_start(listener, FAR_ON_ALL);
	} else {
		far_listener_ready(listener);
	}
}

static void
far_probe_on_timer(uv_timer_t *timer)
{
	answered(timer->data, ANSWER_NOT_HERE);
}

/* ---- a probe ---- */

/*
 * sshd listens there if the probe was accepted and a connection has come to our
 * Unix socket.  If others may connect, too, that may be one of theirs.  Every
 * connection is closed until the probe has ended: then it was among them, and
 * cannot come later and be taken for a client.
 */
void
far_probe_step(struct far_listener *listener)
{
	bool ended = listener->probe.state == PROBE_ENDED;

	if (!ended && listener->probe.state != PROBE_OPEN)
		return;
	if (listener->probe.arrived && (ended || !far_is_public(listener)))
		answered(listener, ANSWER_HERE);
	else if (ended)
		answered(listener, ANSWER_NOT_HERE);
}

/* Another program may have accepted the probe, and send nothing.  The wait is
 * longer if clients know the port, or if only one other port would be tried. */
static void
far_probe_on_opened(void *ctx)
{
	struct far_listener *listener = ctx;

	listener->probe.state = PROBE_OPEN;
	uv_timer_start(&listener->timer, far_probe_on_timer,
	    far_is_public(listener) || far_is_plain(listener) ?
		LIMIT_HOLD_DIAL_MS :
		LIMIT_HOLD_ACCEPT_MS,
	    0);
	far_probe_step(listener);
}

/* culvert sends nothing, so another program has accepted the probe. */
static void
far_probe_on_data(void *ctx, const struct iovec *pieces, size_t n)
{
	answered(ctx, ANSWER_NOT_HERE);
}

static void
far_probe_on_eof(void *ctx)
{
	struct far_listener *listener = ctx;

	listener->probe.state = PROBE_ENDED;
	far_probe_step(listener);
}

static void
far_probe_on_drained(void *ctx)
{
}

static void
far_probe_on_closed(void *ctx, int err, const char *why)
{
	struct far_listener *listener = ctx;

	if (err == -ECONNRESET) {
		far_probe_end(listener);
		/* If the link is lost, far_listener_on_forward() handles it. */
		if (link_is_up(listener->ssh))
			far_listener_fail(listener, err, why);
	} else if (listener->probe.state != PROBE_CONNECTING) {
		far_probe_on_eof(listener);
	} else if (err == -ECONNREFUSED) {
		answered(listener, ANSWER_NOT_HERE);
	} else {
		log_verbose("cannot tell whether sshd listens at %s: %s",
		    listener->host, why);
		answered(listener, ANSWER_UNKNOWN);
	}
}

void
far_probe_start(struct far_listener *listener, enum far_question question)
{
	static const struct stream_handler handler = {
		.opened = far_probe_on_opened,
		.data = far_probe_on_data,
		.eof = far_probe_on_eof,
		.drained = far_probe_on_drained,
		.closed = far_probe_on_closed,
	};

	listener->probe = (struct far_probe) {
		.state = PROBE_CONNECTING,
		.question = question,
		.stream =
		    link_dial(listener->ssh, probe_host(listener, question),
			listener->port, LINK_CONTROL, &handler, listener),
	};
	if (listener->probe.stream == NULL) {
		answered(listener, ANSWER_UNKNOWN);
		return;
	}
	stream_read_start(listener->probe.stream);
	/* A connection to an address that is not sshd's own may take minutes to
	 * fail. */
	if (question == FAR_AS_REQUESTED && far_is_beyond_loopback(listener))
		uv_timer_start(&listener->timer, far_probe_on_timer,
		    LIMIT_HOLD_DIAL_MS, 0);
}
