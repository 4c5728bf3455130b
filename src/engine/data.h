/*
 * The control engine: data connections.  A part of engine/priv.h.
 */
#ifndef ENGINE_DATA_H
#define ENGINE_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/engine.h"
#include "engine/step.h"

/* Why a connection to the server is given up. */
#define DATA_NO_ANSWER "the server's data port did not answer"

struct data;
struct exchange;

/* doc/design.md has the picture. */
enum data_state {
	DATA_FREE,
	DATA_MAKING,	/* its listeners are being made */
	DATA_ANNOUNCED, /* PORT has been sent to the server */
	DATA_NEXT,	/* the next transfer uses it */
	DATA_CURRENT,	/* a transfer does */
	DATA_ENDING,	/* that is over, bytes or ends are not */
};

/* How the transfer goes that uses a data connection, or will. */
enum data_course {
	COURSE_GOOD,
	COURSE_ABORTED,	     /* the client sent ABOR: the server's reply says
			      * what became of the transfer */
	COURSE_ABORTED_LATE, /* ... but the server had already sent all */
	COURSE_CUT,	     /* incomplete: no 2xx passes, in this state and */
	COURSE_CUT_ABORTED,  /* also aborted by the client */
	COURSE_CUT_SETTLING, /* ... in an upload, by the loss of the client or
			      * of its data connection: the server has, or had,
			      * to answer our ABOR */
};

/* What a data connection's one timer is for: engine/wait.c. */
enum data_wait {
	WAIT_NONE,
	WAIT_ACCEPT,	 /* a held reply waits for the server's connection */
	WAIT_DIAL,	 /* a held reply waits for our connection to the client
			  */
	WAIT_SILENT,	 /* we have connected to the server, not to the client
			  * yet: the first reply */
	WAIT_CONNECT,	 /* a running transfer waits for the client's connection
			  */
	WAIT_UNKNOWN,	 /* the same, but it may have come and been refused */
	WAIT_UPLOAD_EOF, /* an upload has ended: signs of the client's death */
	WAIT_PROBE,	 /* the same: the answer to a probe */
	WAIT_ABORT,	 /* the server's answer to the client's ABOR */
	WAIT_CUT,	 /* the server's answer to our ABOR */
	WAIT_CUT_END,	 /* the same, behind the end of the data connection */
	WAIT_REPLY,	 /* the reply to a PORT; commands behind it wait */
	WAIT_LAST_REPLY, /* the last reply to a cut transfer */
	WAIT_PROOF,	 /* our connection to the server, before the client
			  * hears of the port: struct data's unproven */
};

/* The only ways to change these states. */
void data_enter(struct data *data, enum data_state state);
void data_set_course(struct data *data, enum data_course course);
/* MODE or STRU has been taken: data connections that are to be used know it. */
void data_set_framing(struct engine *engine);
/* For a request; NULL: for EPSV ALL. */
struct data *data_open(struct engine *engine, const struct exchange *request,
    const struct engine_data_end *client, const struct engine_data_end *server);
void data_close(struct engine *engine, struct data *data);
/* NULL: there is none with that number. */
struct data *data_find(struct engine *engine, uint32_t number);
/* How many more there may be. */
size_t data_room(const struct engine *engine);
/* MAKING: all its listeners stand; and our connection to the server too, where
 * that must be seen before the data connection is announced. */
bool data_is_made(const struct data *data);
bool data_is_ready(const struct data *data);
/* MAKING: one of its ends cannot be had, see why. */
bool data_has_failed(const struct data *data);
/* What the client is told of its listener: IPv4 if there is one. */
const struct addr *data_told(const struct data *data);
void data_make_next(struct engine *engine, struct data *data);
/* The data connection of a transfer, taken from NEXT when it has none yet. */
struct data *data_attach(struct engine *engine, struct exchange *transfer);
/* What a transfer command that is sent behind until (NULL: behind all) would
 * use; NULL when nothing stands or something before it may change that. */
struct data *data_prepared(const struct engine *engine,
    const struct exchange *until);
/* The one it would use, without taking it; NULL when that is not known. */
struct data *data_of(const struct engine *engine, struct exchange *transfer);
/* The transfer that it would use, or NULL. */
struct exchange *data_transfer(const struct engine *engine,
    const struct data *data);
/* The transfer that would use it if all that is pending goes well, though
 * others may come first; NULL: none, or that is not known. */
struct exchange *data_user(const struct engine *engine,
    const struct data *data);
/* Has that transfer's end been told already, but for some lines? */
bool data_end_is_told(const struct engine *engine,
    const struct exchange *transfer);

/* Starts the timer, for as long as engine/wait.c has it; WAIT_NONE: stops it.
 */
void data_set_timer(struct engine *engine, struct data *data,
    enum data_wait wait);

/* What is done to the ends. */
/* DATA_READ_ON, SHUT, DROP or RESET, unless that end is dead. */
void data_act(struct engine *engine, struct data *data,
    enum engine_action_type type, enum engine_peer peer);
void data_shut(struct engine *engine, struct data *data, enum engine_peer peer);
/* Never lets a 2xx pass; the first why counts. */
void data_set_cut(struct data *data, const char *why);
/* The client must see that this was not the end: a reset, or nobody there. */
void data_reset_client(struct engine *engine, struct data *data);
/* The client sent ABOR. */
void data_abort(struct engine *engine, struct data *data, bool upload);
/* The client, or its end, died in an upload: see doc/design.md. */
void data_cut_upload(struct engine *engine, struct data *data, const char *why);
/* Nothing more will come from the server: what is incomplete is cut. */
void data_server_gone(struct engine *engine, const char *why);

/* enum data_course: by the client; incomplete. */
bool data_is_aborted(const struct data *data);
bool data_is_cut(const struct data *data);
/* By the client, or by us. */
bool data_is_called_off(const struct data *data);

static inline enum engine_peer
data_other(enum engine_peer peer)
{
	return peer == ENGINE_CLIENT ? ENGINE_SERVER : ENGINE_CLIENT;
}

/* engine/hold.c: so much has gone toward that peer in the transfer that uses it
 * now. */
uint64_t data_relayed(const struct data *data, enum engine_peer peer);
/* A transfer whose client is to be dialled: waits for its first reply, for a
 * while. */
enum step hold_step(struct engine *engine);
/* The same for its last reply. */
enum step hold_last_reply(struct engine *engine);
/* ENGINE_DATA_IS_QUIET is to come when nothing moves any more. */
void hold_watch_quiet(struct engine *engine, struct data *data);
/* Has that peer sent the end of the first transfer's file in its data, and
 * nothing that is nobody's behind it? */
bool data_file_ended(const struct engine *engine, const struct data *data,
    enum engine_peer peer);
/* It has just done so: a reply that is held waits no longer than it must. */
void hold_file_end(struct engine *engine, struct data *data);
/* The client's end of an upload is not proven: why it is none, by what is known
 * now; NULL: it may be one. */
const char *data_doubt_upload(const struct engine *engine,
    const struct exchange *transfer, const struct data *data);
/* A transfer is over: an upload counts as cut whose client has gone before the
 * reply and was not probed (one that was killed and one that has ended its
 * direction look alike), or of which something is still with us. */
void data_doubt_end(const struct engine *engine,
    const struct exchange *transfer, struct data *data);
/* A transfer's final reply has passed. */
void data_transfer_over(struct engine *engine, struct exchange *transfer,
    unsigned server_code, unsigned client_code);

#endif
