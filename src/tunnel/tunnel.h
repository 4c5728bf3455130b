/*
 * A tunnel: a listening address, and the sessions of the clients that connect
 * to it.
 */
#ifndef TUNNEL_TUNNEL_H
#define TUNNEL_TUNNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "engine/engine.h"
#include "limits.h"
#include "net/sock.h"
#include "tunnel/admission.h"
#include "tunnel/policy.h"
#include "tunnel/side.h"
#include "tunnel/target.h"

struct activation;
struct reconnect;
struct transfer_log;

#define INFO_OUTCOMES (ENGINE_TRUNCATED + 1)

/* By direction, 0: to the client, download; 1: to the server, upload. */
#define INFO_DIRECTIONS 2

/* What a tunnel has counted since it was made; zeroed at first. */
struct tunnel_stats {
	uint64_t sessions; /* that have begun */
	uint64_t refusals[REFUSALS];
	uint64_t transfers[INFO_DIRECTIONS][INFO_OUTCOMES];
	uint64_t bytes[INFO_DIRECTIONS]; /* relayed by data connections */
};

/* A transfer that is running. */
struct transfer_info {
	const struct engine_report *report; /* what is known at its beginning;
					     * borrowed */
	uint64_t bytes;			    /* so far */
	uint64_t ms;			    /* since it began */
};

/* One for each data connection, and one without. */
#define SESSION_TRANSFERS_MAX (LIMIT_SESSION_DATA + 1)

struct session_info {
	unsigned long number;
	const char *client; /* its address; "the SSH server" if not known */
	const char
	    *server;	  /* "HOST:PORT", if the client has chosen it; or "" */
	const char *user; /* who has logged in; "": nobody, or not known */
	uint64_t ms;	  /* since the session began */
	struct transfer_info transfers[SESSION_TRANSFERS_MAX];
	size_t n_transfers;
};

/* What all tunnels of the process count. */
struct tunnel_count {
	struct admission *admission; /* of sessions, and of clients that wait
				      * for the link */
	unsigned long last_number;   /* of the latest session */
};

/*
 * Tells a client, in the protocol by which it came, how the connection to the
 * server went, before anything else is sent to it.  err: 0; -EACCES: it is
 * refused; -ENETDOWN: the link is down; or another negative errno.  why is for
 * people.
 */
typedef void arrival_answer(struct stream *stream, const struct addr *local,
    int err, const char *why);

/* A client whose control connection has been accepted. */
struct arrival {
	struct stream *stream; /* open, stopped and without a handler */
	struct addr local;     /* our end, */
	struct addr peer;      /* and the client's; AF_UNSPEC: not known */
	struct admission_place *place;
	struct side *side; /* toward the client, which is kept as long as it is
			    * needed; NULL: the tunnel's */
	const struct target *target; /* copied; NULL: the tunnel's */

	/* The server's address as the client knows it; replies to PASV contain
	 * it, but with the port of culvert's listener.  AF_UNSPEC: they contain
	 * what they always do. */
	struct addr known_as;
	bool foreign;	     /* local is the server's own address (tproxy) */
	struct ports *ports; /* where to listen for the client, kept as long as
			      * needed; NULL: those of the tunnel's policy */

	/* culvert has greeted the client, which has sent these bytes, copied:
	 * USER, and perhaps more (ftp/prelude.h).  NULL: neither. */
	const uint8_t *said;
	size_t said_len;

	arrival_answer *answer; /* NULL: it speaks FTP; it gets a 421 instead */
};

/* A local tunnel has accepted a connection.  The stream belongs to the callee;
 * it is open, stopped and without a handler.  Its ends are known. */
typedef void tunnel_accepted_cb(void *ctx, struct stream *stream,
    const struct addr *local, const struct addr *peer);

typedef void tunnel_admitted_cb(void *ctx, const struct arrival *arrival);

struct tunnel_options {
	const char *name; /* of the configuration file, or NULL */
	bool remote;	  /* -R: sshd listens, the server is on our side */
	struct activation *activation; /* sockets that it may take, or NULL */
	const char *bind;	       /* "", "*", a name or an address */
	uint16_t port;		       /* 0: any free port */
	struct side *side;	       /* toward clients */
	struct target target;	       /* of sessions that have no other */
	const struct policy *policy;
	uv_loop_t *loop;
	struct net *net;
	struct reconnect *reconnect; /* has the link */
	uint64_t link_wait_ms;	     /* how long a client waits for the link */
	struct tunnel_count *count;
	struct transfer_log *log; /* or NULL */

	/* A local tunnel whose clients choose the server: called for each that
	 * is admitted, to call tunnel_take() or tunnel_refuse_arrival() at
	 * some time.  NULL: it has one server. */
	tunnel_admitted_cb *admitted;
	void *admitted_ctx;
	bool transparent; /* it accepts connections to foreign addresses, which
			   * nft(8) sends here (tproxy) */

	/* A remote tunnel: if sshd does not listen at first, request it again
	 * later, as after a loss of the link; else the start fails. */
	bool patient;

	/* What becomes of the connections of a local tunnel; NULL: each is a
	 * control connection. */
	tunnel_accepted_cb *accepted;
	void *accepted_ctx;
};

struct tunnel;

/*
 * Makes a tunnel.  A local one is bound, but accepts nobody before
 * tunnel_start(); a remote one does nothing before that.  bind is looked up at
 * once, which blocks: only for start-up.  options is copied, what it points to
 * is borrowed.
 * Returns NULL on failure: then why, of why_size bytes, has a text for people.
 */
struct tunnel *tunnel_new(const struct tunnel_options *options, char *why,
    size_t why_size);

/* Why a remote tunnel cannot listen at that host, for people; NULL: it can.
 * Only the addresses of the policy matter. */
const char *tunnel_remote_wrong(const struct policy *policy, const char *host);

/* why NULL: the tunnel accepts clients from now on.  Else it never will; why is
 * for people, valid in the call. */
typedef void tunnel_started_cb(void *ctx, struct tunnel *tunnel,
    const char *why);

/*
 * Starts to accept clients.  The link must be up; a local tunnel whose link is
 * opened on demand does not need it.  started is called once, from the loop or
 * from inside the call, unless the tunnel is stopped before.
 */
void tunnel_start(struct tunnel *tunnel, tunnel_started_cb *started, void *ctx);

/* Writes where it listens to text, of size bytes: "127.0.0.1:2121", several
 * joined by " and "; once started, with the port that was chosen; if it does
 * not listen any more, where it did.  Returns text. */
const char *tunnel_address(const struct tunnel *tunnel, char *text,
    size_t size);

/*
 * May the client of a control connection have a session?  Returns its place; or
 * NULL: then it has been told, or was reset if too many are told at the same
 * time, and the stream is closed.  arrival->place is ignored.
 */
struct admission_place *tunnel_admit(struct tunnel *tunnel,
    const struct arrival *arrival);

/*
 * Begins a session of a local tunnel with a client that something else has
 * accepted and admitted.  If the link is needed and down, the client waits for
 * it, like those that have connected to the tunnel.  The stream and the place
 * belong to the tunnel from here on; if memory is short, the client sees a
 * reset.  The tunnel must not be stopped or draining.
 */
void tunnel_take(struct tunnel *tunnel, const struct arrival *arrival);

/* Refuses such a client for that reason (REFUSAL_RULE): it gets a 421 with why,
 * a text for people, which is also logged. */
void tunnel_refuse_arrival(struct tunnel *tunnel, const struct arrival *arrival,
    const char *why);
/* The port of its first listener on this host; 0: there is none. */
uint16_t tunnel_port(const struct tunnel *tunnel);

/* What a port of this host is to the data connections of its clients. */
enum tunnel_data {
	TUNNEL_DATA_NONE,
	TUNNEL_DATA_AWAITED, /* a session listens there for one */
	TUNNEL_DATA_OVER,    /* it was that for one of the last */
};

enum tunnel_data tunnel_data_at(const struct tunnel *tunnel, uint16_t port);

/* Has a session of it made a data connection to its client from that address
 * and port of this host? */
bool tunnel_has_dialed(const struct tunnel *tunnel, const struct addr *from);

/* What it has counted; borrowed. */
const struct tunnel_stats *tunnel_stats(const struct tunnel *tunnel);

/* Adds what another tunnel has counted, which is about to be freed. */
void tunnel_inherit(struct tunnel *tunnel, const struct tunnel *from);

/* How many clients wait for the link. */
size_t tunnel_waiting(const struct tunnel *tunnel);

/* Calls each for each session, the latest first; info is valid in the call. */
typedef void tunnel_session_cb(void *ctx, const struct session_info *info);
void tunnel_each_session(const struct tunnel *tunnel, tunnel_session_cb *each,
    void *ctx);

/* Ends the session with that number as session_stop() does.  False: this tunnel
 * has no such session. */
bool tunnel_end_session(struct tunnel *tunnel, unsigned long number,
    const char *why);

/*
 * The link is up again, or for the first time after tunnel_start().  Sessions
 * begin for clients that wait; sshd is requested to listen.
 */
void tunnel_link_up(struct tunnel *tunnel);

/*
 * The link was lost, or could not be made.  Sessions end with 421.  A local
 * tunnel continues to listen.  Clients that wait for the link continue to wait
 * if culvert reconnects by itself (again); else they get a 421 with why.
 */
void tunnel_link_down(struct tunnel *tunnel, const char *why, bool again);

/*
 * Stops to listen, so that another tunnel can use the address.  Sessions end
 * with 421 and why as soon as that cuts no transfer; clients that wait for the
 * link get it at once.
 */
void tunnel_drain(struct tunnel *tunnel, const char *why);

/* Does it have a session, or a client that waits for the link? */
bool tunnel_has_sessions(const struct tunnel *tunnel);

/* Did sshd refuse to listen, so that it is requested repeatedly? */
bool tunnel_is_retrying(const struct tunnel *tunnel);

/* Stops to listen, and ends the sessions with 421 and why. */
void tunnel_stop(struct tunnel *tunnel, const char *why);

/* After tunnel_stop(); NULL is allowed. */
void tunnel_free(struct tunnel *tunnel);

#endif
