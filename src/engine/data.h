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

/* The reason if culvert stops waiting for its connection to the server. */
#define DATA_NO_ANSWER "the server's data port did not answer"

struct data;
struct exchange;

/* doc/design.md has the diagram. */
enum data_state {
	DATA_FREE,
	DATA_MAKING,	/* its ends are being made */
	DATA_ANNOUNCED, /* PORT has been sent to the server */
	DATA_NEXT,	/* the next transfer uses it */
	DATA_CURRENT,	/* a transfer uses it */
	DATA_ENDING,	/* the transfer is over; bytes or EOFs are still to be
			 * passed on */
};

/* The course of the transfer that uses a data connection, or will use it.  No
 * 2xx passes in a state that begins with COURSE_CUT. */
enum data_course {
	COURSE_GOOD,
	COURSE_ABORTED,	     /* the client sent ABOR; the server's reply says
			      * how the transfer ended */
	COURSE_ABORTED_LATE, /* the client sent ABOR, but the server had already
			      * sent everything */
	COURSE_CUT,	     /* the transfer is incomplete */
	COURSE_CUT_ABORTED,  /* the transfer is incomplete, and the client sent
			      * ABOR */
	COURSE_CUT_SETTLING, /* an upload is incomplete because the client, or
			      * its data connection, was lost; culvert waits for
			      * the server's reply */
};

/* What the one timer of a data connection is for: engine/wait.c.
 * scripts/state-tables copies these texts into doc/design.md. */
enum data_wait {
	WAIT_NONE,
	WAIT_ACCEPT,	 /* the server's connection, for a held reply */
	WAIT_DIAL,	 /* our connection to the client, for a held reply */
	WAIT_SILENT,	 /* the first reply to a transfer, when we have
			  * connected to the server, but not to the client */
	WAIT_LOOK_UP,	 /* the client's connection, before it gets the first
			  * reply to an upload (engine_config, looks_up) */
	WAIT_CONNECT,	 /* the client's connection, for a running transfer */
	WAIT_UNKNOWN,	 /* the client's connection, which may have come and
			  * been refused */
	WAIT_UPLOAD_EOF, /* signs that the client was killed, after the EOF of
			  * an upload */
	WAIT_PROBE,	 /* a reset that answers a probe of the client, after
			  * the EOF of an upload */
	WAIT_ABORT,	 /* the server's answer to the client's ABOR */
	WAIT_CUT,	 /* the server's answer to our ABOR */
	WAIT_CUT_END,	 /* the server's reply to a cut upload, after the
			  * server's end was half-closed or reset; a session
			  * whose client is gone then ends */
	WAIT_REPLY,	 /* the reply to a PORT, while commands after it wait */
	WAIT_LAST_REPLY, /* the final reply to a cut transfer */
	WAIT_PROOF,	 /* our connection to the server, before the client gets
			  * the reply with the port (struct data, unproven) */
};

/* The only functions that change these states. */
void data_enter(struct data *data, enum data_state state);
void data_set_course(struct data *data, enum data_course course);
/* The server has accepted MODE or STRU: tells the owner the framing of each
 * data connection that no transfer uses yet. */
void data_set_framing(struct engine *engine);
/* Makes a data connection; request NULL: for a reply that answers no request.
 * Returns NULL if there are too many. */
struct data *data_open(struct engine *engine, const struct exchange *request,
    const struct engine_data_end *client, const struct engine_data_end *server);
/* Queues ENGINE_DATA_CLOSE, and forgets the data connection. */
void data_close(struct engine *engine, struct data *data);
/* Returns NULL if there is none with that number. */
struct data *data_find(struct engine *engine, uint32_t number);
/* MAKING: are all its listeners ready? */
bool data_is_made(const struct data *data);
/* MAKING: are they ready and, if data->unproven, is the server's end connected?
 */
bool data_is_ready(const struct data *data);
/* MAKING: could one of its ends not be made?  data->why has the reason. */
bool data_has_failed(const struct data *data);
/* The address of its listener that the client gets: IPv4 if there is one. */
const struct addr *data_told(const struct data *data);
/* The next transfer will use it; closes the one that was NEXT before.  (Another
 * one for a passive request was closed by data_open().) */
void data_make_next(struct engine *engine, struct data *data);
/*
 * Five questions about a transfer and its data connection, of which only the
 * first changes anything:
 */
/* The data connection of a transfer.  If it has none yet, assigns the NEXT one
 * to it. */
struct data *data_attach(struct engine *engine, struct exchange *transfer);
/* The one that a transfer would use if its command came now, before until
 * (NULL: behind all commands).  NULL: none is prepared, or a command before it
 * may change that. */
struct data *data_prepared(const struct engine *engine,
    const struct exchange *until);
/* The one that this transfer uses or will use; NULL: not known yet. */
struct data *data_of(const struct engine *engine, struct exchange *transfer);
/* The first pending transfer if it uses this data connection or would use it
 * now; or NULL. */
struct exchange *data_transfer(const struct engine *engine,
    const struct data *data);
/* The pending transfer, not only the first, that uses this data connection or
 * will use it if all commands before succeed; or NULL. */
struct exchange *data_user(const struct engine *engine,
    const struct data *data);
/* Has the client got the first line of the final reply to that transfer, and
 * not its last line? */
bool data_end_is_told(const struct engine *engine,
    const struct exchange *transfer);

/* Starts the timer, with the time in engine/wait.c; WAIT_NONE: stops it. */
void data_set_timer(struct engine *engine, struct data *data,
    enum data_wait wait);

/* Queues ENGINE_DATA_READ_ON, _SHUT, _DROP, _RESET or _DIAL for that end,
 * unless the end is lost. */
void data_act(struct engine *engine, struct data *data,
    enum engine_action_type type, enum engine_peer peer);
/* Half-closes that end, unless that was done before. */
void data_shut(struct engine *engine, struct data *data, enum engine_peer peer);
/* Marks the transfer as cut: from now on no 2xx passes.  Keeps only the first
 * why. */
void data_set_cut(struct data *data, const char *why);
/* Resets the client's end, or closes it if it is not connected, so that the
 * client does not take this for the end of the file. */
void data_reset_client(struct engine *engine, struct data *data);
/* The client sent ABOR. */
void data_abort(struct engine *engine, struct data *data, bool upload);
/* The client's control or data connection was lost during an upload: sends
 * ABOR; see doc/design.md, "Cut transfers". */
void data_cut_upload(struct engine *engine, struct data *data, const char *why);
/* The server's control connection is lost: a transfer that is not complete is
 * cut. */
void data_server_gone(struct engine *engine, const char *why);

/* Has the client sent ABOR (enum data_course)? */
bool data_is_aborted(const struct data *data);
/* Is the transfer incomplete (enum data_course)? */
bool data_is_cut(const struct data *data);
/* Has the client or culvert sent ABOR? */
bool data_is_called_off(const struct data *data);

static inline enum engine_peer
data_other(enum engine_peer peer)
{
	return peer == ENGINE_CLIENT ? ENGINE_SERVER : ENGINE_CLIENT;
}

/* engine/hold.c: bytes relayed toward that peer for the transfer that uses the
 * data connection now. */
uint64_t data_relayed(const struct data *data, enum engine_peer peer);
/* For a transfer whose client culvert dials at the first reply: dials it after
 * some time without a reply. */
enum step hold_step(struct engine *engine);
/* For a cut transfer after a second 150: ends it after some time without a
 * final reply. */
enum step hold_last_reply(struct engine *engine);
/* Asks the owner for ENGINE_DATA_IS_QUIET when no bytes move any more. */
void hold_watch_quiet(struct engine *engine, struct data *data);
/* Has that peer sent the end-of-file marker of the current transfer's file in
 * its data, and nothing after it that belongs to no transfer? */
bool data_file_ended(const struct engine *engine, const struct data *data,
    enum engine_peer peer);
/* The server has sent an end-of-file marker: a reply that waits for it waits
 * only for the short time from now on. */
void hold_file_end(struct engine *engine, struct data *data);
/* Why the EOF of an upload does not count as the end of the file, by what is
 * known now; NULL: it may be the end of the file.  Only for an EOF that is not
 * proven. */
const char *data_doubt_upload(const struct engine *engine,
    const struct exchange *transfer, const struct data *data);
/* A transfer is over.  Marks an upload as cut in two cases.  The client's
 * control connection ended before the reply, and the client was not probed: one
 * that was killed looks like one that half-closed.  Or some bytes have not been
 * sent to the server. */
void data_doubt_end(const struct engine *engine,
    const struct exchange *transfer, struct data *data);
/* The final reply to a transfer has passed, or none will come: reports the
 * transfer, and closes or keeps its data connection.  server_code: of the
 * server's reply, 0: none; client_code: of the client's. */
void data_transfer_over(struct engine *engine, struct exchange *transfer,
    unsigned server_code, unsigned client_code);

#endif
