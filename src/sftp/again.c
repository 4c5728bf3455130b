/*
 * What is done on a new connection to an SFTP server, for requests and files of
 * one that was lost (keep.c).
 *
 * First each open file is opened again, never created or emptied, and compared:
 * one that is read must have the size and the time that the first FSTAT said;
 * one that is written must have at least what the server has confirmed, and, if
 * it has no temporary name, not more than what was sent.  The names of a
 * directory are read again up to those that were passed on; their digest must
 * be the same.  If anything differs, or cannot be known, the file is lost.
 *
 * Meanwhile the server is asked about names that a request may have changed.
 * Nobody knows whether the requests without reply were carried out:
 *
 *	READ, WRITE, CLOSE, FSTAT, STAT ...	are repeated, which is harmless
 *	OPEN, exclusive				a temporary file: without
 *						exclusive; else lost
 *	OPEN that empties, SETSTAT of a size	lost: the first one may still
 *						come
 *	RENAME, of or to a temporary name	has happened if the name says so
 *	RENAME, else				has happened if one name is
 *						there, not the other; else lost
 *	MKDIR					is repeated if there is nothing
 *	REMOVE of a temporary file		is repeated
 *	REMOVE, RMDIR				have happened if there is
 *						nothing; else lost: it may be
 *						another one by now
 *
 * A request that is lost gets SFTP_CONNECTION_LOST.
 */
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "limits.h"
#include "sftp/client_priv.h"

static const char again_why[] = "the SSH connection was lost";

static void sftp_again_answered(struct sftp *sftp);

/* A request of this file.  False: it cannot be sent. */
static bool
sftp_ask(struct sftp *sftp, const struct sftp_request *request,
    sftp_reply_cb *done, void *ctx)
{
	if (sftp_request(sftp, request, NULL, 0, done, ctx) != 0)
		return false;
	sftp->n_lookups++;
	return true;
}

/* ---- files ---- */

/* Has it a name that only we know (gateway/rename.c)? */
static bool
sftp_is_temporary(const struct sftp_string *path)
{
	static const char name[] = "/.culvert-0123456789abcdef";
	const size_t len = sizeof(name) - 1, head = sizeof("/.culvert-") - 1;

	return path->len >= len &&
	    memcmp(path->bytes + path->len - len, name, head) == 0;
}

static bool
sftp_file_is_same(const struct sftp_file *file, const struct sftp_attrs *attrs)
{
	bool has_size = (attrs->has & SFTP_ATTR_SIZE) != 0;
	bool has_time = (attrs->has & SFTP_ATTR_TIMES) != 0;

	if ((file->open & SFTP_OPEN_WRITE) == 0)
		return !file->used ||
		    (file->known && has_size && has_time &&
			attrs->size == file->size &&
			attrs->mtime == file->mtime);
	if (!has_size || attrs->size < file->expected)
		return false;
	if (sftp_is_temporary(&file->path) ||
	    (file->open & SFTP_OPEN_EXCLUSIVE) != 0)
		return true;
	if (!file->written)
		return file->known && attrs->size == file->size;
	return attrs->size <= file->sent;
}

static void
sftp_on_file_stat(void *ctx, struct sftp_reply *reply)
{
	struct sftp_file *file = ctx;

	if (reply->type == SFTP_REPLY_ATTRS)
		file->lost = !sftp_file_is_same(file, &reply->attrs);
	else
		file->lost = file->used || file->written ||
		    (file->open & SFTP_OPEN_WRITE) != 0;
	sftp_again_answered(file->sftp);
}

static void sftp_on_names_again(void *ctx, struct sftp_reply *reply);

static void
sftp_ask_names(struct sftp_file *file)
{
	const struct sftp_request read = {
		.op = SFTP_READDIR,
		.name = file->real,
	};

	file->lost = !sftp_ask(file->sftp, &read, sftp_on_names_again, file);
}

/* Goes on until as many names have come as were passed on. */
static void
sftp_on_names_again(void *ctx, struct sftp_reply *reply)
{
	struct sftp_file *file = ctx;
	struct sha256_ctx before = file->names;
	uint8_t digest[SHA256_DIGEST_SIZE], again[SHA256_DIGEST_SIZE];
	uint64_t n = reply->type == SFTP_REPLY_NAME ?
	    sftp_digest_names(&file->again, reply) :
	    0;

	file->n_again += n;
	if (n > 0 && file->n_again < file->n_names) {
		sftp_ask_names(file);
	} else {
		sha256_digest(&before, sizeof(digest), digest);
		sha256_digest(&file->again, sizeof(again), again);
		file->lost = file->n_again != file->n_names ||
		    memcmp(digest, again, sizeof(digest)) != 0;
	}
	sftp_again_answered(file->sftp);
}

static void
sftp_on_file_open(void *ctx, struct sftp_reply *reply)
{
	struct sftp_file *file = ctx;
	struct sftp_request stat = { .op = SFTP_FSTAT };
	uint8_t *real = NULL;

	if (reply->type == SFTP_REPLY_HANDLE)
		real = malloc(reply->string.len + 1);
	if (real != NULL) {
		if (reply->string.len > 0)
			memcpy(real, reply->string.bytes, reply->string.len);
		file->real = (struct sftp_string) { real, reply->string.len };
		stat.name = file->real;
	}
	file->lost = real == NULL;
	if (!file->lost && !file->directory) {
		file->lost =
		    !sftp_ask(file->sftp, &stat, sftp_on_file_stat, file);
	} else if (!file->lost && file->used) {
		file->n_again = 0;
		sha256_init(&file->again);
		if (file->n_names > 0)
			sftp_ask_names(file);
	}
	sftp_again_answered(file->sftp);
}

/* Does something wait for the file?  Not if it is only to be closed, and every
 * WRITE has its reply. */
static bool
sftp_file_is_needed(const struct sftp_file *file)
{
	const struct sftp_pending *pending;
	bool closes = false, needed = false;

	TAILQ_FOREACH (pending, &file->sftp->pending, entry)
		if (pending->kept && sftp_has_handle(pending->op) &&
		    sftp_file_of(file->sftp, &pending->request.name) == file) {
			closes |= pending->op == SFTP_CLOSE;
			needed |=
			    pending->op != SFTP_CLOSE || pending->done != NULL;
		}
	return needed || !closes;
}

static void
sftp_open_again(struct sftp_file *file)
{
	const struct sftp_request open = {
		.op = file->directory ? SFTP_OPENDIR : SFTP_OPEN,
		.name = file->path,
		.open = file->open &
		    (SFTP_OPEN_READ | SFTP_OPEN_WRITE | SFTP_OPEN_APPEND),
	};

	if (!file->lost && sftp_file_is_needed(file))
		file->lost =
		    !sftp_ask(file->sftp, &open, sftp_on_file_open, file);
}

/* ---- requests that change names ---- */

static void
sftp_on_from(void *ctx, struct sftp_reply *reply)
{
	struct sftp_pending *pending = ctx;

	pending->from_exists = reply->type == SFTP_REPLY_ATTRS;
	pending->from_missing = reply->type == SFTP_REPLY_STATUS &&
	    reply->status == SFTP_NO_SUCH_FILE;
	sftp_again_answered(pending->sftp);
}

static void
sftp_on_to(void *ctx, struct sftp_reply *reply)
{
	struct sftp_pending *pending = ctx;

	pending->to_exists = reply->type == SFTP_REPLY_ATTRS;
	sftp_again_answered(pending->sftp);
}

static bool
sftp_is_rename(enum sftp_op op)
{
	return op == SFTP_RENAME || op == SFTP_POSIX_RENAME;
}

static bool
sftp_changes_names(enum sftp_op op)
{
	return sftp_is_rename(op) || op == SFTP_REMOVE || op == SFTP_RMDIR ||
	    op == SFTP_MKDIR;
}

/* Asks what there is now. */
static void
sftp_look_up(struct sftp_pending *pending)
{
	struct sftp_request stat = {
		.op = SFTP_LSTAT,
		.name = pending->request.name,
	};

	if (!pending->kept || !pending->doubtful ||
	    !sftp_changes_names(pending->op))
		return;
	(void)sftp_ask(pending->sftp, &stat, sftp_on_from, pending);
	stat.name = pending->request.to;
	if (sftp_is_rename(pending->op))
		(void)sftp_ask(pending->sftp, &stat, sftp_on_to, pending);
}

/* ---- what becomes of a request ---- */

enum again {
	AGAIN_REPEAT,
	AGAIN_DONE, /* it was carried out */
	AGAIN_LOST, /* nobody knows, or it cannot be repeated */
};

static enum again
sftp_judge_rename(const struct sftp_pending *pending)
{
	bool from = sftp_is_temporary(&pending->request.name);
	bool to = sftp_is_temporary(&pending->request.to);

	if (to && pending->to_exists)
		return AGAIN_DONE;
	if (!to && pending->from_missing && pending->to_exists)
		return AGAIN_DONE;
	return (from || to) && pending->from_exists ? AGAIN_REPEAT : AGAIN_LOST;
}

static enum again
sftp_judge_open(struct sftp_pending *pending)
{
	struct sftp_request *request = &pending->request;

	if ((request->open & SFTP_OPEN_TRUNCATE) != 0)
		return AGAIN_LOST;
	if ((request->open & SFTP_OPEN_EXCLUSIVE) == 0)
		return AGAIN_REPEAT;
	if (!sftp_is_temporary(&request->name))
		return AGAIN_LOST;
	request->open &= ~(uint32_t)SFTP_OPEN_EXCLUSIVE;
	return AGAIN_REPEAT;
}

/* One that may have been carried out. */
static enum again
sftp_judge_doubtful(struct sftp_pending *pending)
{
	bool missing = pending->from_missing;

	switch ((unsigned)pending->op) {
	case SFTP_RENAME:
	case SFTP_POSIX_RENAME:
		return sftp_judge_rename(pending);
	case SFTP_OPEN:
		return sftp_judge_open(pending);
	case SFTP_SETSTAT:
	case SFTP_FSETSTAT:
		return (pending->request.attrs.has & SFTP_ATTR_SIZE) != 0 ?
		    AGAIN_LOST :
		    AGAIN_REPEAT;
	case SFTP_MKDIR:
		return missing ? AGAIN_REPEAT : AGAIN_LOST;
	case SFTP_REMOVE:
		if (sftp_is_temporary(&pending->request.name))
			return AGAIN_REPEAT;
		return missing ? AGAIN_DONE : AGAIN_LOST;
	case SFTP_RMDIR:
		return missing ? AGAIN_DONE : AGAIN_LOST;
	default:
		return AGAIN_REPEAT;
	}
}

static enum again
sftp_judge(struct sftp *sftp, struct sftp_pending *pending)
{
	struct sftp_file *file = sftp_has_handle(pending->op) ?
	    sftp_file_of(sftp, &pending->request.name) :
	    NULL;
	bool lost;

	if (file != NULL && file->real.bytes == NULL &&
	    pending->op == SFTP_CLOSE) {
		lost = file->lost;
		sftp_file_free(sftp, file);
		return lost ? AGAIN_LOST : AGAIN_DONE;
	}
	return pending->doubtful ? sftp_judge_doubtful(pending) : AGAIN_REPEAT;
}

static struct sftp_pending *
sftp_first_waiting(struct sftp *sftp)
{
	struct sftp_pending *pending;

	TAILQ_FOREACH (pending, &sftp->pending, entry)
		if (pending->waiting)
			return pending;
	return NULL;
}

/* Everything is known.  Answers may bring new requests, which wait for their
 * turn. */
static void
sftp_send_again(struct sftp *sftp)
{
	struct sftp_pending *pending;
	enum again again;

	while (sftp->state == SFTP_READY &&
	    (pending = sftp_first_waiting(sftp)) != NULL) {
		pending->waiting = false;
		if (pending->forgotten) {
			sftp_remove(sftp, pending);
			continue;
		}
		again = sftp_judge(sftp, pending);
		/* Other errors: the connection is lost again. */
		if (again == AGAIN_REPEAT &&
		    sftp_put_kept(sftp, pending) != -EBADF)
			continue;
		sftp_answer_locally(sftp, pending,
		    again == AGAIN_DONE ? SFTP_OK : SFTP_CONNECTION_LOST,
		    again_why);
	}
	if (sftp->state != SFTP_READY)
		return;
	sftp->paused = false;
	sftp->handler->ready(sftp->ctx);
}

static void
sftp_again_answered(struct sftp *sftp)
{
	assert(sftp->n_lookups > 0);
	if (--sftp->n_lookups == 0 && sftp->state == SFTP_READY)
		sftp_send_again(sftp);
}

void
sftp_begin_again(struct sftp *sftp)
{
	struct sftp_pending *pending;
	struct sftp_file *file;

	/* Not before all have been sent. */
	sftp->n_lookups = 1;
	TAILQ_FOREACH (file, &sftp->files, entry)
		sftp_open_again(file);
	TAILQ_FOREACH (pending, &sftp->pending, entry)
		sftp_look_up(pending);
	sftp_again_answered(sftp);
}
