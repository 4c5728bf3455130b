/*
 * The transfer log: where the records of transfers go, one line each.  Writing
 * to a file waits for the disk.  A record that cannot be written is lost, and
 * the log says so.
 */
#ifndef TUNNEL_TRANSFER_LOG_H
#define TUNNEL_TRANSFER_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "tunnel/record.h"

struct transfer_log;

/*
 * fd: a file's (base/append.h), or a socket of the journal's (base/journal.h);
 * its own from here on.  xferlog: lines of that format.  NULL when out of
 * memory.
 */
struct transfer_log *transfer_log_new(int fd, bool journal, bool xferlog);
void transfer_log_free(struct transfer_log *log);

/* Another file from now on, which becomes its own. */
void transfer_log_use(struct transfer_log *log, int fd);

/* Adds one.  When that fails, the log says so once; and how many records were
 * lost as soon as one can be written again, or at the end. */
void transfer_log_write(struct transfer_log *log, const struct record *record);

#endif
