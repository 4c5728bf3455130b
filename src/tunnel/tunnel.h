/*
 * A tunnel: a listening address, and the sessions that came by it.
 */
#ifndef TUNNEL_TUNNEL_H
#define TUNNEL_TUNNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "net/sock.h"
#include "tunnel/admission.h"
#include "tunnel/session.h"
#include "tunnel/policy.h"
#include "tunnel/side.h"

struct activation;
struct reconnect;
struct transfer_log;

/* What all tunnels of the process count. */
struct tunnel_count {
	struct admission *admission; /* clients that wait for the link included
				      */
	unsigned long last_number;   /* of a session */
};

struct tunnel_options {
	const char *name; /* of the configuration file, or NULL */
	bool remote;	  /* -R: sshd listens, the server is on our side */
	struct activation *activation; /* sockets that it may take, or NULL */
	const char *bind;	       /* "", "*", a name or an address */
	uint16_t port;		       /* 0: the choice of whoever listens */
	const char *server_host;
	uint16_t server_port;
	const struct policy *policy;
	uv_loop_t *loop;
	struct net *net;
	struct side *near;
	struct side *far;
	struct reconnect *reconnect; /* which has the link */
	uint64_t link_wait_ms;	     /* how long a client waits for it */
	struct tunnel_count *count;
	struct transfer_log *log; /* or NULL */

	/* Remote: where sshd does not listen at first, ask again later, as
	 * after a loss of the link; else that is a failure. */
	bool patient;
};

struct tunnel;

/*
 * A local tunnel is bound, but takes nobody yet; for a remote one nothing
 * happens before tunnel_start().  bind is looked up at once, blocking: this is
 * for start-up.  options is copied, what it points to is borrowed.
 * Returns NULL with a text for people in why; among the reasons: an address
 * beyond loopback and no --allow.
 */
struct tunnel *tunnel_new(const struct tunnel_options *options, char *why,
    size_t why_size);

/* Why the SSH server cannot be asked to listen at that host, for people; NULL:
 * it can.  Of the policy, only addresses are looked at. */
const char *tunnel_remote_wrong(const struct policy *policy, const char *host);

/* why is NULL when it takes clients from now on; else it never will. */
typedef void tunnel_started_cb(void *ctx, struct tunnel *tunnel,
    const char *why);

/*
 * Lets clients come.  The link is up, or, for a local tunnel, is to be had on
 * demand.  started comes once, from the loop or
 * from inside the call, unless the tunnel is stopped before.
 */
void tunnel_start(struct tunnel *tunnel, tunnel_started_cb *started, void *ctx);

/* "127.0.0.1:2121", several joined by " and "; once started, with the port
 * that was chosen; of one that takes no clients any more, where it was.
 * Returns text. */
const char *tunnel_address(const struct tunnel *tunnel, char *text,
    size_t size);

/* What it has counted; its own. */
const struct tunnel_stats *tunnel_stats(const struct tunnel *tunnel);

/* Adds what another one has counted. */
void tunnel_stats_add(struct tunnel_stats *to, const struct tunnel_stats *from);

/* From now on it has counted what that one has, too, which is about to go. */
void tunnel_inherit(struct tunnel *tunnel, const struct tunnel *from);

/* How many clients wait for the link. */
size_t tunnel_waiting(const struct tunnel *tunnel);

/* Calls each for each session, the latest first; info is valid in the call. */
typedef void tunnel_session_cb(void *ctx, const struct session_info *info);
void tunnel_each_session(const struct tunnel *tunnel, tunnel_session_cb *each,
    void *ctx);

/* Ends the session with that number, as session_stop().  False: it is not one
 * of its. */
bool tunnel_end_session(struct tunnel *tunnel, unsigned long number,
    const char *why);

/*
 * The link is up, after tunnel_start() with the link down, or again.  Clients
 * that wait for it have their sessions; sshd is asked to listen.
 */
void tunnel_link_up(struct tunnel *tunnel);

/*
 * The link was lost, or cannot be had.  Sessions end with 421.  A local tunnel
 * goes on listening; clients who wait go on waiting if the next attempt comes
 * by itself (again), and else have a 421 with why.
 */
void tunnel_link_down(struct tunnel *tunnel, const char *why, bool again);

/*
 * Takes nobody any more: its address is free for another one.  Sessions end as
 * soon as that cuts no transfer, with 421 and why; clients that wait for the
 * link at once.  admission_count() tells when none is left.
 */
void tunnel_drain(struct tunnel *tunnel, const char *why);

/* Has it a session, or a client that waits for the link? */
bool tunnel_has_sessions(const struct tunnel *tunnel);

/* Has the SSH server refused to listen, so that it is asked again and again? */
bool tunnel_is_retrying(const struct tunnel *tunnel);

/* Takes nobody any more, and ends the sessions with 421 and why. */
void tunnel_stop(struct tunnel *tunnel, const char *why);

/* After tunnel_stop(); NULL is allowed. */
void tunnel_free(struct tunnel *tunnel);

#endif
