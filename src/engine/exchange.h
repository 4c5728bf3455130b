/*
 * The control engine: exchanges.  A part of engine/priv.h.
 *
 * An exchange is one command and its replies (RFC 959 section 5.4); the
 * greeting is one without a command.  Exchanges are kept in a queue, the oldest
 * first, until the final reply has passed.  The table in exchange.c has the
 * operations of each type.  For a new type of our own command, write a file
 * with these operations and add a row.
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
	EXCHANGE_LOCAL, /* answered by us when it is the oldest */

	/* Commands of the client that are sent to the server. */
	EXCHANGE_COMMAND,
	EXCHANGE_EMPTY,	  /* a blank line */
	EXCHANGE_ABORT,	  /* ABOR */
	EXCHANGE_AUTH,	  /* AUTH */
	EXCHANGE_REST,	  /* REST */
	EXCHANGE_SETTING, /* MODE, STRU */
	EXCHANGE_VOID,	  /* USER, REIN, a PORT that passes unchanged:
			   * invalidates the prepared data connection */
	EXCHANGE_QUIT,	  /* QUIT */
	EXCHANGE_EPSV_ALL,
	EXCHANGE_REQUEST,  /* PORT, EPRT, PASV, EPSV */
	EXCHANGE_TRANSFER, /* moves data */

	/* Our own commands: the client gets no reply. */
	EXCHANGE_OWN_ABORT,   /* ABOR, for an upload whose client or data
			       * connection was lost */
	EXCHANGE_OWN_NOOP,    /* so that the server does not end the session */
	EXCHANGE_OWN_PWD,     /* cwd.c */
	EXCHANGE_OWN_REST,    /* for a transfer that is sent again; or REST 0,
			       * to cancel the client's */
	EXCHANGE_OWN_REQUEST, /* for a transfer that is sent again */
	EXCHANGE_OWN_OVER,    /* a command of ours that has expired: its reply
			       * is dropped */
};

/* Who sent the command, and who answers it. */
enum exchange_party {
	PARTY_SERVER, /* the greeting */
	PARTY_CLIENT, /* a command of the client, sent to the server */
	PARTY_LOCAL,  /* a command of the client, answered by us */
	PARTY_OURS,   /* our own command, sent to the server */
};

/* The operations of a type of exchange. */

/* Can a reply with that code answer it? */
typedef bool fits_op(const struct exchange *exchange, unsigned code);
/* The exchange is the oldest, and the reply does not fit it.  Returns the
 * exchange that the reply answers; NULL: none. */
typedef struct exchange *misfit_op(struct engine *engine,
    struct exchange *exchange, unsigned code);
/* The first line of a reply has come: sets engine->reply.how.  Returns
 * STEP_WAIT if the line must wait. */
typedef enum step begin_op(struct engine *engine, struct exchange *exchange,
    unsigned code, const uint8_t *line, size_t len);
/* The final reply has passed. */
typedef void end_op(struct engine *engine, struct exchange *exchange,
    unsigned code);
/* skip: a reply to a later command has come, so none will come to this one.
 * expire: its time is over. */
typedef void skip_op(struct engine *engine, struct exchange *exchange);

/* NULL: nothing is done, unless a comment says otherwise. */
struct exchange_ops {
	enum exchange_party party;
	fits_op *fits; /* NULL: match_fits_any() */
	/* Stricter than fits, by the RFCs: for lines that may not be replies at
	 * all.  Not called for codes that refuse any command.  NULL: by the
	 * verb. */
	fits_op *expects;
	misfit_op *misfit; /* NULL: the reply answers this exchange */
	begin_op *begin;   /* NULL: effect_begin() */
	end_op *end;
	skip_op *skip, *expire;
	bool repeats; /* end removes the exchange, or sends it again */
	bool unseen;  /* nothing waits for it, neither reply nor drain */
};

/* PORT, EPRT, PASV or EPSV: the client's, or our own for a transfer. */
struct request {
	enum variant own;     /* the variant that the client used */
	enum variant variant; /* the variant that was sent last */
	unsigned tried;	      /* variants that will not be sent again */
	bool deferred;	      /* it waits for the greeting */
	bool transient;	      /* a variant failed for a temporary reason:
			       * nothing is recorded in engine_memory */
	struct addr to;	      /* active: the client's data port */
};

struct transfer {
	bool told;    /* a line of the final reply has passed while the client's
		       * control connection was open */
	int64_t allo; /* the size in the ALLO before it, or -1 */
	/* If it was sent again: the variant of our request before it. */
	enum variant again;
	/* The variants that were tried before that; 0: the transfer was not
	 * sent again. */
	unsigned again_tried;
};

enum exchange_stage {
	STAGE_UNSENT, /* it waits for a listener, or for a request of our own */
	STAGE_SENT,
	STAGE_BEGUN, /* a 1xx has come */
	STAGE_AGAIN, /* a transfer: a second 150 has come, which may be the last
		      * reply to a cut download */
};

/* A copy of a line, with its line end; bytes is NULL if there is none. */
struct kept_line {
	uint8_t *bytes;
	size_t len;
};

struct exchange {
	TAILQ_ENTRY(exchange) link;
	enum exchange_type type;
	enum verb verb;
	unsigned flags; /* of enum verb_flag; a 150 may add some */
	enum exchange_stage stage;
	bool unsure;	/* a request that may still be sent in another variant:
			 * commands after it wait */
	bool timed;	/* the wait for its reply has a limit */
	bool fresh;	/* sent while a multi-line reply was in progress, by
			 * a client that had got a line of it: see
			 * unfinished.c */
	bool worked;	/* OWN_ABORT: the server has ended the transfer because
			 * of it */
	unsigned after; /* engine->n_lines when it was sent */
	/* A request: the data connection that is made for it; a transfer: the
	 * one that it uses. */
	struct data *data;
	/* The argument of a transfer, SIZE, USER, TYPE, MODE or STRU. */
	char *text;
	/* REST: its argument; a transfer: that of the REST before it. */
	char *rest;
	/* A transfer, SIZE: the size of the file in the reply, or -1. */
	int64_t size;
	/* LOCAL: our reply; a request: the first refusal, or NULL.  With its
	 * line end. */
	struct kept_line reply;
	/* A transfer, a request: the line of the client, with its line end. */
	struct kept_line line;
	struct exchange *transfer; /* our own command: the transfer that it is
				    * for, or NULL */
	struct request request;	   /* REQUEST, OWN_REQUEST */
	struct transfer move;	   /* TRANSFER */
};

TAILQ_HEAD(exchange_list, exchange);

/* The functions of the table, by file. */
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
begin_op greeting_begin;
end_op effect_auth, effect_epsv_all, effect_quit, effect_rest, effect_setting,
    effect_void;
skip_op effect_skip_auth;

fits_op noop_fits, noop_expects;
misfit_op noop_misfit;
end_op noop_end;

fits_op cwd_fits, cwd_expects;
begin_op cwd_begin;
skip_op cwd_abandon;

end_op retry_rest_answered;
skip_op retry_abandon;

/* Returns the operations of its type. */
const struct exchange_ops *exchange_ops(const struct exchange *exchange);
/* Appends a new exchange to the queue.  Returns NULL and sets engine->failed
 * when out of memory. */
struct exchange *exchange_add(struct engine *engine, enum exchange_type type,
    enum verb verb);
/* Removes and frees the exchange.  Closes the data connection that was made for
 * it, unless a transfer uses it or will use it. */
void exchange_drop(struct engine *engine, struct exchange *exchange);
/* Keeps a copy of its command line, to send it again. */
void exchange_keep_line(struct engine *engine, struct exchange *exchange,
    const uint8_t *line, size_t len);
/* Limits the wait for the reply to a request, or to our own command, to
 * LIMIT_UNSURE_MS. */
void exchange_time(struct engine *engine, struct exchange *request);
/* Ends the wait for replies to requests and our own commands: all of them, or
 * only those with a limit (timed).  The requests are not sent in another
 * variant, and commands after them may be sent. */
void exchange_be_sure(struct engine *engine, bool all);
/* Does any exchange wait for a listener, or for a request of our own? */
bool exchange_waits(const struct engine *engine);
#define EXCHANGE_NO_DATA "425 No data connection: %s."
/* Sets the reply that the client gets, or may get later: a text without a line
 * end. */
void exchange_set_text(struct engine *engine, struct exchange *exchange,
    const char *format, ...) __attribute__((format(printf, 3, 4)));
/* LOCAL: sends its reply. */
void exchange_send_reply(struct engine *engine,
    const struct exchange *exchange);
/* Turns the exchange into a LOCAL one: it is answered when it is the oldest,
 * with the reply that was set. */
void exchange_answer(struct exchange *exchange);
/* Adds a LOCAL exchange with that reply. */
void exchange_local(struct engine *engine, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Keeps the first refusal, which the client gets if all variants fail.  line:
 * the first line of the refusal; it is kept as a single-line reply. */
void exchange_keep_refusal(struct engine *engine, struct exchange *exchange,
    const uint8_t *line, size_t len);
/* Returns the kept refusal as a text for a log line, short enough that the rest
 * of the line is not cut off. */
#define EXCHANGE_REFUSAL_MAX 448
const char *exchange_refusal(const struct exchange *request,
    char text[EXCHANGE_REFUSAL_MAX]);
/* Moves the exchange to the end of the queue, because its command has just been
 * sent. */
void exchange_to_end(struct engine *engine, struct exchange *exchange);
/* Returns the oldest exchange that is not unseen, or NULL. */
struct exchange *exchange_first(const struct engine *engine);
/* If the oldest exchange is LOCAL, sends its reply and removes it. */
enum step exchange_flush_local(struct engine *engine);
/* We refuse a transfer: cancels a REST that the server has accepted or not
 * answered yet, and forgets an ALLO. */
void exchange_void_rest(struct engine *engine);
/* Returns the oldest transfer that is not over, or NULL. */
struct exchange *exchange_transfer(const struct engine *engine);
/* Does it move data? */
static inline bool
exchange_is_transfer(const struct exchange *exchange)
{
	return exchange->type == EXCHANGE_TRANSFER;
}

/* Has a 1xx come? */
static inline bool
exchange_has_begun(const struct exchange *exchange)
{
	return exchange->stage >= STAGE_BEGUN;
}

/* Does it request a data connection? */
static inline bool
exchange_is_request(const struct exchange *exchange)
{
	return exchange->type == EXCHANGE_REQUEST ||
	    exchange->type == EXCHANGE_OWN_REQUEST;
}

/* Is it an upload?  If culvert does not know the verb, the relayed bytes tell
 * the direction. */
bool exchange_is_upload(const struct exchange *exchange);

static inline bool
exchange_is_of(const struct exchange *exchange, enum exchange_party party)
{
	return exchange_ops(exchange)->party == party;
}

#endif
