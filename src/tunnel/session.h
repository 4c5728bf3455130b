/*
 * A session: one control connection through a tunnel, its engine, and its data
 * connections.  It tells the engine what happens, and carries its actions out;
 * it decides nothing.
 *
 * session.c has the control connections and the table of the engine's actions,
 * session_client.c what becomes of a client that has gone, session_clock.c the
 * timers, session_log.c what is logged, transfer.c the transfers, and
 * dataconn*.c the data connections.  Only tunnel*.c and these files include
 * this.
 */
#ifndef TUNNEL_SESSION_H
#define TUNNEL_SESSION_H

#include <stdbool.h>
#include <sys/queue.h>
#include <uv.h>

#include "base/log.h"
#include "base/log_limit.h"
#include "engine/engine.h"
#include "ftp/secrets.h"
#include "limits.h"
#include "tunnel/dataconn.h"
#include "tunnel/policy.h"
#include "tunnel/rate.h"
#include "tunnel/tunnel_priv.h"

/* One of the two control connections. */
struct control {
	struct session *session;
	enum engine_peer peer;
	struct stream *stream;
	bool opened;
	bool ended;	   /* its EOF came */
	bool unread;	   /* it is not read: the other end is too slow */
	bool lost;	   /* the engine was told that it is dead */
	bool heard;	   /* something came, */
	uint64_t heard_at; /* ... the last time then (uv_now()) */
	uint64_t idle_ms;  /* how long nothing had come before its EOF */
};

/* A session's timers. */
enum session_clock {
	CLOCK_ENGINE,	/* ENGINE_TIMER */
	CLOCK_REPLY,	/* ENGINE_REPLY_TIMER */
	CLOCK_GREETING, /* until the server should have sent its greeting, */
	CLOCK_SILENT,	/* ... or at least anything */
	CLOCK_LOGIN,	/* until somebody has logged in */
	CLOCK_IDLE,	/* since something came on a control connection */
	CLOCK_UNUSED,	/* since a command or the end of a transfer */
	CLOCK_CREDIT,	/* until the client may send more lines */
	CLOCK_DRAIN,	/* until only running transfers are waited for */
	CLOCK_CLIENT,	/* looks whether the client is still there */
	CLOCK_TIMERS,
};

struct session_log {
	struct log_origin origin; /* its peer is peer_text */
	char peer_text[ADDR_TEXT_MAX];
	struct log_limit warnings;
	struct secrets *secrets; /* from the first line at -v -v */
};

/* session_clock.c: --max-lines */
struct session_lines {
	uint64_t granted_at; /* the last time, uv_now() */
	bool slowed;	     /* it was logged that lines must wait */
};

/* session_client.c */
struct session_progress {
	uint64_t sum; /* at the last look, */
	uint64_t at;  /* ... and since when it is the same */
};

struct session {
	struct tunnel *tunnel;
	const struct tunnel_options *options; /* the tunnel's */
	struct target target;
	arrival_answer *answer; /* to be called before anything is sent to the
				 * client; NULL: it was, or there is none */
	bool refused;		/* it has told the client that there is no
				 * connection: nothing more is sent */
	char chosen[FORWARD_HOST_MAX + 16]; /* "HOST:PORT", if the client has
					     * chosen its server; else "" */
	/* By enum engine_peer: toward whom, and as in struct target. */
	struct side *side[2];
	const char *listen_at[2];
	struct addr known_as; /* struct arrival; so is this: */
	bool foreign;
	struct ports *ports; /* where it listens for the client; or NULL */
	struct session_log log;
	LIST_ENTRY(session) link; /* of the tunnel's sessions */
	struct admission_place *place;
	struct engine *engine;
	struct control control[2];
	/* The engine opens LIMIT_SESSION_DATA of them at most. */
	struct dataconn_list data;
	struct dataconn_transfer
	    elsewhere;	  /* whose data do not pass through culvert */
	struct rate rate; /* of all data connections together */
	struct policy_peer client;
	struct addr local[2]; /* our ends of the control connections; and the */
	struct addr server;   /* server's end; AF_UNSPEC: not known */
	uv_timer_t timers[CLOCK_TIMERS];
	unsigned int open_timers; /* that uv_close() has not ended yet */
	struct session_lines lines;
	char drain_why[100]; /* "": it does not drain */
	struct session_progress progress;
	char *user;	   /* who has logged in, or NULL */
	uint64_t began_at; /* uv_now() */
	bool over;	   /* ENGINE_END was carried out */
};

#define session_say(session, level, ...) \
	log_line((level), &(session)->log.origin, __VA_ARGS__)

/* ---- for its tunnel ---- */

/*
 * Begins a session of that tunnel with that client.  The stream and the place
 * belong to the session, whatever is returned.  It is in the tunnel's list
 * until it has ended, which may be before this returns.  False: out of memory.
 */
bool session_begin(struct tunnel *tunnel, const struct arrival *arrival);

/* What it is doing now; texts are valid until the next call of anything. */
void session_describe(const struct session *session, struct session_info *ret);

/*
 * Ends it as soon as that cuts no transfer, with 421 and why to the client (at
 * most 99 characters are copied).  It waits at most LIMIT_DRAIN_MS for replies
 * to commands and for the use of data connections that are prepared.
 */
void session_drain(struct session *session, const char *why);

/* Ends it now: 421 and why to the client; running transfers are cut.  When this
 * returns, it has ended. */
void session_stop(struct session *session, const char *why);

/* ---- shared by its files ---- */

/* Carries out an action of the engine. */
typedef void session_action(struct session *session,
    const struct engine_action *action);

/* dataconn.c: ENGINE_DATA_OPEN.  If memory is short, the engine is told that an
 * end failed. */
session_action dataconn_open;

/* transfer.c: ENGINE_BEGIN; ENGINE_REPORT: counts the transfer, logs it, writes
 * its record, and forgets it. */
session_action transfer_begin, transfer_report;
/* It runs no more; frees what it has. */
void transfer_forget(struct dataconn_transfer *transfer);

/* session.c: carries out what the engine wants.  The session may be over, and
 * dead, when it returns. */
void session_pump(struct session *session);

/* session.c: may one more warning be logged, of those that a peer can provoke
 * repeatedly? */
bool session_may_warn(struct session *session);

/* session.c: the client's control connection is dead, or as good as dead. */
void session_client_lost(struct session *session, const char *why);

/* session.c: who has logged in. */
void session_set_user(struct session *session, const char *user);

/*
 * session.c: a connection to that peer ended after ms milliseconds without
 * traffic, and not by the peer.  Logs what may be the reason.  what: "the data
 * connection to"; accepted: else culvert has opened it.
 */
void session_hint_idle(struct session *session, enum engine_peer peer,
    const char *what, bool accepted, uint64_t ms);

/* session_client.c: to be called when the client's control connection has
 * ended, or when it begins or ceases to be read. */
void session_client_watch(struct session *session);
/* CLOCK_CLIENT */
void session_client_look(struct session *session);
/* A client that has half-closed its control connection: has it died since? */
void session_notice_dead_client(struct session *session);

/* session_clock.c: does the server's side stand still (side_is_paused())?  Then
 * what waits for the server waits SESSION_PAUSE_MS longer. */
bool session_is_paused(const struct session *session);
#define SESSION_PAUSE_MS 1000

/* session_clock.c: makes the timers; starts those that run from the beginning.
 */
void session_clock_open(struct session *session);
/* Frees the session, and its engine, when the loop has closed the timers. */
void session_clock_close(struct session *session);
/* Starts that timer: it expires in ms, and then every repeat_ms, if that is not
 * 0. */
void session_clock_set(struct session *session, enum session_clock clock,
    uint64_t ms, uint64_t repeat_ms);
/* ENGINE_TIMER, ENGINE_REPLY_TIMER, ENGINE_CREDIT */
session_action session_set_timer, session_set_reply_timer, session_grant_lines;

/* session_log.c: what is said to the log; what peers have sent is escaped. */
/* ENGINE_LOG: no more than the limit of warnings allows, except at -v.
 * ENGINE_SEND, at -v -v: the line that is sent, without what may be a password,
 * also where a reply repeats it. */
session_action session_log_text, session_log_transcript;
/* ENGINE_REPORT: one line for each transfer, without a limit: a warning if it
 * was cut, else only at -v. */
void session_log_report(const struct session *session,
    const struct engine_report *report, const struct side_losses *losses);

#endif
