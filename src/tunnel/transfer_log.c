/*
 * The transfer log.
 */
#include "tunnel/transfer_log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/append.h"
#include "base/cleanup.h"
#include "base/journal.h"
#include "base/log.h"

struct transfer_log {
	int fd;
	bool journal;
	bool xferlog;
	bool torn;	       /* the file ends within a line */
	unsigned long dropped; /* records, since the last one was written */
};

struct transfer_log *
transfer_log_new(int fd, bool journal, bool xferlog)
{
	struct transfer_log *log = calloc(1, sizeof(*log));

	if (log == NULL) {
		cleanup_fd(&fd);
		return NULL;
	}
	log->fd = fd;
	log->journal = journal;
	log->xferlog = xferlog;
	return log;
}

static void
say_dropped(const struct transfer_log *log, enum log_level level,
    const char *what)
{
	log_line(level, NULL, "the transfer log %s: %lu record%s lost", what,
	    log->dropped, log->dropped == 1 ? " was" : "s were");
}

void
transfer_log_free(struct transfer_log *log)
{
	if (log == NULL)
		return;
	if (log->dropped > 0)
		say_dropped(log, LOG_LEVEL_ERR,
		    "could not be written until the end");
	cleanup_fd(&log->fd);
	free(log);
}

void
transfer_log_use(struct transfer_log *log, int fd)
{
	cleanup_fd(&log->fd);
	log->fd = fd;
	log->torn = false;
}

/* line is a record without a newline, or NULL when out of memory.  0 or a
 * negative errno. */
static int
transfer_log_write_line(struct transfer_log *log, const struct record *record,
    const char *line)
{
	CLEANUP(cleanup_text) char *whole = NULL;
	int len;

	if (line == NULL)
		return -ENOMEM;
	if (log->journal &&
	    !journal_send(log->fd, LOG_LEVEL_INFO, record->origin, line,
		strlen(line)))
		return -errno;
	if (log->journal)
		return 0;
	len = asprintf(&whole, "%s\n", line);
	if (len < 0) {
		whole = NULL;
		return -ENOMEM;
	}
	return append_write(log->fd, whole, (size_t)len, &log->torn);
}

void
transfer_log_write(struct transfer_log *log, const struct record *record)
{
	CLEANUP(cleanup_text)
	char *line =
	    log->xferlog ? record_xferlog(record) : record_json(record);
	int err;

	if (line != NULL && *line == '\0')
		return; /* xferlog has no line for it */
	err = transfer_log_write_line(log, record, line);
	if (err == 0 && log->dropped > 0) {
		say_dropped(log, LOG_LEVEL_WARN, "can be written again");
		log->dropped = 0;
	} else if (err != 0 && log->dropped++ == 0) {
		log_line(LOG_LEVEL_ERR, record->origin,
		    "cannot write to the transfer log: %s; this record is "
		    "lost, and so are all following ones until writing works "
		    "again",
		    strerror(-err));
	}
}
