/*
 * What side.c, session.c and cleaner.c share.  Nobody else includes it.
 */
#ifndef GATEWAY_SIDE_PRIV_H
#define GATEWAY_SIDE_PRIV_H

#include <sys/queue.h>
#include <uv.h>

#include "base/log_limit.h"
#include "base/buf.h"
#include "base/stream.h"
#include "gateway/side.h"
#include "ssh/link.h"
#include "ssh/links.h"

struct gateway_session;

/* What left_over() of gateway.h is about. */
struct left_over {
	STAILQ_ENTRY(left_over) entry;
	char *path, *target; /* target NULL: path is to be removed */
};

STAILQ_HEAD(left_over_list, left_over);

/* Removes such files by a channel of its own; cleaner.c. */
struct cleaner;

struct gateway_side {
	struct side side;
	uv_loop_t *loop;
	struct links *links;
	const struct gateway_config *config;
	struct login_checker *checker;
	struct login_file *logins;
	struct ssh_logins *ssh_logins;	 /* NULL: links is used */
	const struct link_options *link; /* of their links */
	struct log_limit failures;	 /* of logins */
	const char *log_name;
	uv_timer_t *timer;  /* heap, freed by libuv */
	uint64_t ticked_at; /* uv_now(); once a second */
	uint64_t closed_at; /* uv_now(), when a channel was closed; or 0 */
	LIST_HEAD(, gateway_session) sessions;
	size_t n_sessions;
	uint16_t last_port;
	struct left_over_list left_over;
	size_t n_left_over;
	struct cleaner *cleaner; /* NULL: none runs */
};

/* ---- side.c ---- */
/* Looks at the sessions soon, and after that at least once a second. */
void gateway_side_stir(struct gateway_side *side);
/* A port that no session listens on; 0: none. */
uint16_t gateway_side_port(struct gateway_side *side);
/* A session needs a channel: uploads over that link close what they have more
 * than one each.  False: they have not. */
bool gateway_side_yield(struct gateway_side *side, const struct link *link);
/* Does a session wait for that? */
bool gateway_side_waits(struct gateway_side *side, const struct link *link);

/* ---- session.c ---- */
/* Begins a session for that client (NULL: not known); the stream is that of its
 * control connection. */
struct stream *gateway_session_new(struct gateway_side *side,
    const struct addr *client, const struct stream_handler *handler, void *ctx);
void gateway_session_free(struct gateway_session *session);
/* Tells the core that channels could not be opened. */
void gateway_session_look(struct gateway_session *session);
/* Once a second. */
void gateway_session_tick(struct gateway_session *session);
/* Is it over, so that it can be freed? */
bool gateway_session_is_over(const struct gateway_session *session);
/* Does it wait for a data connection at that port? */
bool gateway_session_listens(const struct gateway_session *session,
    uint16_t port);
struct stream *gateway_session_dial(struct gateway_session *session,
    const struct stream_handler *handler, void *ctx);
/* Closes its channels but the first soon, if they are of that link.  False: it
 * has only that. */
bool gateway_session_yield(struct gateway_session *session,
    const struct link *link);
/* Does it wait for a channel of that link that another session has? */
bool gateway_session_waits(const struct gateway_session *session,
    const struct link *link);
/* Is it that of this control connection, and waits for the link? */
bool gateway_session_is_paused(const struct gateway_session *session,
    const struct stream *control);
/* False: it is not that of this control connection. */
bool gateway_session_losses(const struct gateway_session *session,
    const struct stream *control, struct side_losses *ret);
struct gateway_session *gateway_session_next(struct gateway_session *session);

/* ---- session_login.c ---- */

/* The logins of a session; zeroed at first. */
struct session_login {
	struct gateway_side *side;
	struct addr client;
	struct gateway *core;
	struct login_check *check; /* that is running; or NULL */
	struct ssh_login *ssh;	   /* that is running, or up; or NULL */
	bool up;		   /* it is up */
	uv_timer_t *timer;	   /* heap, freed by libuv */
	const char *refusal;	   /* that waits for the timer */
	char why[512];		   /* of session_login_examine() */
	char *user;		   /* who logs in */
	unsigned failures;
};

/* client NULL: it is not known.  False: out of memory; else call
 * session_login_end(). */
bool session_login_init(struct session_login *login, struct gateway_side *side,
    const struct addr *client);
/* Checks a login, and tells core.  False: out of memory. */
bool session_login_start(struct session_login *login, struct gateway *core,
    const char *user, const char *password);
/* Cancels what is running: core is not told. */
void session_login_cancel(struct session_login *login);
/* The link of the user who has logged in; NULL: there is none. */
struct link *session_login_link(const struct session_login *login);
/* The login is good, but the SFTP server cannot be used: tells core, from the
 * loop, why the login fails, or that it is not to blame. */
void session_login_examine(struct session_login *login, const char *why);
/* The session has ended, with all streams of its link. */
void session_login_end(struct session_login *login);
/* Who has logged in, for messages; NULL: nobody has logged in by SSH. */
const char *session_login_who(const struct session_login *login);

/* ---- shared by session.c and session_data.c ---- */
struct session_channel {
	struct gateway_session *session;
	unsigned number;
	struct stream *stream; /* NULL: none */
	bool opened;	       /* the SFTP server has been started */
	unsigned retries;
	bool waits;  /* the next try is to come */
	bool waited; /* for channels of other sessions */
};

struct gateway_session {
	LIST_ENTRY(gateway_session) entry;
	struct gateway_side *side;
	struct gateway *core;
	struct link *link;	/* of its channels; NULL: none was chosen */
	struct stream *control; /* our end; NULL: closed */
	const struct stream *dialled; /* the other end; only to compare */
	struct side_losses losses;
	struct stream *data; /* our end; NULL: none */
	uint16_t port;	     /* where it listens; 0: nowhere */
	uv_timer_t *hold;    /* heap, freed by libuv; see session_listen() */
	struct buf held;     /* replies, while that runs */
	struct session_channel channels[GATEWAY_CHANNELS];
	struct session_login login;
	char *claimed; /* the file that is written in place */
	bool greeted;  /* the control connection is open */
	bool over;
	unsigned over_s; /* seconds since then */
};

/* Passes on the replies that were held. */
void session_pass_held(struct gateway_session *session);
/* stream NULL is allowed. */
void gateway_read_or_not(struct stream *stream, bool on);
/* The core's handler. */
uint16_t session_listen(void *ctx);
int session_data_send(void *ctx, const struct iovec *pieces, size_t n);
size_t session_data_queued(void *ctx);
void session_data_read(void *ctx, bool on);
void session_data_end(void *ctx);
void session_data_reset(void *ctx);

/* ---- cleaner.c ---- */
/* who: only that user's connection, which is lost, could reach the file; or
 * NULL. */
void cleaner_add(struct gateway_side *side, const char *path,
    const char *target, const char *who);
/* The server refuses to remove it. */
void cleaner_give_up(struct gateway_side *side, const char *path);
/* Starts to remove them if there are some and the link is up; ends when that is
 * done, or the server does not answer. */
void cleaner_look(struct gateway_side *side, bool second);
/* Says what is left, and frees everything. */
void cleaner_free(struct gateway_side *side);

#endif
