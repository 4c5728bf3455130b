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
#include "base/log_limit.h"

struct transfer_log {
	int fd;
	bool journal;
	bool xferlog;
	bool torn; /* the file ends within a line */
	struct log_limit failures;
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

void
transfer_log_free(struct transfer_log *log)
{
	if (log == NULL)
		return;
	log_limit_end(&log->failures, NULL);
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
write_line(struct transfer_log *log, const struct record *record,
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
transfer_log_write(struct transfer_log *log, const struct record *record,
    uint64_t now)
{
	CLEANUP(cleanup_text) char *line = NULL;
	size_t len = 0;
	int err = -ENOMEM;

	line = log->xferlog ? record_xferlog(record, &len) :
			      record_json(record, &len);
	if (line != NULL && len == 0)
		return; /* it has no place there */
	if (line != NULL)
		err = write_line(log, record, line, len);
	if (err != 0 && log_limit_allows(&log->failures, now, record->origin))
		log_line(LOG_LEVEL_ERR, record->origin,
		    "a transfer is missing in the transfer log: %s",
		    strerror(-err));
}
