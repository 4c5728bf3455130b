/*
 * The control engine: asking before the client does.  A part of engine_priv.h;
 * engine_ahead.c has the theory.
 */
#ifndef FTP_ENGINE_AHEAD_H
#define FTP_ENGINE_AHEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ftp/command.h"
#include "ftp/engine.h"

struct data;
struct pending;

/* A login or a transfer was a success. */
void ahead_want(struct engine *engine);
/* Asks when the time has come; false: nothing done. */
bool ahead_step(struct engine *engine);
/* Whatever there is of it goes, unseen. */
void ahead_drop(struct engine *engine);
/* Its ask is not answered; owed: that may come yet, and find it gone. */
void ahead_abandon(struct engine *engine, const struct pending *ask, bool owed);
/* The reply to its ask: what becomes of it, a line, and its end. */
void ahead_begin_reply(struct engine *engine, unsigned code);
void ahead_reply_line(struct engine *engine, const struct pending *ask,
    unsigned code, const uint8_t *line, size_t len);
void ahead_end_reply(struct engine *engine, struct pending *ask, unsigned code);
/* A reply that answers nobody: one that we have given up? */
bool ahead_owns_reply(struct engine *engine, unsigned code);
/* Every command of the client: does it make what was asked doubtful? */
void ahead_command(struct engine *engine, const struct command *command,
    const uint8_t *line);
/* Must the line, a PASV, wait for the answer to our own? */
bool ahead_is_awaited(struct engine *engine, const uint8_t *line, size_t len);
/* Answers a PASV, EPSV or LPSV; false: it is for the server. */
bool ahead_take(struct engine *engine, const struct command *command,
    const uint8_t *line);
/* Would the server use what was never the client's?  Refuses it then. */
bool ahead_refuse_transfer(struct engine *engine);
/* The same, seen by its first reply, or its last: it cannot be good. */
bool ahead_is_astray(struct engine *engine, const struct data *data,
    unsigned code);
/* The client was told of it, and the server's end has gone, or never was. */
void ahead_not_kept(struct engine *engine, const struct data *data);
/* An event of a data connection; true: it was for nobody yet. */
bool ahead_event(struct engine *engine, struct data *data,
    const struct engine_data_event *event);

#endif
