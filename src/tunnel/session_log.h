/*
 * What a session says to the log.  What peers have sent is escaped.
 */
#ifndef TUNNEL_SESSION_LOG_H
#define TUNNEL_SESSION_LOG_H

#include "base/log.h"
#include "base/log_limit.h"
#include "engine/engine.h"
#include "ftp/secrets.h"

/* ENGINE_LOG; of what is not for -v no more than the limit allows at now. */
void session_log_text(const struct log_origin *origin,
    const struct engine_action *action, struct log_limit *limit, uint64_t now);

/* ENGINE_REPORT: a line a transfer; a warning if it was cut.  None is left
 * out. */
void session_log_report(const struct log_origin *origin,
    const struct engine_report *report);

/* ENGINE_SEND, at -v -v: the line that is sent, without what may be a password
 * (command_shown()), also where a reply repeats it. */
void session_log_transcript(const struct log_origin *origin,
    const struct engine_action *action, struct secrets *secrets);

#endif
