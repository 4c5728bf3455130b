/*
 * What the files of the side share.
 */
#ifndef RESUME_SIDE_PRIV_H
#define RESUME_SIDE_PRIV_H

#include <sys/queue.h>

#include "resume/resume.h"
#include "resume/side.h"
#include "resume/stream.h"
#include "ssh/links.h"
#include "tunnel/policy.h"

/* How often a lost session looks for the link, and one that is over for its
 * data connections. */
#define RESUME_TICK_MS 100

struct resume_listener;

struct resume_session {
	struct side base; /* for data connections; must be first */
	LIST_ENTRY(resume_session) entry;
	struct resume_side *side;
	char *host; /* of the FTP server */
	uint16_t port;
	struct addr client;
	struct resume *core;
	struct stream *control;	      /* our end; NULL: closed */
	const struct stream *dialled; /* the other end, to compare */
	struct stream *server;	      /* NULL: none */
	bool server_up;
	char server_why[256];	    /* it is lost; "": it is not */
	struct resume_stream *data; /* the last one; NULL: none */
	unsigned n_open;	    /* data connections that are not closed */
	bool data_lost;
	bool not_dialled; /* the core waits for a data connection in vain */
	struct stream *compare; /* with the upload; NULL: none */
	uint64_t compare_from, compare_at;
	bool compare_up, compare_same;
	bool client_ended; /* its end is to be passed on */
	LIST_HEAD(, resume_listener) listeners;
	enum {
		RESUME_SESSION_UP,
		RESUME_SESSION_LOST,
		RESUME_SESSION_OVER,
	} state;
	struct link_alive *check; /* is the link lost? */
	struct side_losses losses;
	uint64_t lost_at;    /* uv_now() */
	bool refused, later; /* the server refuses; for now */
	uint64_t retry_at;
	uv_timer_t timer;
};

struct resume_side {
	struct side side; /* must be first */
	struct resume_side_options options;
	struct resume_budget budget;
	bool warned; /* that a session does not survive */
	LIST_HEAD(, resume_session) sessions;
};

static inline struct resume_session *
resume_session_of(struct side *base)
{
	return (struct resume_session *)base;
}

/* ---- session.c ---- */

extern const struct resume_handler resume_session_handler;

/* Connects to the server.  False: the link is down. */
bool resume_session_dial(struct resume_session *session);

/* Reads what has room, and passes the client's end on. */
void resume_session_settle(struct resume_session *session);

/* A line about the session. */
void resume_session_log(const struct resume_session *session, const char *text);

/* The loss is passed on to the client. */
void resume_session_fail(struct resume_session *session, const char *why);

/* Its control connection has ended. */
void resume_session_be_over(struct resume_session *session);

/* Frees it, whatever it still has. */
void resume_session_free(struct resume_session *session);

/* Something of the session is lost: is it the link? */
void resume_session_doubt(struct resume_session *session);

/* Looks after the session in so many milliseconds. */
void resume_session_tick(struct resume_session *session, uint64_t ms);

/* ---- side.c ---- */

/* A data connection, which is the session's last one now.  NULL: out of memory.
 */
struct resume_stream *resume_session_new_data(struct resume_session *session);

/* ---- side_listener.c ---- */

struct side_listener *resume_data_listen(struct side *base,
    const struct side_at *at, const struct side_listener_handler *handler,
    void *ctx);
void resume_data_unlisten(struct side_listener *base, bool reusable);
bool resume_data_end_is_proven(const struct side_listener *base,
    const struct stream *stream);

/* The link is lost: they wait for the session to go on. */
void resume_listeners_hold(struct resume_session *session);
/* They are lost, too. */
void resume_listeners_fail(struct resume_session *session, const char *why);
/* The data connection for which one of them waits will be dialled. */
void resume_listener_prepare(struct resume_session *session);
/* Has it neither listeners nor data connections? */
bool resume_session_is_unused(const struct resume_session *session);

#endif
