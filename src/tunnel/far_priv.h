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

/* What a probe of a forward is to find out: see far_probe.c. */
enum far_question {
	FAR_STANDS,   /* is it where it was asked for? */
	FAR_FELL,     /* it is not: on the loopback then? */
	FAR_SPREAD,   /* it is: on all other addresses, too? */
	FAR_V6,	      /* it is not at 127.0.0.1: at ::1 at least? */
	FAR_NO_PROBE, /* none is on */
};

enum far_state {
	FAR_MAKING, /* sshd has been asked, or is probed */
	FAR_READY,  /* it listens */
	FAR_DEAD,   /* it never will, or does no more */
};

struct far_listener {
	struct side_listener base;
	LIST_ENTRY(far_listener) link; /* of far_side.idle */
	enum far_state state;
	char *host;
	uint16_t wanted; /* the port that was asked for, 0: any */
	bool many;
	uint16_t port; /* once sshd has said yes */
	bool only_v6;  /* "localhost" without 127.0.0.1 */

	/* What carries it; NULL once that, or the forward, is lost. */
	struct link *ssh;
	bool held;  /* it counts there as a data connection */
	bool spare; /* made for nobody yet: it does not count */

	struct net_listener *net;
	struct link_forward *forward;
	uv_timer_t timer; /* of the probe, or the callback that is owed */
	int err;	  /* why it is dead, while failed() is owed */

	enum far_question question;
	struct stream *probe;
	bool probe_opened;   /* sshd says that somebody took it */
	bool probe_accepted; /* a connection has come out here */
	bool probe_ended;    /* the one who took it has closed it */
	unsigned int makes;  /* how often the forward was made */

	/* The loan; the handler is NULL between two of them. */
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
	bool spread; /* data connections, over all links */
	unsigned long last_path;
	struct log_limit refusals;
	LIST_HEAD(, far_listener) idle;
	struct far_listener *reserve; /* it is being made; or NULL */
	bool no_reserve;	      /* it could not be made */
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

/* GatewayPorts has a say in it. */
static inline bool
far_is_beyond_loopback(const struct far_listener *listener)
{
	return !far_has_host(listener, "localhost") &&
	    !far_has_host(listener, "127.0.0.1") &&
	    !far_has_host(listener, "::1");
}

/* One loopback address, and any port: there is no half of it. */
static inline bool
far_is_plain(const struct far_listener *listener)
{
	return !far_is_beyond_loopback(listener) && listener->wanted == 0 &&
	    !listener->many && !far_has_host(listener, "localhost");
}

/* Its port is known, or will be, to others than our peer: some of them may be
 * there before the probe is over. */
static inline bool
far_is_public(const struct far_listener *listener)
{
	return listener->many || listener->wanted != 0;
}

/* How often a forward is made until one gets its port in all it should; and so
 * often where it has but one address (with GatewayPorts yes sshd still may get
 * half of it). */
#define FAR_MAKES_MAX 8
#define FAR_MAKES_PLAIN 2

/* The text for failed() with -EOPNOTSUPP. */
#define FAR_NO_FORWARDS                                                  \
	"remote forwards to a port of its choice do not work with this " \
	"SSH server: it says that it listens, but what connects there "  \
	"does not arrive"

/* Longest text for failed(): an address, and some words. */
#define FAR_WHY_MAX 512

/* far_listener.c: which it is, for people; returns text. */
const char *far_listener_describe(const struct far_listener *listener,
    char *text, size_t size);
/* It listens, it never will, or another forward is to be made for it. */
void far_listener_ready(struct far_listener *listener);
void far_listener_fail(struct far_listener *listener, int err, const char *why);
void far_listener_make_again(struct far_listener *listener);

/* far_probe.c: begins to find that out; what follows is done there. */
void far_probe_ask(struct far_listener *listener, enum far_question question);
/* A connection has come out of its Unix socket. */
void far_probe_step(struct far_listener *listener);
void far_probe_end(struct far_listener *listener);

#endif
