/*
 * The engine's inside, shared by
 *
 *	engine.c	what goes in and out, and the order of steps
 *	client.c	commands
 *	server.c	replies
 *	exchange.c	exchanges: commands whose reply has not come
 *	match.c		which reply answers which command
 *	hostport.c	host-ports of the server that pass unchanged
 *	greeting.c	a server that sends no FTP greeting
 *	unfinished.c	multi-line replies without their last line
 *	request.c	requests to the server for a data connection
 *	announce.c	the reply line with the host-port
 *	variant.c	the variants of a request, and the choice of one
 *	learn.c		what is remembered of the server's answers
 *	retry.c		sends a refused transfer again, in the other mode
 *	transfer.c	transfers
 *	effect.c	what the replies to all other commands change
 *	noop.c		NOOPs of our own
 *	data.c		data connections
 *	event.c		the table of their events
 *	react.c		the reactions to these events
 *	wait.c		the table of what they wait for, and how long
 *	upload.c	the EOF of an upload
 *	verdict.c	the table of what is done with a reply to a transfer
 *	hold.c		waiting without a reply; the end of a transfer
 *	size.c		the announced size of a transfer
 *	report.c	reports about transfers to the owner
 *	policy.c	commands that must not reach the server
 *	paths.c		the paths in commands
 *	cwd.c		the working directory at the server
 *	owner.c		login, pace of commands, drain: for the owner
 *
 * All lines are handled in engine_next().  While no action is queued, it takes
 *one step: it handles a line of the server; if there is none, a line of the
 * client; if there is none, the EOF or loss of a control connection.  A line
 * that cannot be handled yet stays in the line reader, with all bytes after it.
 * This is how replies are held and commands are delayed.
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

/* Has the peer sent EOF on the data connection, and is that proven? */
enum end_of_data {
	EOF_NOT,
	EOF_CLEAN,
	/* It may be a loss, because the SSH server closed the channel.  In a
	 * download it counts as EOF if the FTP server replies 2xx; for an
	 * upload see data_doubt_upload(). */
	EOF_DOUBTED,
	/* The same, but it counts only if the size is right. */
	EOF_DOUBTED_SIZE,
};

/* One end of a data connection: toward the client, or toward the server. */
struct data_end {
	struct engine_data_end how; /* how it is made */
	struct addr v4, v6;	    /* its listener is ready: the host-port to
				     * announce to its peer */
	bool failed;		    /* MAKING: it could not be made; data.why
				     * has the reason */
	bool up;		    /* it has been connected */
	enum end_of_data eof;
	bool shut;	  /* we have half-closed it */
	bool lost;	  /* it was lost, or closed by us */
	uint64_t bytes;	  /* relayed toward that peer */
	uint64_t before;  /* how many of them belong to earlier transfers */
	size_t file_ends; /* end-of-file markers that the peer has sent */
	size_t files;	  /* how many of them belong to earlier transfers */
	uint64_t end_at;  /* offset of the last marker in the peer's bytes */
};

/* Which ENGINE_DATA_QUIET is active. */
enum data_quiet {
	QUIET_NOT,
	QUIET_LONG,
	QUIET_SHORT, /* the short time after an end-of-file marker */
};

/* data.probes counts the probes of a client, two at most.  This value means
 * that it has survived both. */
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
	enum variant own, variant; /* of its request: the client's variant, and
				    * the one that was sent */
	bool transient;		   /* it failed, and the cause is temporary */
	/* culvert connects to the server, in a variant that is not known to
	 * work: the client gets the reply only after the server's end is
	 * connected. */
	bool unproven;
	bool dialled;	 /* ENGINE_DATA_DIAL was queued */
	uint64_t age_ms; /* how long the client's connection had existed when
			  * its EOF came */
	uint64_t unsent; /* bytes toward the server that have not left this
			  * process */
	bool delivered;	 /* the client has everything (DATA_DELIVERED) */
	bool expired;	 /* the time of a held reply is over: it passes */
	enum data_course course;
	unsigned probes; /* probes sent to the client; see PROBES_MAX */
	enum data_quiet quiet;
	char unknown[100]; /* WAIT_UNKNOWN: why the connection was refused */
	char why[400];	   /* why it failed or was cut */
};

/* What is done with the lines of the current reply of the server.  DROP: the
 * client does not get them. */
enum disposition {
	PASS,
	DROP,
	DROP_REQUEST, /* DROP; then the request is sent in another variant */
	DROP_RETRY,   /* DROP; then the transfer is tried in the other mode */
	TRANSLATE,    /* of a 227 to 229 in a variant that the client did
		       * not use: DROP, then culvert answers 200, 227 or
		       * 229 */
	FILTER_FEAT,  /* pass all lines but those about TLS */
	REWRITE,      /* replace the server's host-port by ours */
};

/* What is known of the working directory at the server: engine/cwd.c. */
enum cwd_state {
	CWD_UNKNOWN,
	CWD_WANTED, /* a PWD must be sent */
	CWD_ASKED,  /* our PWD has no reply yet */
	CWD_KNOWN,
	CWD_REFUSED, /* before a login, the server refuses PWD */
	CWD_LOST,    /* a PWD was not answered by 257, or not for certain:
		      * relative paths are refused until the session ends */
};

struct cwd {
	enum cwd_state state;
	char *path; /* absolute; NULL unless CWD_KNOWN */
	bool left;  /* a command since the last RNFR may have changed it */
};

/* What the server has sent instead of a greeting: engine/greeting.c. */
struct greeting {
	char said[GREETING_QUOTE_MAX];
	unsigned lines;
	size_t bytes;
	bool is_reply; /* engine_config.greeted: it was the reply to the
			* client's next line */
};

/* Why a command is refused by a policy. */
struct veto {
	const char *policy; /* the option, as "--read-only"; NULL: no refusal */
	const char *why;    /* more explanation for the client, or NULL */
	const char *rule;   /* the value of the option, for the log only; or
			     * NULL */
};

struct queued_action {
	struct engine_action action;
	size_t at;	/* offset of its bytes in engine->queue.out */
	size_t why_at;	/* BEGIN, REPORT: offset of report.why there */
	size_t user_at; /* BEGIN, REPORT: offset of report.user there */
};

/* One of the two control connections. */
struct peer {
	struct line_reader input;
	bool eof;      /* that peer has sent EOF */
	bool lost;     /* its connection is lost */
	bool fragment; /* the next bytes continue an over-long line */
};

/* The current reply of the server. */
struct passing_reply {
	struct reply_reader reader; /* code 0: between two replies */
	struct exchange *exchange;  /* the exchange that it answers, or NULL */
	enum disposition how;
	bool rewritten; /* REWRITE, TRANSLATE: the host-port was found */
	bool bare_code; /* the last line is a code and nothing else */
	unsigned told;	/* the code that the client gets */
};

enum tls {
	TLS_NOT,
	TLS_REQUESTED, /* AUTH sent on: commands wait for its reply */
	TLS_ACTIVE,    /* culvert sees nothing but bytes */
};

/* What the server and the client have agreed on (RFC 959 section 5.3). */
struct session_state {
	char *rest;	 /* the argument of an accepted REST, for the next
			  * transfer */
	char *user;	 /* the argument of the last accepted USER, or NULL */
	char *size_name; /* the file of the last SIZE, or NULL */
	int64_t size;	 /* the size of that file */
	int64_t allo;	 /* the size in the last ALLO, or -1 */
	char type;	 /* of the representation */
	char mode, structure; /* MODE's and STRU's letter */
	bool epsv_all;
	bool logged_in;
	bool follows;	   /* the last reply was 3xx: it needs a next command */
	bool noop_refused; /* the server has refused NOOP */
};

enum drain {
	DRAIN_NOT,
	DRAIN_EARLY, /* ends when that cuts no command short */
	DRAIN_LATE,  /* ends when that cuts no transfer */
};

/* What the owner has requested. */
struct owner_state {
	enum drain drain;
	char drain_why[100];
	unsigned lines_left; /* how many of config.max_lines are left */
	bool credit_asked;
};

/* Actions that the owner has not taken yet. */
struct action_queue {
	struct engine_action nowhere; /* engine_act() returns it when out of
				       * memory; it is never taken */
	struct queued_action *actions;
	size_t n_actions, first_action, size_actions;
	struct buf out; /* their bytes */
};

/* The data connections of a session. */
struct data_table {
	struct data data[LIMIT_SESSION_DATA];
	struct data *next;   /* DATA_NEXT, or NULL */
	struct data *making; /* the one whose listener a held line of a reply
			      * waits for */
	/* The client and the server may have agreed on a data connection that
	 * does not go through culvert. */
	bool foreign;
	uint32_t last_number;
};

struct engine {
	struct engine_config config;
	struct engine_memory own_memory, *memory;
	struct peer peers[2];
	char why[400]; /* why the server's is lost, or the session stopped */

	struct exchange_list exchanges;
	size_t n_exchanges;
	struct passing_reply reply;
	unsigned n_lines; /* lines that the server has sent */
	struct unfinished unfinished;
	struct greeting greeting;
	bool client_waits; /* a line of the client waits for a reply */
	bool pipelines;	   /* the client has sent commands without waiting */

	struct data_table conns;

	struct session_state session;
	struct cwd cwd;
	struct owner_state owner;
	enum tls tls;	  /* of the control connection */
	bool server_shut; /* the client's half-close was passed on */
	bool stopping;
	bool failed; /* out of memory */
	bool ended;
	struct action_queue queue;
};

/* Has that peer sent EOF, or is its connection lost? */
static inline bool
engine_has_gone(const struct engine *engine, enum engine_peer peer)
{
	return engine->peers[peer].eof || engine->peers[peer].lost;
}

/* Returns the code of the multi-line reply that has begun and not ended; 0 if
 * there is none. */
static inline unsigned
engine_open_code(const struct engine *engine)
{
	return engine->reply.reader.code;
}

/* How does the data mark the end of a file (MODE, STRU)? */
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

/* Does the client get no line of the current reply? */
static inline bool
reply_is_dropped(const struct engine *engine)
{
	return engine->reply.how == DROP || engine->reply.how == DROP_REQUEST ||
	    engine->reply.how == DROP_RETRY || engine->reply.how == TRANSLATE;
}

/* engine.c: queue actions.  Once TLS is active, engine_sendf() does nothing. */
void engine_send(struct engine *engine, enum engine_peer peer,
    const void *bytes, size_t len);
void engine_sendf(struct engine *engine, enum engine_peer peer,
    const char *format, ...) __attribute__((format(printf, 3, 4)));
void engine_logf(struct engine *engine, enum engine_level level,
    const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Queues an action, for the caller to fill in before it queues another one. */
struct engine_action *engine_act(struct engine *engine,
    enum engine_action_type type);
/* Gives the action that was queued last a copy of a text, as its bytes.  Do not
 * use the action afterwards: when out of memory, this function removes it. */
void engine_attach_text(struct engine *engine, struct engine_action *action,
    const char *text);
/* Gives the action that was queued last, BEGIN or REPORT, copies of its texts;
 * when out of memory they are "". */
void engine_attach_report(struct engine *engine, struct engine_action *action,
    const char *name, const char *why, const char *user);

/* Ends the text in line with CRLF, and replaces other line ends in it by
 * blanks: our replies are single lines.  size: of line; printed: what
 * snprintf() has returned for size - 2.  Returns the length of the line. */
size_t engine_end_line(char *line, size_t size, int printed);

/* engine/client.c: handles a line of the client. */
enum step engine_step_client(struct engine *engine);

/* engine/server.c: handles a line of the server. */
enum step engine_step_server(struct engine *engine);
/* engine/hostport.c: passes a line of the server unchanged, and logs a
 * host-port in it.  code: of its reply; 0: it belongs to no reply. */
void hostport_pass(struct engine *engine, unsigned code, const uint8_t *line,
    size_t len);
/* Only logs a host-port in a part of a line.  more: the line goes on. */
void hostport_check(struct engine *engine, unsigned code, const uint8_t *line,
    size_t len, bool more);
/* engine/greeting.c: for a line before the greeting that is no reply.  Returns
 * true if it has ended the session: this is no FTP server, or there were too
 * many such lines. */
bool greeting_examine(struct engine *engine, const uint8_t *line, size_t len);
/* The server has sent EOF.  If it has sent no greeting, or the client has not
 * got one that is incomplete, ends the session with that reason. */
void greeting_server_ended(struct engine *engine);
/* Must the client not see the server's greeting, which is still incomplete?
 * (engine_config.greeted) */
bool greeting_is_hidden(const struct engine *engine);

/* engine/server.c: the final reply to a command has passed: applies its effects
 * and removes the exchange. */
void reply_end_command(struct engine *engine, struct exchange *exchange,
    unsigned code);
/* engine/server.c: the last line of the current reply has passed, or culvert
 * has ended the reply. */
void engine_end_reply(struct engine *engine, unsigned code);

/* engine/announce.c: handles a line of a reply with a host-port (REWRITE,
 * TRANSLATE). */
enum step announce_line(struct engine *engine, unsigned code,
    enum reply_place place, const uint8_t *line, size_t len);

/* engine/request.c: begins the request for a client's PORT or PASV. */
void request_begin(struct engine *engine, const struct command *command,
    const uint8_t *line, size_t len, const struct addr *to);
/* The only line of the reply to a request contains no host-port.  Returns true
 * if the request is sent in another variant. */
bool request_not_understood(struct engine *engine, struct exchange *request,
    const uint8_t *line, size_t len);
/* Returns how to make the client's end of its data connection. */
struct engine_data_end request_client_end(const struct exchange *request);
/* The data connection for this request cannot be made; why NULL: there are too
 * many.  Logs that, sets the error reply for the client, and closes what was
 * made. */
void request_note_failure(struct engine *engine, struct exchange *request,
    const char *why);
/* Our connection to the port in the reply has failed: keeps that as a refusal
 * of this variant, and closes the data connection. */
void request_keep_failure(struct engine *engine, struct exchange *request,
    struct data *data);
/* Continues a request after its listeners have been made or have failed. */
enum step request_step(struct engine *engine);
/* Sends the request in the next variant.  If that needs listeners, makes them
 * first. */
void request_next_variant(struct engine *engine, struct exchange *request);

/* engine/learn.c: the server accepts the variant that was sent: records it in
 * engine_memory. */
void learn_accepted(struct engine *engine, struct exchange *request);
/* Our connection to the server for that data connection has failed: its passive
 * variant is no longer known to work. */
void learn_failed(struct engine *engine, const struct data *data);
/* A transfer that was sent again got a reply: if it succeeded, records the
 * variant of the request before it in engine_memory. */
void learn_retried(struct engine *engine, struct exchange *transfer,
    unsigned code);
/* The server's end of that data connection was never connected.  If the request
 * had been translated into the other mode, forgets that this mode works and the
 * client's does not. */
void learn_forget(struct engine *engine, const struct data *data);

/* engine/retry.c: can a refused transfer be sent again in the other mode
 * without the client noticing? */
bool retry_is_possible(const struct engine *engine,
    const struct exchange *transfer);
/* Sends a passive request of our own; the transfer is sent again after it.
 * line: the refusal of the transfer. */
void retry_begin(struct engine *engine, struct exchange *transfer,
    const uint8_t *line, size_t len);
/* The server has accepted our own request: sends the transfer again. */
void retry_go_on(struct engine *engine, struct exchange *request);
/* The client gets the refusal of the transfer. */
void retry_refuse(struct engine *engine, struct exchange *transfer);

/* engine/transfer.c: has a transfer begun, with data still to come? */
bool transfer_is_running(const struct exchange *exchange);
/* Ends a cut transfer to which the server sends no final reply. */
void transfer_end_cut(struct engine *engine, struct exchange *transfer);

/* engine/effect.c: handles the first line of a reply that may be a 227, 228 or
 * 229 without a request.  If culvert guessed the end of an earlier reply, it
 * may have taken a wrong reply for the answer to the request.  Then this is the
 * answer, and its host-port is replaced. */
void effect_stray_announcement(struct engine *engine, unsigned code,
    const uint8_t *line, size_t len);

/* engine/size.c: takes the size of a file from the first or only line of a
 * reply. */
void size_note_reply(struct exchange *exchange, unsigned code,
    const uint8_t *line, size_t len);
/* The final reply to a command has passed: keeps what SIZE or TYPE has set. */
void size_note_command(struct engine *engine, struct exchange *exchange,
    unsigned code);
/* Keeps the size in an ALLO for the next transfer. */
void size_note_allo(struct engine *engine, const char *argument, size_t len);
/* At first, and after REIN: forgets the TYPE and the ALLO. */
void size_forget(struct engine *engine);
/* Are the bytes on the data connection more than those of the file? */
bool size_is_framed(const struct engine *engine, const struct data *data);
/* Returns the size of its file in the reply to the last SIZE, or -1. */
int64_t size_asked(const struct engine *engine,
    const struct exchange *transfer);
/* Has a transfer relayed as many bytes as announced?  The size of a download is
 * announced by the server (SIZE or its 150), that of an upload by the client
 * (ALLO). */
enum size_check {
	SIZE_UNKNOWN,
	SIZE_SHORT, /* fewer */
	SIZE_WHOLE,
};
enum size_check size_check(const struct engine *engine,
    const struct exchange *transfer);

/* engine/report.c: the reason if a 2xx was not passed because the transfer had
 * no data connection. */
#define REPORT_NO_DATA "there was no data connection"
/* The first reply to a transfer, or its final one, has passed: queues
 * ENGINE_BEGIN, or ENGINE_REPORT. */
void report_begin(struct engine *engine, const struct exchange *transfer);
void report_end(struct engine *engine, const struct exchange *transfer,
    const struct data *data, unsigned server_code, unsigned client_code);
/* engine/owner.c: the user has logged in, or can no longer be seen: queues
 * ENGINE_LOGIN, once. */
void owner_login(struct engine *engine);
/* The server has accepted a USER: keeps its argument. */
void owner_note_user(struct engine *engine, struct exchange *user);
/* Counts a line of the client that is about to be taken (max_lines).  Returns
 * STEP_WAIT if it must wait; then it has requested engine_grant(). */
enum step owner_count_line(struct engine *engine);
/* Late in a drain: would this line, which is complete, begin another transfer?
 * Then it is not taken any more. */
bool owner_drain_holds(const struct engine *engine, const uint8_t *line,
    size_t len);
/* In a drain: ends the session if that cuts no transfer. */
enum step owner_drain_step(struct engine *engine);

/* engine/policy.c: does the session have a policy? */
bool policy_is_on(const struct engine *engine);
/* Answers the client's command and returns true if a policy refuses it. */
bool policy_apply(struct engine *engine, const struct command *command,
    const uint8_t *line, size_t len);
/* Is a SITE command without effect on files?  Only SITE HELP is. */
bool policy_site_is_harmless(const struct command *command,
    const uint8_t *line);

/* engine/paths.c: are there rules about paths? */
bool paths_have_rules(const struct engine *engine);
/* Why these rules refuse the command; policy NULL: they do not. */
struct veto paths_veto(const struct engine *engine,
    const struct command *command, const uint8_t *line);

/* engine/cwd.c: returns STEP_WAIT if the line must wait until the working
 * directory is known; sends a PWD if that is needed. */
enum step cwd_await(struct engine *engine, const uint8_t *line, size_t len);
/* For each command that is sent to the server: notes an RNFR, and whether a
 * command after it may change the working directory. */
void cwd_pass(struct engine *engine, const struct command *command);
/* Sends a PWD if that is wanted. */
enum step cwd_step(struct engine *engine);
/* culvert has ended a multi-line reply to that exchange (NULL: to none).  Its
 * lines may have contained names of files, so no PWD is trusted after it. */
void cwd_unfinished(struct engine *engine, const struct exchange *replying);
/* A reply answers no command.  If it is a 257, no PWD is trusted after it. */
void cwd_stray(struct engine *engine, unsigned code);
/* A command is over; code: of its final reply, 0: none came.  If it may have
 * changed the working directory, forgets that and requests a PWD. */
void cwd_moved(struct engine *engine, struct exchange *exchange, unsigned code);

#endif
