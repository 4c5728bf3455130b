/*
 * The engine's inside, shared by
 *
 *	engine.c	what goes in and out, and the order of steps
 *	client.c	commands
 *	server.c	replies
 *	exchange.c	exchanges: commands whose reply has not come
 *	match.c		which reply answers which command
 *	hostport.c	host-ports that pass as they are
 *	greeting.c	a server that does not greet
 *	unfinished.c	replies of several lines without an end
 *	request.c	requests to the server for a data connection,
 *	announce.c	the line that answers where it is to go,
 *	variant.c	in which variant,
 *	learn.c		and what its answer teaches
 *	retry.c		a transfer again, in the other mode
 *	transfer.c	transfers,
 *	effect.c	and what the reply to any other command changes
 *	noop.c		NOOPs of our own
 *	data.c		data connections,
 *	event.c		what happens to them: a table,
 *	react.c		and what is done then
 *	wait.c		what they wait for, and how long: a table
 *	upload.c	the end of an upload
 *	verdict.c	what becomes of a reply to a transfer: a table
 *	hold.c		waiting without a reply; the end of a transfer
 *	report.c	what the owner is told of transfers
 *	policy.c	commands that are not to reach the server,
 *	paths.c		paths in them,
 *	cwd.c		and what those are relative to
 *	owner.c		what the owner asks for: an end that cuts nothing
 *
 * Everything happens in engine_next(): as long as no action is queued, one
 * step is taken: one line of the server, else one line of the client, else an
 * end.  A line that cannot be dealt with yet stays in its reader, and so does
 * all that is behind it: that is how replies are held and commands wait.
 *
 * data.h has the states of a data connection; there is at most one NEXT, and
 * one CURRENT unless the server runs two transfers at a time.
 */
#ifndef ENGINE_PRIV_H
#define ENGINE_PRIV_H

#include <stdarg.h>
#include <sys/queue.h>

#include "engine/engine.h"
#include "engine/data.h"
#include "engine/exchange.h"
#include "engine/match.h"
#include "engine/unfinished.h"
#include "engine/variant.h"
#include "ftp/greeting.h"
#include "ftp/hostport.h"
#include "ftp/line.h"
#include "ftp/reply.h"
#include "limits.h"

/* Has the peer ended its direction? */
enum end_of_data {
	EOF_NOT,
	EOF_CLEAN,
	EOF_DOUBTED, /* the SSH server may have closed the connection: the end
		      * of a download counts if the FTP server says so, that
		      * of an upload see data_doubt_upload() */
	EOF_DOUBTED_SIZE, /* ... and only with the right size */
};

/* One end of a data connection: toward the client, or toward the server. */
struct data_end {
	struct engine_data_end how; /* as it was made */
	struct addr v4, v6;	    /* its listener stands: what its peer may be
				     * told */
	bool failed;		    /* MAKING: it cannot be had, see why */
	bool up;		    /* it has stood */
	enum end_of_data eof;
	bool shut;	  /* we have ended toward that peer */
	bool lost;	  /* it is dead, or was dropped */
	uint64_t bytes;	  /* relayed toward that peer */
	uint64_t before;  /* of them, for transfers that are over */
	size_t file_ends; /* so many ends of files has that peer sent, */
	size_t files;	  /* ... of which were for transfers that are over */
	uint64_t end_at;  /* where the last one stood in its bytes */
};

/* ENGINE_DATA_QUIET was ordered. */
enum data_quiet {
	QUIET_NOT,
	QUIET_LONG,
	QUIET_SHORT, /* since the end of the file has come */
};

/* Probes of a client, and one more once they have all been answered. */
#define PROBES_MAX 3

struct data {
	uint32_t number;
	enum data_state state;
	enum data_wait wait;
	union { /* by name, or by enum engine_peer */
		struct data_end ends[2];
		struct {
			struct data_end client, server;
		};
	};
	enum variant own, variant; /* of its request */
	bool passing;		   /* failed, for a reason that may pass */
	bool unproven;	 /* we connect to the server, in a variant that is not
			  * known to be good: nobody hears of it before that
			  * stands */
	bool dialled;	 /* DATA_DIAL was said */
	uint64_t age_ms; /* so long its connection had stood then */
	uint64_t unsent; /* of the bytes toward the server: still with us */
	bool delivered;	 /* the client has all */
	bool expired;	 /* a held reply has waited long enough */
	enum data_course course;
	unsigned probes; /* of its client; PROBES_MAX: it lives */
	enum data_quiet quiet;
	char unknown[100]; /* WAIT_UNKNOWN: why it was not taken */
	char why[400];	   /* failed or cut: by what */
};

/* What becomes of the reply whose lines are passing. */
enum disposition {
	PASS,
	DROP,
	DROP_REQUEST, /* a refusal: another variant is sent behind it */
	DROP_RETRY,   /* a refused transfer: the other mode is tried */
	TRANSLATE,    /* holds the host-port, is not the client's variant */
	FILTER_FEAT,  /* without the lines about TLS */
	REWRITE,      /* holds the server's host-port */
};

/* The working directory at the server: engine/cwd.c. */
struct cwd {
	char *path;  /* absolute; NULL: not known */
	bool wanted; /* is to be asked for */
	struct exchange *request;
	bool asked; /* since the last USER */
	bool lost;  /* for good: an answer was none */
	bool left;  /* may be another one than at the last RNFR */
};

/* What has come instead of a greeting: engine/greeting.c. */
struct greeting {
	char said[GREETING_QUOTE_MAX];
	unsigned lines;
	size_t bytes;
};

/* Why a command is refused by a policy. */
struct veto {
	const char *policy; /* "--read-only"; NULL: it is not */
	const char *why;    /* more than that, or NULL */
	const char *rule;   /* what of it, for the log only; or NULL */
};

struct queued_action {
	struct engine_action action;
	size_t at;	/* of its bytes in engine->queue.out */
	size_t why_at;	/* BEGIN, REPORT: of its second text */
	size_t user_at; /* ... and its third */
};

/* One of the two control connections. */
struct peer {
	struct line_reader input;
	bool eof;      /* that peer has ended its direction */
	bool lost;     /* its connection is dead */
	bool fragment; /* inside an over-long line of that peer */
};

/* The reply whose lines are passing. */
struct passing_reply {
	struct reply_reader reader; /* its code is 0 between two replies */
	struct exchange *exchange;  /* that it answers, or NULL */
	enum disposition how;
	bool rewritten; /* REWRITE: done */
	bool bare_code; /* the line is a code, cut off behind it */
	unsigned told;	/* the code that the client sees */
};

/* What the server and the client have agreed on (RFC 959 section 5.3). */
struct session_state {
	char *rest;	 /* accepted by the server, for the next transfer */
	char *user;	 /* that the server knows of, or NULL */
	char *size_name; /* whose SIZE was asked for last, or NULL */
	int64_t size;	 /* of it */
	int64_t allo;	 /* of the next transfer, as ALLO had it; or -1 */
	char type;	 /* of the representation */
	char mode, structure; /* MODE's and STRU's letter */
	bool epsv_all;
	bool tls_pending; /* AUTH sent on: commands wait for its reply */
	bool logged_in;
	bool follows;	   /* the last reply, 3xx, wants the next command */
	bool noop_refused; /* the server does not know it */
};

/* What the owner asks for. */
struct owner_state {
	bool draining, drain_late;
	char drain_why[100];
	unsigned lines_left; /* of config.max_lines */
	bool credit_asked;
};

/* Actions that the owner has not taken yet. */
struct action_queue {
	struct engine_action nowhere; /* when there is no memory */
	struct queued_action *actions;
	size_t n_actions, first_action, size_actions;
	struct buf out; /* their bytes */
};

struct engine {
	struct engine_config config;
	struct engine_memory own_memory, *memory;
	struct peer peers[2];
	char why[400]; /* the server's is lost: by what */

	struct exchange_list exchanges;
	size_t n_exchanges;
	struct passing_reply reply;
	unsigned n_lines; /* of the server, modulo UINT_MAX */
	struct unfinished unfinished;
	struct greeting greeting;
	bool client_waits; /* a line of the client does, for a reply */
	bool pipelines;	   /* the client has sent commands without waiting */

	struct data data[LIMIT_SESSION_DATA];
	struct data *next;
	struct data *making; /* what a reply in its reader waits for */
	bool foreign; /* instead of next: what the client and the server have
		       * agreed on may be a way around us */
	uint32_t last_number;

	struct session_state session;
	struct cwd cwd;
	struct owner_state owner;
	bool opaque;	  /* TLS */
	bool server_shut; /* the client's half-close was passed on */
	bool stopping;
	bool failed; /* out of memory */
	bool ended;
	struct action_queue queue;
};

/* Has that peer ended its direction, or is its connection dead? */
static inline bool
engine_has_gone(const struct engine *engine, enum engine_peer peer)
{
	return engine->peers[peer].eof || engine->peers[peer].lost;
}

/* The code of the reply of several lines that has begun and not ended; 0: there
 * is none. */
static inline unsigned
engine_open_code(const struct engine *engine)
{
	return engine->reply.reader.code;
}

/* Where does the end of a file stand? */
static inline enum framing
engine_framing(const struct engine *engine)
{
	if (engine->session.mode == 'B')
		return FRAMING_BLOCK;
	if (engine->session.mode == 'C')
		return FRAMING_COMPRESSED;
	return engine->session.mode == 'S' && engine->session.structure == 'R' ?
	    FRAMING_RECORD :
	    FRAMING_NONE;
}

static inline bool
engine_is_framed(const struct engine *engine)
{
	return engine_framing(engine) != FRAMING_NONE;
}

/* Does the client see nothing of the reply that is passing? */
static inline bool
reply_is_dropped(const struct engine *engine)
{
	return engine->reply.how == DROP || engine->reply.how == DROP_REQUEST ||
	    engine->reply.how == DROP_RETRY || engine->reply.how == TRANSLATE;
}

/* engine.c: queueing actions.  Words of our own (sendf) never get into TLS. */
void engine_send(struct engine *engine, enum engine_peer peer,
    const void *bytes, size_t len);
void engine_sendf(struct engine *engine, enum engine_peer peer,
    const char *format, ...) __attribute__((format(printf, 3, 4)));
void engine_logf(struct engine *engine, enum engine_level level,
    const char *format, ...) __attribute__((format(printf, 3, 4)));
struct engine_action *engine_act(struct engine *engine,
    enum engine_action_type type);
/* Gives the action that was queued last a copy of a text, as its bytes.  The
 * action must not be used afterwards: without memory it is not queued any
 * more. */
void engine_attach_text(struct engine *engine, struct engine_action *action,
    const char *text);
/* Gives the action that was queued last, a report, copies of its texts; ""
 * without memory. */
void engine_attach_report(struct engine *engine, struct engine_action *action,
    const char *name, const char *why, const char *user);

/* Ends what snprintf() has put into line, of size bytes.  A reply of ours is
 * one line, whatever it quotes.  Returns its length. */
size_t engine_end_line(char *line, size_t size, int printed);

/* engine/client.c: one line, or an end, of the client. */
enum step engine_step_client(struct engine *engine);

/* engine/server.c */
enum step engine_step_server(struct engine *engine);
/* engine/hostport.c: a line of the server, of a reply with that code (0: of
 * none), passes as it is.  A host-port in it is logged. */
void hostport_pass(struct engine *engine, unsigned code, const uint8_t *line,
    size_t len);
/* The same for a part of one, that is passed otherwise; more: and goes on. */
void hostport_check(struct engine *engine, unsigned code, const uint8_t *line,
    size_t len, bool more);
/* engine/greeting.c: a line that is no reply: may no more of it pass?  Then the
 * session ends. */
bool greeting_refuses(struct engine *engine, const uint8_t *line, size_t len);
/* The server has ended: if it has not greeted, that is said. */
void greeting_server_ended(struct engine *engine);

/* engine/server.c: the final reply to a command has passed, and it is over. */
void reply_end_command(struct engine *engine, struct exchange *exchange,
    unsigned code);
/* engine/server.c: the last line of a reply has passed. */
void engine_end_reply(struct engine *engine, unsigned code);

/* engine/announce.c: a line of a reply with a host-port: REWRITE, TRANSLATE. */
enum step announce_line(struct engine *engine, unsigned code,
    enum reply_place place, const uint8_t *line, size_t len);

/* engine/request.c: a client's PORT or PASV. */
void request_begin(struct engine *engine, const struct command *command,
    const uint8_t *line, size_t len, const struct addr *to);
/* REWRITE: its only line has no host-port.  True: another variant is tried. */
bool request_not_understood(struct engine *engine, struct exchange *request,
    const uint8_t *line, size_t len);
/* How its client's end of a data connection is made. */
struct engine_data_end request_client_end(const struct exchange *request);
/* It cannot be made; why NULL: there are too many.  The client is to be told at
 * the end of the reply. */
void request_note_failure(struct engine *engine, struct exchange *request,
    const char *why);
/* Our connection to the port in the reply has failed: keeps that as a refusal
 * of this variant, and closes the data connection. */
void request_keep_failure(struct engine *engine, struct exchange *request,
    struct data *data);
/* Goes on with a request whose listeners are there, or are not. */
enum step request_step(struct engine *engine);
/* Sends the next variant, its listeners first if it takes some. */
void request_next_variant(struct engine *engine, struct exchange *request);

/* engine/learn.c: the variant that was sent is one the server takes. */
void learn_accepted(struct engine *engine, struct exchange *request);
/* Our connection to the server in that data connection's variant has failed. */
void learn_failed(struct engine *engine, const struct data *data);
/* A transfer that was sent again has had a reply: did it help? */
void learn_retried(struct engine *engine, struct exchange *transfer,
    unsigned code);
/* A data connection whose server's end never stood: if its mode was not the
 * client's, that was no good idea. */
void learn_forget(struct engine *engine, const struct data *data);

/* engine/retry.c: can a refused transfer be sent again in the other mode,
 * unseen? */
bool retry_is_possible(const struct engine *engine,
    const struct exchange *transfer);
/* line: the refusal. */
void retry_begin(struct engine *engine, struct exchange *transfer,
    const uint8_t *line, size_t len);
/* The server has taken our request. */
void retry_go_on(struct engine *engine, struct exchange *request);
/* The transfer is refused after all. */
void retry_refuse(struct engine *engine, struct exchange *transfer);

/* engine/transfer.c: has it begun, and are data still to come? */
bool transfer_is_running(const struct exchange *exchange);
/* It was cut, and has no last reply. */
void transfer_end_cut(struct engine *engine, struct exchange *transfer);

/* engine/effect.c: a 227 that answers no request for a data connection: when
 * the end of a reply was guessed, another one may have been taken for the
 * answer, and this is the right one. */
void effect_stray_announcement(struct engine *engine, unsigned code,
    const uint8_t *line, size_t len);

/* engine/report.c: a first or only line of a reply. */
void report_reply_line(struct exchange *exchange, unsigned code,
    const uint8_t *line, size_t len);
/* The end of a reply to a command of the client: USER, SIZE and TYPE count. */
void report_command(struct engine *engine, struct exchange *exchange,
    unsigned code);
/* The argument of an ALLO, for the transfer behind it. */
void report_allo(struct engine *engine, const char *argument, size_t len);
/* REIN: nobody has logged in, and nothing stands. */
void report_forget(struct engine *engine);
/* Why a good reply was not believed, of a transfer without one. */
#define REPORT_NO_DATA "there was no data connection"
/* A transfer's first reply, and its last one, have passed. */
void report_begin(struct engine *engine, const struct exchange *transfer);
void report_end(struct engine *engine, const struct exchange *transfer,
    const struct data *data, unsigned server_code, unsigned client_code);
/* Has a download relayed as many bytes as the server has said it has, or an
 * upload as the client has? */
enum report_size {
	SIZE_UNKNOWN,
	SIZE_SHORT, /* fewer */
	SIZE_WHOLE,
};
enum report_size report_size(const struct engine *engine,
    const struct exchange *transfer);

/* engine/owner.c: somebody has logged in, or nobody can tell. */
void owner_login(struct engine *engine);
/* May one more line of the client be taken? */
bool owner_takes_line(struct engine *engine);
/* Must the line, a whole one, wait for the session's end? */
bool owner_drain_holds(const struct engine *engine, const uint8_t *line,
    size_t len);
/* Ends the session if it is to be ended and nothing is cut by it. */
enum step owner_drain_step(struct engine *engine);

/* engine/policy.c: is there one? */
bool policy_is_on(const struct engine *engine);
/* May the client's command not go on?  Then it has its reply. */
bool policy_refuses(struct engine *engine, const struct command *command,
    const uint8_t *line, size_t len);
/* SITE HELP, that is. */
bool policy_site_is_harmless(const struct command *command,
    const uint8_t *line);

/* engine/paths.c: are there rules about paths? */
bool paths_have_rules(const struct engine *engine);
struct veto paths_veto(const struct engine *engine,
    const struct command *command, const uint8_t *line);

/* engine/cwd.c: must the line wait until the working directory is known? */
bool cwd_wait(struct engine *engine, const uint8_t *line, size_t len);
/* A command goes to the server. */
void cwd_pass(struct engine *engine, const struct command *command);
/* Sends PWD if it is to be asked for. */
enum step cwd_step(struct engine *engine);
/* The reply to it (NULL: nobody) was ended by us. */
void cwd_unfinished(struct engine *engine, const struct exchange *replying);
/* A reply that answers nobody. */
void cwd_stray(struct engine *engine, unsigned code);
/* A command is over, with that code or (0) none: it may be another one now. */
void cwd_moved(struct engine *engine, struct exchange *exchange, unsigned code);

#endif
