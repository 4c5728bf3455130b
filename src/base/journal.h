/*
 * The journal's own protocol: an entry is a datagram of NAME=value lines
 * (systemd's documentation, JOURNAL_NATIVE_PROTOCOL).  The log uses it, nobody
 * else.
 */
#ifndef BASE_JOURNAL_H
#define BASE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/log.h"

/* Its socket, connected, the caller's; or a negative errno. */
int journal_connect(void);

/*
 * Is standard error the journal's, as JOURNAL_STREAM has it (systemd.exec(5))?
 * Then its socket as above; else, or where it cannot be had, -1.
 */
int journal_open(void);

/* One entry, of len bytes without a newline; nobody waits.  False: it was not
 * taken. */
bool journal_send(int fd, enum log_level level, const struct log_origin *origin,
    const char *text, size_t len);

#endif
