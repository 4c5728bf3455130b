/*
 * The native protocol of systemd's journal: an entry is a datagram of
 * NAME=value lines (JOURNAL_NATIVE_PROTOCOL in systemd's documentation).  Only
 * log.c uses it.
 */
#ifndef BASE_JOURNAL_H
#define BASE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/log.h"

/* Returns a socket that is connected to the journal, which the caller owns, or
 * a negative errno. */
int journal_connect(void);

/*
 * Returns such a socket if standard error leads to the journal, as
 * JOURNAL_STREAM shows (systemd.exec(5)).  Otherwise, or if connecting fails,
 * -1.
 */
int journal_open(void);

/* Sends one entry, of len bytes without a newline.  Does not block; returns
 * false if the journal has not taken it. */
bool journal_send(int fd, enum log_level level, const struct log_origin *origin,
    const char *text, size_t len);

#endif
