/*
 * The transfer log.
 */
#include "tunnel/transfer_log.h"

#include <errno.h>
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
	bool torn;	    /* the file ends within a line */
	unsigned long lost; /* since it could be written */
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
say_lost(const struct transfer_log *log, enum log_level level, const char *what)
{
	log_line(level, NULL, "the transfer log %s: %lu record%s lost", what,
	    log->lost, log->lost == 1 ? " was" : "s were");
}

void
transfer_log_free(struct transfer_log *log)
{
	if (log == NULL)
		return;
	if (log->lost > 0)
		say_lost(log, LOG_LEVEL_ERR, "could not be written to the end");
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

/* 0 or a negative errno. */
static int
transfer_log_write_line(struct transfer_log *log, const struct record *record,
    const char *line, size_t len)
{
	if (!log->journal)
		return append_write(log->fd, line, len, &log->torn);
	/* Without the newline. */
	if (journal_send(log->fd, LOG_LEVEL_INFO, record->origin, line,
		len - 1))
		return 0;
	return -errno;
}

void
transfer_log_write(struct transfer_log *log, const struct record *record)
{
	CLEANUP(cleanup_text) char *line = NULL;
	size_t len = 0;
	int err = -ENOMEM;

	line = log->xferlog ? record_xferlog(record, &len) :
			      record_json(record, &len);
	if (line != NULL && len == 0)
		return; /* it has no place there */
	if (line != NULL)
		err = transfer_log_write_line(log, record, line, len);
	if (err == 0 && log->lost > 0) {
		say_lost(log, LOG_LEVEL_WARN, "can be written again");
		log->lost = 0;
	} else if (err != 0 && log->lost++ == 0) {
		log_line(LOG_LEVEL_ERR, record->origin,
		    "cannot write to the transfer log: %s; this record is lost, "
		    "and so are further ones until it can be written again",
		    strerror(-err));
	}
}
