/*
 * What far.c, far_listener.c and far_probe.c share.  Nobody else includes it.
 */
#ifndef TUNNEL_FAR_PRIV_H
#define TUNNEL_FAR_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/queue.h>
#include <uv.h>

#include "base/log_limit.h"
#include "net/sock.h"
#include "ssh/links.h"
#include "tunnel/side.h"

/* What a probe of a forward tries to find out: see far_probe.c. */
enum far_question {
	FAR_AS_REQUESTED, /* does sshd listen where it was requested? */
	FAR_ON_LOOPBACK,  /* it does not: on its loopback address instead? */
	FAR_ON_ALL,	  /* it does: on all other addresses, too? */
	FAR_ON_V6,	  /* not at 127.0.0.1: at least at ::1? */
};

struct far_probe {
	enum {
		PROBE_NONE,
		PROBE_CONNECTING,
		PROBE_OPEN,  /* somebody has accepted it */
		PROBE_ENDED, /* whoever accepted it has closed it */
	} state;
	bool arrived; /* a connection has come to our Unix socket */
	enum far_question question;
	struct stream *stream;
};

enum far_state {
	FAR_MAKING, /* sshd was requested to listen, or is being probed */
	FAR_READY,  /* it listens */
	FAR_DEAD,   /* it never will, or does not listen any more */
};

struct far_listener {
	struct side_listener base;
	LIST_ENTRY(far_listener) link; /* of far_side.idle */
	enum far_state state;
	char *host;
	uint16_t wanted; /* the port that was requested; 0: any */
	bool many;	 /* struct side_at */
	uint16_t port;	 /* where sshd listens; 0: not known yet */
	bool only_v6;	 /* "localhost" without 127.0.0.1 */

	/* The link that carries it; NULL: that, or the forward, is lost. */
	struct link *ssh;
	bool held;  /* it counts there as a data connection */
	bool spare; /* made for nobody yet: it does not count */

	struct net_listener *net; /* the Unix socket */
	struct link_forward *forward;
	uv_timer_t timer; /* of the probe, or calls the handler later */
	int err;	  /* why it is dead, until failed() was called */

	struct far_probe probe;
	unsigned int makes; /* how often the forward was requested */

	/* The borrower; the handler is NULL while it is idle. */
	const struct side_listener_handler *handler;
	void *ctx;
	bool accepted;
};

struct far_side {
	struct side side;
	uv_loop_t *loop;
	struct links *links;
	struct net *net;
	const char *directory;
	bool spread;		 /* data connections use all links */
	unsigned long last_path; /* number in the path of a Unix socket */
	struct log_limit refusals;
	size_t lent; /* listeners that are open */
	LIST_HEAD(, far_listener) idle;
	struct far_listener *reserve; /* being made for the next; or NULL */
	bool no_reserve;	      /* sshd has refused to make one */
};

/* The link for a data connection that begins now, or NULL. */
struct link *far_link_for_data(const struct far_side *far);

/*
 * Makes a listener on that link (NULL: it fails) and lends it to handler and
 * ctx.  ctx NULL: it is made for nobody yet, and the handler's ctx is the
 * listener; when it is ready, take it back, or lend it before.
 * Returns NULL when out of memory.
 */
struct far_listener *far_listener_new(struct far_side *far, struct link *ssh,
    const struct side_at *at, const struct side_listener_handler *handler,
    void *ctx);

/* Lends an idle one, or one that is being made for nobody. */
void far_listener_lend(struct far_listener *listener,
    const struct side_listener_handler *handler, void *ctx);

/*
 * Takes it back: it refuses everybody.  False: it is not fit to be lent again;
 * then it must be freed.
 */
bool far_listener_take_back(struct far_listener *listener);

void far_listener_free(struct far_listener *listener);

/* ---- shared by far_listener.c and far_probe.c ---- */

static inline bool
far_has_host(const struct far_listener *listener, const char *host)
{
	return strcmp(listener->host, host) == 0;
}

static inline bool
far_is_for_all(const struct far_listener *listener)
{
	return far_has_host(listener, "*") ||
	    far_has_host(listener, "0.0.0.0") || far_has_host(listener, "::");
}

/* sshd's GatewayPorts decides whether it may listen there. */
static inline bool
far_is_beyond_loopback(const struct far_listener *listener)
{
	return !far_has_host(listener, "localhost") &&
	    !far_has_host(listener, "127.0.0.1") &&
	    !far_has_host(listener, "::1");
}

/* One loopback address, and any port: sshd listens there or nowhere. */
static inline bool
far_is_plain(const struct far_listener *listener)
{
	return !far_is_beyond_loopback(listener) && listener->wanted == 0 &&
	    !listener->many && !far_has_host(listener, "localhost");
}

/* Its port is, or will be, known to others than our peer: they may connect
 * before the probe is over. */
static inline bool
far_is_public(const struct far_listener *listener)
{
	return listener->many || listener->wanted != 0;
}

/* How often a forward is requested until sshd listens at all addresses; and how
 * often if it has only one (with GatewayPorts yes sshd may still get one family
 * only). */
#define FAR_MAKES_MAX 8
#define FAR_MAKES_PLAIN 2

/* The text for failed() with -EOPNOTSUPP. */
#define FAR_NO_FORWARDS                                                  \
	"remote forwards to a port of its choice do not work with this " \
	"SSH server: it says that it listens, but what connects there "  \
	"does not arrive"

/* Longest text for failed(): an address, and some words. */
#define FAR_WHY_MAX 512

/* far_listener.c: says for people which it is; returns text. */
const char *far_listener_describe(const struct far_listener *listener,
    char *text, size_t size);
/* It listens; it never will (err and why are for failed()); or another forward
 * is requested for it. */
void far_listener_ready(struct far_listener *listener);
void far_listener_fail(struct far_listener *listener, int err, const char *why);
void far_listener_make_again(struct far_listener *listener);

/* far_probe.c: starts a probe, which calls one of the three above when it is
 * over. */
void far_probe_start(struct far_listener *listener, enum far_question question);
/* A connection has come to its Unix socket. */
void far_probe_step(struct far_listener *listener);
/* Ends the probe, if one is running. */
void far_probe_end(struct far_listener *listener);

#endif
