/*
 * The transfer log: a file, or the journal, to which the records of transfers
 * are written, one line each.  Writing to a file waits for the disk.
 */
#ifndef TUNNEL_TRANSFER_LOG_H
#define TUNNEL_TRANSFER_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "tunnel/record.h"

struct transfer_log;

/*
 * fd is a file (base/append.h), or with journal a socket of the journal
 * (base/journal.h); it belongs to the log from here on, also when this fails.
 * xferlog: lines of that format, else JSON.  NULL when out of memory.
 */
struct transfer_log *transfer_log_new(int fd, bool journal, bool xferlog);

/* Closes it.  NULL is allowed. */
void transfer_log_free(struct transfer_log *log);

/* Writes to the file fd from now on, which belongs to the log from here on. */
void transfer_log_use(struct transfer_log *log, int fd);

/* Writes a record.  If that fails, an error is logged once; how many records
 * were dropped is logged when one can be written again, or at the end. */
void transfer_log_write(struct transfer_log *log, const struct record *record);

#endif
