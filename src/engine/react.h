/*
 * The control engine: the reactions to events of a data connection.  A part of
 * engine/priv.h; the table in event.c says which event has which reaction.
 */
#ifndef ENGINE_REACT_H
#define ENGINE_REACT_H

#include "engine/engine.h"

struct data;

typedef void reaction(struct engine *engine, struct data *data,
    const struct engine_data_event *event);

/* Do nothing. */
reaction ignore;
/* Store what the event says, and stop the timer that waited for it. */
reaction note_listener, note_client, note_server, note_end, note_file_end,
    note_loss, note_delivered, note_file_delivered;
/* Let the request fail for which the data connection is being made. */
reaction fail_request, fail_request_by_stranger;
/* Half-close the other end, for an upload after a wait: engine/upload.c. */
reaction pass_end_to_client, end_upload;
/* Store an EOF that is not proven. */
reaction doubt_end;
/* No reply of the server has come that decides about it: decide. */
reaction settle_doubt;
/* Mark the transfer as cut, and reset or close the other end.  settle_upload
 * keeps the server's end until the server has answered an ABOR;
 * cut_by_second_client and _server reset both ends. */
reaction cut_download, settle_upload, cut_by_server, cut_standstill,
    cut_by_second_client, cut_by_second_server;
/* Close the end that the event is about, and treat it as lost. */
reaction cut_by_premature_end_of_client, cut_by_premature_end, drop_server;
/* Close the data connection. */
reaction close_connection;
/* Continue to wait, or start to wait for the client. */
reaction watch_again, await_unknown;
/* The data connection's timer has run out: engine/wait.c. */
reaction end_wait;

/* react.c: this end of a data connection cannot be made, because of why.
 * transient: the cause is temporary. */
void react_fail(struct data *data, enum engine_peer peer, const char *why,
    bool transient);
/* event.c: treats an end that we have closed as lost. */
void react_dropped(struct engine *engine, struct data *data,
    enum engine_peer peer, const char *why);
/* react.c: closes the client's end because its time is over or its EOF is not
 * believed, and treats it as lost. */
void react_drop_client(struct engine *engine, struct data *data,
    const char *why);

/* engine/upload.c: handles the EOF of an upload.  waited: again, after the
 * wait. */
void upload_end(struct engine *engine, struct data *data, bool waited);
/* How long upload_end() waits, in ms. */
uint64_t upload_wait_ms(const struct engine *engine, const struct data *data);
/* WAIT_UPLOAD_EOF, WAIT_PROBE: the time is over, and no sign has come that the
 * client was killed. */
void upload_waited(struct engine *engine, struct data *data);
void upload_probed(struct engine *engine, struct data *data);

#endif
