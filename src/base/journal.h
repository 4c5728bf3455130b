/*
 * The native protocol of systemd's journal: an entry is a datagram of
 * NAME=value lines (JOURNAL_NATIVE_PROTOCOL in systemd's documentation).
 */
#ifndef BASE_JOURNAL_H
#define BASE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/log.h"

/* Connects to the journal.  Returns the socket, which the caller owns, or a
 * negative errno. */
int journal_connect(void);

/*
 * Connects to the journal if standard error leads to it, as JOURNAL_STREAM
 * shows (systemd.exec(5)).  Returns the socket, which the caller owns; -1 if
 * standard error leads elsewhere or connecting fails.
 */
int journal_open(void);

/* Sends one entry with a text of len bytes, without a newline.  Does not block.
 * Returns false if the journal has not taken it. */
bool journal_send(int fd, enum log_level level, const struct log_origin *origin,
    const char *text, size_t len);

#endif
