/*
 * The control engine: what is done when something happens to a data connection.
 * A part of engine/priv.h; the table in event.c says when.
 */
#ifndef ENGINE_REACT_H
#define ENGINE_REACT_H

#include "engine/engine.h"

struct data;

typedef void reaction(struct engine *engine, struct data *data,
    const struct engine_data_event *event);

reaction ignore;
/* Keeps what is told, and ends the wait for it. */
reaction note_listener, note_client, note_server, note_end, note_file_end,
    note_loss, note_delivered, note_file_delivered;
/* The request fails, for which the data connection is being made. */
reaction fail_request, fail_request_by_stranger;
/* Half-closes the other end; an upload may have to wait: engine/upload.c. */
reaction pass_end_to_client, end_upload;
/* Keeps an end that may be none: the server's reply decides. */
reaction doubt_end, settle_doubt;
/* The transfer counts as cut, and the other end learns of it. */
reaction cut_download, settle_upload, cut_by_server, cut_standstill,
    cut_by_second_client, cut_by_second_server;
/* Drops that end, as if it were lost. */
reaction cut_by_premature_end_of_client, cut_by_premature_end, drop_server;
reaction close_connection;
/* Waits on. */
reaction watch_again, await_unknown;
/* The data connection's timer has run out: engine/wait.c. */
reaction end_wait;

/* event.c: that end has been dropped, which has the effect of a loss. */
void react_dropped(struct engine *engine, struct data *data,
    enum engine_peer peer, const char *why);
/* react.c: drops the client's end: it has had its time, or is not believed. */
void react_drop_client(struct engine *engine, struct data *data,
    const char *why);

/* engine/upload.c: the end of an upload, once more after a wait. */
void upload_end(struct engine *engine, struct data *data, bool waited);
/* So long it waits, in ms. */
uint64_t upload_wait_ms(const struct engine *engine, const struct data *data);
/* WAIT_UPLOAD_EOF, WAIT_PROBE: no sign of the client's death has come. */
void upload_waited(struct engine *engine, struct data *data);
void upload_probed(struct engine *engine, struct data *data);

#endif
