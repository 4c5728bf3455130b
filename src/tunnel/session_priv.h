/*
 * What session.c (the control connections), session_data.c (the data
 * connections), session_transfer.c (the transfers), session_client.c (a client
 * that has gone) and session_clock.c (all else that takes time) share.  Nobody
 * else includes it.
 */
#ifndef TUNNEL_SESSION_PRIV_H
#define TUNNEL_SESSION_PRIV_H

#include <stdbool.h>
#include <uv.h>

#include "base/log.h"
#include "base/log_limit.h"
#include "engine/engine.h"
#include "ftp/secrets.h"
#include "limits.h"
#include "tunnel/dataconn.h"
#include "tunnel/policy.h"
#include "tunnel/rate.h"
#include "tunnel/session.h"

/* One of the two control connections. */
struct control {
	struct session *session;
	enum engine_peer peer;
	struct stream *stream;
	bool opened;
	bool ended;	   /* its EOF came */
	bool unread;	   /* what comes has nowhere to go */
	bool lost;	   /* the engine knows that it is dead */
	bool heard;	   /* something came, */
	uint64_t heard_at; /* at the last time then (uv_now()) */
	uint64_t idle_ms;  /* its EOF came so long after anything else */
};

enum clock_timer {
	CLOCK_ENGINE,	/* ENGINE_TIMER */
	CLOCK_GREETING, /* until the server is to have greeted */
	CLOCK_REPLY,	/* ENGINE_REPLY_TIMER */
	CLOCK_LOGIN,	/* until somebody has logged in */
	CLOCK_IDLE,	/* since something passed */
	CLOCK_CREDIT,	/* until the client may send more lines */
	CLOCK_DRAIN,	/* until only transfers are waited for */
	CLOCK_CLIENT,	/* looks whether the client is still there */
	CLOCK_TIMERS,
};

/* A transfer that has begun. */
struct session_transfer {
	bool running;
	uint32_t data;	   /* its data connection; 0: none of ours */
	uint64_t began_at; /* uv_now() */
	uint64_t before;   /* what its data connection had carried for others */
	struct engine_report report; /* user and why are not kept */
	char *name;		     /* the report's */
};

struct session {
	const struct session_options *options;
	struct log_origin origin; /* its peer is peer_text */
	char peer_text[ADDR_TEXT_MAX];
	const struct session_handler *handler;
	void *ctx;
	struct engine *engine;
	struct control control[2];
	struct dataconn *data[LIMIT_SESSION_DATA];
	struct session_transfer transfers[LIMIT_SESSION_DATA];
	struct rate rate; /* of all data connections together */
	struct policy_peer client;
	struct addr local[2]; /* our ends of the control connections, and */
	struct addr server;   /* the server's, where they are known */
	uv_timer_t timers[CLOCK_TIMERS];
	unsigned int open_timers; /* that uv_close() has still to end */
	uint64_t granted_at;	  /* uv_now(), of the last lines */
	bool slowed;		  /* it was said that lines have to wait */
	char drain_why[100];	  /* "": it does not drain */
	uint64_t progress;	  /* of the session, when it was last seen, */
	uint64_t progress_at;	  /* and since when it has not changed */
	char *user;		  /* who has logged in, or NULL */
	uint64_t began_at;	  /* uv_now() */
	struct log_limit warnings;
	struct secrets secrets; /* at -v -v */
	bool over;		/* ENGINE_END was carried out */
};

#define session_say(session, level, ...) \
	log_line((level), &(session)->origin, __VA_ARGS__)

/* session.c: carries out what the engine wants.  The session may be over, and
 * dead, when it returns. */
void session_pump(struct session *session);

/* session.c: one more warning, of those that a peer may provoke again and
 * again? */
bool session_may_warn(struct session *session);

/* session.c: the client's control connection is dead, or as good as dead. */
void session_client_lost(struct session *session, const char *why);

/* session_client.c: to be called when the client has ended, or is read or not
 * read. */
void session_client_watch(struct session *session);

/* session_data.c: ENGINE_DATA_*. */
void session_data_act(struct session *session,
    const struct engine_action *action);
/* The engine is about to hear of a control connection: it should know what
 * has gone through the data connections by now. */
void session_data_tell(struct session *session);

/* Grows with every byte that has arrived somewhere; another one when a data
 * connection has begun or ended. */
uint64_t session_data_moved(const struct session *session);

/* What data connection number data has carried toward that peer. */
uint64_t session_data_sent(const struct session *session, uint32_t data,
    enum engine_peer peer);
/* The digest of what has gone toward that peer by data connection number data
 * since it was last asked for; returns text, or NULL. */
const char *session_data_digest(struct session *session, uint32_t data,
    enum engine_peer peer, char text[DATACONN_DIGEST_MAX]);

/* session_transfer.c: ENGINE_BEGIN and ENGINE_REPORT. */
void session_transfer_act(struct session *session,
    const struct engine_action *action);
void session_transfer_end(struct session *session);
/* Somebody has logged in, or somebody else. */
void session_transfer_user(struct session *session, const char *user);

/* session_clock.c */
void session_clock_start(struct session *session);
/* Frees the session, and its engine, when the loop has let go of it. */
void session_clock_close(struct session *session);
/* The server's control connection stands. */
void session_clock_opened(struct session *session);
/* Something has come on that control connection. */
/* A connection to that peer ("the data connection to") has ended after so many
 * milliseconds without traffic, and not by the peer. */
void session_hint_idle(struct session *session, enum engine_peer peer,
    const char *what, bool accepted, uint64_t ms);

void session_clock_stir(struct session *session, struct control *from);
/* ENGINE_TIMER, ENGINE_REPLY_TIMER, ENGINE_LOGIN and ENGINE_CREDIT. */
void session_clock_act(struct session *session,
    const struct engine_action *action);

#endif
