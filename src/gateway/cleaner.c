/*
 * Temporary files of uploads that were cut together with their SSH connection:
 * they are removed on the next one.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "gateway/side_priv.h"
#include "limits.h"
#include "sftp/client.h"

struct cleaner {
	struct gateway_side *side;
	struct stream *stream; /* NULL: lost */
	struct sftp *sftp;
	bool started; /* the first removal was requested */
};

static void
cleaner_log(const struct gateway_side *side, enum log_level level,
    const char *what, const char *path)
{
	const struct log_origin origin = { .tunnel = side->log_name };
	char escaped[LOG_ESCAPED_MAX];

	log_escape(escaped, sizeof(escaped), path, strlen(path));
	log_line(level, &origin,
	    "the temporary file \"%s\" of an upload that "
	    "was cut %s",
	    escaped, what);
}

static void cleaner_send_next(struct cleaner *cleaner);

/* If it is not there, it had been removed, or renamed before the connection was
 * lost. */
static void
cleaner_on_removed(void *ctx, struct sftp_reply *reply)
{
	struct cleaner *cleaner = ctx;
	struct gateway_side *side = cleaner->side;
	struct left_over *left = STAILQ_FIRST(&side->left_over);

	if (reply->status == SFTP_CONNECTION_LOST ||
	    reply->status == SFTP_NO_CONNECTION)
		return;
	STAILQ_REMOVE_HEAD(&side->left_over, entry);
	side->n_left_over--;
	if (reply->status == SFTP_OK)
		cleaner_log(side, LOG_LEVEL_INFO, "was removed", left->path);
	else if (reply->status != SFTP_NO_SUCH_FILE)
		cleaner_log(side, LOG_LEVEL_WARN, "cannot be removed",
		    left->path);
	free(left);
	cleaner_send_next(cleaner);
}

static void
cleaner_send_next(struct cleaner *cleaner)
{
	struct left_over *left = STAILQ_FIRST(&cleaner->side->left_over);
	struct sftp_request request = { .op = SFTP_REMOVE };

	cleaner->started = true;
	if (left == NULL)
		return;
	request.name = (struct sftp_string) {
		(const uint8_t *)left->path,
		strlen(left->path),
	};
	(void)sftp_send(cleaner->sftp, &request, NULL, 0, cleaner_on_removed,
	    cleaner);
}

static void
cleaner_on_ready(void *ctx)
{
	cleaner_send_next(ctx);
}

static int
cleaner_on_send(void *ctx, const struct iovec *pieces, size_t n)
{
	struct cleaner *cleaner = ctx;

	return stream_writev(cleaner->stream, pieces, n);
}

static void
cleaner_opened(void *ctx)
{
	struct cleaner *cleaner = ctx;

	(void)sftp_start(cleaner->sftp);
}

static void
cleaner_lost(struct cleaner *cleaner)
{
	stream_close(cleaner->stream);
	cleaner->stream = NULL;
}

static void
cleaner_data(void *ctx, const struct iovec *pieces, size_t n)
{
	struct cleaner *cleaner = ctx;
	const char *why;

	for (size_t i = 0; i < n && cleaner->stream != NULL; i++)
		if (sftp_bytes(cleaner->sftp, pieces[i].iov_base,
			pieces[i].iov_len, &why) != 0)
			cleaner_lost(cleaner);
}

static void
cleaner_eof(void *ctx)
{
	cleaner_lost(ctx);
}

static void
cleaner_closed(void *ctx, int err, const char *why)
{
	cleaner_lost(ctx);
}

static void
cleaner_end(struct gateway_side *side)
{
	if (side->cleaner == NULL)
		return;
	stream_close(side->cleaner->stream);
	sftp_free(side->cleaner->sftp);
	free(side->cleaner);
	side->cleaner = NULL;
}

static void
cleaner_start(struct gateway_side *side)
{
	static const struct sftp_handler sftp_handler = {
		.send = cleaner_on_send,
		.ready = cleaner_on_ready,
	};
	static const struct stream_handler stream_handler = {
		.opened = cleaner_opened,
		.data = cleaner_data,
		.eof = cleaner_eof,
		.closed = cleaner_closed,
	};
	struct cleaner *cleaner = calloc(1, sizeof(*cleaner));
	struct link *link = links_choose(side->links);

	side->cleaner = cleaner;
	if (cleaner == NULL)
		return;
	cleaner->side = side;
	cleaner->sftp = sftp_new(&sftp_handler, cleaner);
	if (link != NULL && cleaner->sftp != NULL)
		cleaner->stream = link_sftp(link, &stream_handler, cleaner);
	if (cleaner->stream == NULL)
		cleaner_end(side);
	else
		stream_read_start(cleaner->stream);
}

void
cleaner_add(struct gateway_side *side, const char *path)
{
	struct left_over *left = malloc(sizeof(*left) + strlen(path) + 1);

	if (left == NULL || side->n_left_over >= LIMIT_LEFT_OVER) {
		free(left);
		cleaner_log(side, LOG_LEVEL_WARN,
		    "is left on the SFTP server: remove it", path);
		return;
	}
	strcpy(left->path, path);
	STAILQ_INSERT_TAIL(&side->left_over, left, entry);
	side->n_left_over++;
	gateway_side_stir(side);
}

void
cleaner_tick(struct gateway_side *side)
{
	struct cleaner *cleaner = side->cleaner;

	if (cleaner == NULL) {
		if (side->n_left_over > 0 && links_choose(side->links) != NULL)
			cleaner_start(side);
		return;
	}
	sftp_tick(cleaner->sftp);
	if (cleaner->stream == NULL || side->n_left_over == 0 ||
	    (cleaner->started && sftp_pending(cleaner->sftp) == 0))
		cleaner_end(side);
}

void
cleaner_free(struct gateway_side *side)
{
	struct left_over *left;

	cleaner_end(side);
	while ((left = STAILQ_FIRST(&side->left_over)) != NULL) {
		STAILQ_REMOVE_HEAD(&side->left_over, entry);
		cleaner_log(side, LOG_LEVEL_WARN,
		    "is left on the SFTP server: remove it", left->path);
		free(left);
	}
}
