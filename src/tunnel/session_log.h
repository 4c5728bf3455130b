/*
 * What a session says to the log.  number is the session's; what peers have
 * sent is escaped.
 */
#ifndef TUNNEL_SESSION_LOG_H
#define TUNNEL_SESSION_LOG_H

#include "ftp/engine.h"

/* ENGINE_LOG. */
void session_log_text(unsigned long number, const struct engine_action *action);

/* ENGINE_REPORT: a line a transfer; a warning if it was cut. */
void session_log_report(unsigned long number,
    const struct engine_report *report);

/* ENGINE_SEND, at -v -v: the line that is sent, without passwords. */
void session_log_transcript(unsigned long number,
    const struct engine_action *action);

#endif
