/*
 * What uploads have left that were cut together with their SSH connection: on
 * the next one temporary files are removed, and an old file that has only its
 * backup name gets its own back.
 */
#include <stdio.h>
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
	bool started;	  /* the first removal was requested */
	unsigned quiet_s; /* since the server has sent something */
};

static void
cleaner_log(const struct gateway_side *side, enum log_level level,
    const struct left_over *left, const char *what)
{
	const struct log_origin origin = { .tunnel = side->log_name };
	char path[LOG_ESCAPED_MAX], target[LOG_ESCAPED_MAX];

	log_escape(path, sizeof(path), left->path, strlen(left->path));
	if (left->target == NULL) {
		log_line(level, &origin,
		    "the temporary file \"%s\" of an upload that was cut %s",
		    path, what);
		return;
	}
	log_escape(target, sizeof(target), left->target, strlen(left->target));
	log_line(level, &origin,
	    "the file \"%s\", which was renamed to \"%s\" by an upload that "
	    "was cut, %s",
	    target, path, what);
}

void
cleaner_give_up(struct gateway_side *side, const char *path)
{
	const struct log_origin origin = { .tunnel = side->log_name };
	char escaped[LOG_ESCAPED_MAX];

	log_escape(escaped, sizeof(escaped), path, strlen(path));
	log_line(LOG_LEVEL_WARN, &origin,
	    "the temporary file \"%s\" stays on the SFTP server, which refuses "
	    "to remove it",
	    escaped);
}

static void
left_over_free(struct left_over *left)
{
	if (left == NULL)
		return;
	free(left->path);
	free(left->target);
	free(left);
}

static void cleaner_send_next(struct cleaner *cleaner);

/* Is it known now what the server has done with a request?  Else the first
 * one stays. */
static bool
cleaner_knows(const struct sftp_reply *reply)
{
	return reply->status != SFTP_CONNECTION_LOST &&
	    reply->status != SFTP_NO_CONNECTION;
}

/* The first one is done with; good and bad: what to log. */
static void
cleaner_take_first(struct cleaner *cleaner, const struct sftp_reply *reply,
    const char *good, const char *bad)
{
	struct gateway_side *side = cleaner->side;
	struct left_over *left = STAILQ_FIRST(&side->left_over);

	STAILQ_REMOVE_HEAD(&side->left_over, entry);
	side->n_left_over--;
	if (reply->status == SFTP_OK)
		cleaner_log(side, LOG_LEVEL_INFO, left, good);
	else if (reply->status != SFTP_NO_SUCH_FILE)
		cleaner_log(side, LOG_LEVEL_WARN, left, bad);
	left_over_free(left);
	cleaner_send_next(cleaner);
}

/* If it is not there, it had been removed, or renamed before the connection was
 * lost. */
static void
cleaner_on_removed(void *ctx, struct sftp_reply *reply)
{
	if (cleaner_knows(reply))
		cleaner_take_first(ctx, reply, "was removed",
		    "cannot be removed");
}

/* The backup is not needed: there is the new file. */
static void
cleaner_on_backup_removed(void *ctx, struct sftp_reply *reply)
{
	if (cleaner_knows(reply))
		cleaner_take_first(ctx, reply, "has been replaced",
		    "has been replaced, but that backup cannot be removed");
}

/* If the backup is not there, the old file had not been renamed. */
static void
cleaner_on_restored(void *ctx, struct sftp_reply *reply)
{
	if (cleaner_knows(reply))
		cleaner_take_first(ctx, reply, "has its name again",
		    "cannot be renamed back");
}

static void
cleaner_send(struct cleaner *cleaner, enum sftp_op op, const char *name,
    const char *to, sftp_reply_cb *done)
{
	struct sftp_request request = {
		.op = op,
		.name = { (const uint8_t *)name, strlen(name) },
	};

	if (to != NULL)
		request.to = (struct sftp_string) {
			(const uint8_t *)to,
			strlen(to),
		};
	(void)sftp_send(cleaner->sftp, &request, NULL, 0, done, cleaner);
}

/* If there is a target, it is the new file, and the backup of the old one is
 * of no use any more.  (RENAME might replace it.) */
static void
cleaner_on_target(void *ctx, struct sftp_reply *reply)
{
	struct cleaner *cleaner = ctx;
	const struct left_over *left = STAILQ_FIRST(&cleaner->side->left_over);

	if (reply->type == SFTP_REPLY_ATTRS)
		cleaner_send(cleaner, SFTP_REMOVE, left->path, NULL,
		    cleaner_on_backup_removed);
	else if (reply->status == SFTP_NO_SUCH_FILE)
		cleaner_send(cleaner, SFTP_RENAME, left->path, left->target,
		    cleaner_on_restored);
	else
		cleaner_on_restored(ctx, reply);
}

static void
cleaner_send_next(struct cleaner *cleaner)
{
	const struct left_over *left = STAILQ_FIRST(&cleaner->side->left_over);

	cleaner->started = true;
	if (left == NULL)
		return;
	if (left->target == NULL)
		cleaner_send(cleaner, SFTP_REMOVE, left->path, NULL,
		    cleaner_on_removed);
	else
		cleaner_send(cleaner, SFTP_LSTAT, left->target, NULL,
		    cleaner_on_target);
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

	cleaner->quiet_s = 0;
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

static struct left_over *
left_over_new(const char *path, const char *target)
{
	struct left_over *left = calloc(1, sizeof(*left));

	if (left == NULL)
		return NULL;
	left->path = strdup(path);
	left->target = target != NULL ? strdup(target) : NULL;
	if (left->path != NULL && (left->target != NULL) == (target != NULL))
		return left;
	left_over_free(left);
	return NULL;
}

/* What a person has to do. */
static const char *
left_over_advice(const struct left_over *left)
{
	return left->target == NULL ?
	    "is left on the SFTP server: remove it" :
	    "may not have its name back: look for it on the SFTP server";
}

void
cleaner_add(struct gateway_side *side, const char *path, const char *target,
    const char *who)
{
	struct left_over *left =
	    who == NULL ? left_over_new(path, target) : NULL;
	char advice[LOG_ESCAPED_MAX];

	if (left == NULL || side->n_left_over >= LIMIT_LEFT_OVER) {
		const struct left_over lost = {
			.path = (char *)(uintptr_t)path,
			.target = (char *)(uintptr_t)target,
		};

		left_over_free(left);
		snprintf(advice, sizeof(advice), "%s%s%s%s",
		    left_over_advice(&lost), who != NULL ? " (login of " : "",
		    who != NULL ? who : "", who != NULL ? ")" : "");
		cleaner_log(side, LOG_LEVEL_WARN, &lost, advice);
		return;
	}
	STAILQ_INSERT_TAIL(&side->left_over, left, entry);
	side->n_left_over++;
	gateway_side_stir(side);
}

void
cleaner_look(struct gateway_side *side, bool second)
{
	struct cleaner *cleaner = side->cleaner;

	if (cleaner == NULL) {
		if (second && side->n_left_over > 0 &&
		    links_choose(side->links) != NULL)
			cleaner_start(side);
		return;
	}
	cleaner->quiet_s += second;
	if (cleaner->stream == NULL || side->n_left_over == 0 ||
	    cleaner->quiet_s > LIMIT_SFTP_REPLY_S ||
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
		cleaner_log(side, LOG_LEVEL_WARN, left, left_over_advice(left));
		left_over_free(left);
	}
}
