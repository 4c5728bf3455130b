/*
 * The control engine: exchanges.  A part of engine/priv.h.
 *
 * An exchange is one command and what answers it (RFC 959 section 5.4); the
 * greeting is one without a command.  They stand in a queue, the oldest first,
 * until the final reply has passed.  What one of them does is in its row of the
 * table in exchange.c: a command of our own of a new type is a file with these
 * operations, and a row.
 */
#ifndef ENGINE_EXCHANGE_H
#define ENGINE_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "engine/step.h"
#include "engine/variant.h"

enum exchange_type {
	EXCHANGE_GREETING,
	EXCHANGE_LOCAL, /* answered by us, in its turn */

	/* Of the client, sent on. */
	EXCHANGE_COMMAND,
	EXCHANGE_EMPTY,	  /* a blank line */
	EXCHANGE_ABORT,	  /* ABOR */
	EXCHANGE_AUTH,	  /* AUTH */
	EXCHANGE_REST,	  /* REST */
	EXCHANGE_SETTING, /* MODE, STRU */
	EXCHANGE_VOID,	  /* USER, REIN, a PORT that is not ours: voids what was
			   * prepared */
	EXCHANGE_QUIT,	  /* QUIT */
	EXCHANGE_EPSV_ALL,
	EXCHANGE_REQUEST,  /* PORT, EPRT, PASV, EPSV */
	EXCHANGE_TRANSFER, /* moves data */

	/* Ours: the client sees no reply. */
	EXCHANGE_OWN_ABORT,   /* of an upload whose client, or its data
			       * connection, died */
	EXCHANGE_OWN_NOOP,    /* keeps the server from ending the session */
	EXCHANGE_OWN_PWD,     /* cwd.c */
	EXCHANGE_OWN_REST,    /* for a transfer that is sent again, or void */
	EXCHANGE_OWN_REQUEST, /* for a transfer that is sent again */
	EXCHANGE_OWN_OVER,    /* nobody needs the answer any more */
};

/* Whom an exchange belongs to. */
enum exchange_party {
	PARTY_SERVER, /* the greeting */
	PARTY_CLIENT, /* it is with the server */
	PARTY_LOCAL,  /* the client's, but the server has nothing to answer */
	PARTY_OURS,
};

/* The operations of a type of exchange. */

/* May, or does by the RFCs, a reply with that code answer it? */
typedef bool fits_op(const struct exchange *exchange, unsigned code);
/* It is the oldest, and a reply has come that does not fit it: whom does that
 * answer?  NULL: nobody. */
typedef struct exchange *misfit_op(struct engine *engine,
    struct exchange *exchange, unsigned code);
/* The first line of a reply: sets what becomes of it (engine->reply.how).
 * STEP_WAIT: the line must wait. */
typedef enum step begin_op(struct engine *engine, struct exchange *exchange,
    unsigned code, const uint8_t *line, size_t len);
/* The final reply has passed. */
typedef void end_op(struct engine *engine, struct exchange *exchange,
    unsigned code);
/* The server leaves its reply out; or it has not come in time. */
typedef void skip_op(struct engine *engine, struct exchange *exchange);

/* NULL stands for what is said behind it, or for nothing. */
struct exchange_ops {
	enum exchange_party party;
	fits_op *fits;	   /* may: match_fits_any() */
	fits_op *expects;  /* does, for lines that may be no reply at all, and
			    * codes that are no refusal: by the verb */
	misfit_op *misfit; /* it answers the oldest all the same */
	begin_op *begin;   /* effect_begin() */
	end_op *end;
	skip_op *skip, *expire;
};

/* PORT, EPRT, PASV or EPSV: the client's, or our own for a transfer. */
struct request {
	enum variant own;     /* in which it came */
	enum variant variant; /* the one that was sent last */
	unsigned tried;	      /* variants that will not be sent again */
	bool deferred;	      /* not before the greeting */
	bool passing;	      /* a failure that teaches nothing */
	struct addr to;	      /* active: the client's data port */
};

struct transfer {
	bool twice;   /* two 150, for which it may have no more */
	bool told;    /* its end, to a client that was there */
	int64_t allo; /* what ALLO before it said, or -1 */
	enum variant
	    again; /* it was sent again, behind that variant of ours, */
	unsigned again_tried; /* which is learned if it does it; else 0 */
};

struct exchange {
	TAILQ_ENTRY(exchange) link;
	enum exchange_type type;
	enum verb verb;
	unsigned flags; /* enum verb_flag; 150 adds to them */
	bool begun;	/* a 1xx came */
	bool waits;	/* not with the server: for a listener, or for a request
			 * of ours */
	bool unsure;	/* a request that may yet be sent in another variant */
	bool timed;	/* ... for a bounded time */
	bool fresh;	/* sent within a reply of several lines, by a client
			 * that had got something since its last command */
	bool heeded;	/* OWN_ABORT: it has ended the transfer */
	char setting;	/* SETTING: its letter, a capital */
	unsigned after; /* n_lines when it was sent */
	struct data *data; /* a request: made for it; a transfer: its own */
	char *text;	   /* a transfer, SIZE: the name; USER, TYPE: it */
	char *rest;	   /* REST: its argument; a transfer: of the one before
			    * it */
	int64_t size;	   /* a transfer, SIZE: what its reply says, or -1 */
	uint8_t *reply;	   /* LOCAL: ours; a request: the first refusal, or */
	size_t reply_len;  /* NULL; with its line end */
	char *line;	   /* a transfer, a request: as it came, */
	size_t line_len;   /* with its line end */
	struct exchange *transfer; /* ours: for which, or NULL */
	struct request request;	   /* REQUEST, OWN_REQUEST */
	struct transfer move;	   /* TRANSFER */
};

TAILQ_HEAD(exchange_list, exchange);

/* The table's functions, by file. */
fits_op request_fits, request_expects;
misfit_op request_misfit;
begin_op request_begin_reply;
end_op request_end_reply;
skip_op request_skip;

fits_op transfer_fits, transfer_expects;
misfit_op transfer_misfit;
begin_op transfer_begin_reply; /* verdict.c */
end_op transfer_end_reply;
skip_op transfer_skip;

begin_op effect_begin, effect_begin_epsv_all;
end_op effect_auth, effect_epsv_all, effect_quit, effect_rest, effect_setting,
    effect_void;

fits_op noop_fits, noop_expects;
misfit_op noop_misfit;
end_op noop_end;

fits_op cwd_fits, cwd_expects;
begin_op cwd_begin;
skip_op cwd_abandon;

end_op retry_rest_answered;
skip_op retry_abandon;

/* The row of its type. */
const struct exchange_ops *exchange_ops(const struct exchange *exchange);
/* Adds one behind all others.  NULL: out of memory, as engine->failed says. */
struct exchange *exchange_add(struct engine *engine, enum exchange_type type,
    enum verb verb);
/* Ends it.  Closes the data connection that was made for it, unless that is in
 * use. */
void exchange_drop(struct engine *engine, struct exchange *exchange);
/* Keeps its line, to be sent again. */
void exchange_keep_line(struct engine *engine, struct exchange *exchange,
    const uint8_t *line, size_t len);
/* Waits no longer than LIMIT_UNSURE_MS for the reply to a request. */
void exchange_time(struct engine *engine, struct exchange *request);
/* Requests, all or those that were timed, are not to be sent again: commands
 * may go on. */
void exchange_be_sure(struct engine *engine, bool all);
/* Does one of them wait for something of ours? */
bool exchange_waits(const struct engine *engine);
/* The reply that the client gets, or may: a line as it came, or a text. */
void exchange_set_reply(struct engine *engine, struct exchange *exchange,
    const void *line, size_t len);
void exchange_set_text(struct engine *engine, struct exchange *exchange,
    const char *text);
/* LOCAL: sends it. */
void exchange_send_reply(struct engine *engine,
    const struct exchange *exchange);
/* A command is answered by us, in its turn: by text, or if that is NULL by the
 * reply that was kept. */
void exchange_answer(struct engine *engine, struct exchange *exchange,
    const char *text);
/* The same for one that is not in the queue yet. */
void exchange_local(struct engine *engine, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The first refusal is the client's, if all else fails; of several lines the
 * first. */
void exchange_keep_refusal(struct engine *engine, struct exchange *exchange,
    const uint8_t *line, size_t len);
/* For a log line; what follows it there is to be seen. */
#define EXCHANGE_REFUSAL_MAX 448
const char *exchange_refusal(const struct exchange *request,
    char text[EXCHANGE_REFUSAL_MAX]);
/* It was sent just now: behind all others. */
void exchange_to_end(struct engine *engine, struct exchange *exchange);
/* Sends the local replies that have come to the head. */
enum step exchange_flush_local(struct engine *engine);
/* A transfer is refused by us: a REST that stands at the server, or that is on
 * its way there, is taken back, and an ALLO is forgotten. */
void exchange_void_rest(struct engine *engine);
/* The first transfer that is not over, or NULL. */
struct exchange *exchange_transfer(const struct engine *engine);
/* Does it move data? */
static inline bool
exchange_is_transfer(const struct exchange *exchange)
{
	return exchange->type == EXCHANGE_TRANSFER;
}

/* Does it ask for a data connection? */
static inline bool
exchange_is_request(const struct exchange *exchange)
{
	return exchange->type == EXCHANGE_REQUEST ||
	    exchange->type == EXCHANGE_OWN_REQUEST;
}

/* Neither said nor known: a transfer's direction is seen from its bytes. */
bool exchange_is_upload(const struct exchange *exchange);

static inline bool
exchange_is_of(const struct exchange *exchange, enum exchange_party party)
{
	return exchange_ops(exchange)->party == party;
}

#endif
