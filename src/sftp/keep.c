/*
 * Requests and open files that outlive a connection to an SFTP server.
 *
 * Each request is kept, with its data, until its reply has come.  Each open
 * file is kept with its path and what the replies have said about it.  When the
 * connection is lost, the owner pauses; on the next connection again.c opens
 * the files and sends the requests again.
 *
 * The owner must not notice that files have other handles then.  So it gets its
 * own: the number of the connection on which the file was opened, and the
 * server's handle.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/stream.h"
#include "limits.h"
#include "sftp/client_priv.h"

/* ---- memory ---- */

static struct sftp_string
sftp_keep_string(const struct sftp_string *string)
{
	uint8_t *bytes = malloc(string->len + 1);

	if (bytes != NULL && string->len > 0)
		memcpy(bytes, string->bytes, string->len);
	return (struct sftp_string) { bytes, string->len };
}

static void
sftp_free_string(struct sftp_string *string)
{
	free((void *)(uintptr_t)string->bytes);
	*string = (struct sftp_string) { NULL, 0 };
}

void
sftp_pending_free(struct sftp_pending *pending)
{
	free(pending->bytes);
	free(pending);
}

void
sftp_file_free(struct sftp *sftp, struct sftp_file *file)
{
	TAILQ_REMOVE(&sftp->files, file, entry);
	sftp_free_string(&file->handle);
	sftp_free_string(&file->real);
	sftp_free_string(&file->path);
	free(file);
}

/* ---- handles ---- */

bool
sftp_has_handle(enum sftp_op op)
{
	return op == SFTP_CLOSE || op == SFTP_READ || op == SFTP_WRITE ||
	    op == SFTP_FSTAT || op == SFTP_FSETSTAT || op == SFTP_READDIR ||
	    op == SFTP_FSYNC;
}

struct sftp_file *
sftp_file_of(struct sftp *sftp, const struct sftp_string *handle)
{
	struct sftp_file *file;

	TAILQ_FOREACH (file, &sftp->files, entry)
		if (file->handle.len == handle->len &&
		    memcmp(file->handle.bytes, handle->bytes, handle->len) == 0)
			return file;
	return NULL;
}

/* The handle as the owner gets it: on the heap, bytes NULL when out of memory.
 */
static struct sftp_string
sftp_own_handle(const struct sftp *sftp, const struct sftp_string *real)
{
	const size_t head = sizeof(sftp->connection);
	uint8_t *bytes = malloc(head + real->len + 1);

	if (bytes != NULL) {
		memcpy(bytes, &sftp->connection, head);
		if (real->len > 0)
			memcpy(bytes + head, real->bytes, real->len);
	}
	return (struct sftp_string) { bytes, head + real->len };
}

/* The server's handle for one of the owner's.  One that the server has not said
 * yet can only be one of this connection (gateway/download.c). */
static int
sftp_real_handle(struct sftp *sftp, const struct sftp_string *handle,
    struct sftp_string *ret)
{
	const size_t head = sizeof(sftp->connection);
	const struct sftp_file *file = sftp_file_of(sftp, handle);

	if (file != NULL) {
		*ret = file->real;
		return file->lost || file->real.bytes == NULL ? -EBADF : 0;
	}
	if (handle->len < head ||
	    memcmp(handle->bytes, &sftp->connection, head) != 0)
		return -EBADF;
	*ret =
	    (struct sftp_string) { handle->bytes + head, handle->len - head };
	return 0;
}

/* ---- requests ---- */

static size_t
sftp_to_len(const struct sftp_request *request)
{
	bool has_to = request->op == SFTP_RENAME ||
	    request->op == SFTP_POSIX_RENAME || request->op == SFTP_HARDLINK;

	return has_to ? request->to.len : 0;
}

static int
sftp_copy_request(struct sftp *sftp, struct sftp_pending *pending,
    const struct sftp_request *request, const struct iovec *data, size_t n)
{
	size_t to = sftp_to_len(request), at = request->name.len;

	pending->request = *request;
	pending->bytes = malloc(at + to + stream_len(data, n) + 1);
	if (pending->bytes == NULL)
		return -ENOMEM;
	if (at > 0)
		memcpy(pending->bytes, request->name.bytes, at);
	if (to > 0)
		memcpy(pending->bytes + at, request->to.bytes, to);
	pending->request.name.bytes = pending->bytes;
	pending->request.to = (struct sftp_string) { pending->bytes + at, to };
	at += to;
	for (size_t i = 0; i < n; i++) {
		memcpy(pending->bytes + at, data[i].iov_base, data[i].iov_len);
		at += data[i].iov_len;
	}
	pending->kept = true;
	pending->sftp = sftp;
	return 0;
}

int
sftp_put_kept(struct sftp *sftp, struct sftp_pending *pending)
{
	struct sftp_request request = pending->request;
	struct sftp_file *file;
	struct iovec data = {
		pending->bytes + request.name.len + request.to.len,
		request.op == SFTP_WRITE ? request.len : 0,
	};
	int err = 0;

	pending->sent_at = sftp->ticks;
	if (sftp_has_handle(request.op))
		err = sftp_real_handle(sftp, &pending->request.name,
		    &request.name);
	if (err == 0)
		err = sftp_put_packet(sftp, &request, pending->id, &data,
		    data.iov_len > 0 ? 1 : 0);
	if (err != 0 || request.op != SFTP_WRITE)
		return err;
	file = sftp_file_of(sftp, &pending->request.name);
	if (file != NULL) {
		file->written = true;
		if (file->sent < request.offset + request.len)
			file->sent = request.offset + request.len;
	}
	return 0;
}

int
sftp_send_kept(struct sftp *sftp, const struct sftp_request *request,
    const struct iovec *data, size_t n, sftp_reply_cb *done, void *ctx)
{
	struct sftp_pending *pending = sftp_add(sftp, request->op, done, ctx);
	uint8_t packet[SFTP_PUT_MAX];
	int err;

	if (pending == NULL)
		return -ENOMEM;
	err = sftp_copy_request(sftp, pending, request, data, n);
	if (err == 0 && sftp->paused) {
		pending->waiting = true;
		err = sftp_put(request, 0, packet) == 0 ? -EINVAL : 0;
	} else if (err == 0) {
		err = sftp_put_kept(sftp, pending);
		/* Nobody can send it: it is answered as one that was lost. */
		if (err == -EBADF)
			err = -EPIPE;
	}
	if (err != 0)
		sftp_remove(sftp, pending);
	return err;
}

/* ---- replies ---- */

static int
sftp_note_open(struct sftp *sftp, const struct sftp_pending *pending,
    struct sftp_reply *reply)
{
	struct sftp_file *file = calloc(1, sizeof(*file));

	if (file == NULL)
		return -ENOMEM;
	file->sftp = sftp;
	file->directory = pending->op == SFTP_OPENDIR;
	file->open = pending->request.open;
	file->handle = sftp_own_handle(sftp, &reply->string);
	file->real = sftp_keep_string(&reply->string);
	file->path = sftp_keep_string(&pending->request.name);
	sha256_init(&file->names);
	TAILQ_INSERT_TAIL(&sftp->files, file, entry);
	reply->string = file->handle;
	if (file->handle.bytes != NULL && file->real.bytes != NULL &&
	    file->path.bytes != NULL)
		return 0;
	sftp_file_free(sftp, file);
	return -ENOMEM;
}

uint64_t
sftp_digest_names(struct sha256_ctx *digest, const struct sftp_reply *reply)
{
	struct sftp_reply copy = *reply;
	struct sftp_name name;
	uint64_t n = 0;

	for (; sftp_next_name(&copy, &name) == 1; n++) {
		sha256_update(digest, name.name.len, name.name.bytes);
		sha256_update(digest, 1, (const uint8_t *)"");
	}
	return n;
}

/* Takes what is needed to know the file again. */
static void
sftp_note_file(struct sftp *sftp, struct sftp_file *file,
    const struct sftp_pending *pending, const struct sftp_reply *reply)
{
	const struct sftp_request *request = &pending->request;
	const uint32_t needed = SFTP_ATTR_SIZE | SFTP_ATTR_TIMES;
	bool ok = reply->type != SFTP_REPLY_STATUS || reply->status == SFTP_OK;

	if (pending->op == SFTP_READ)
		file->used = true;
	if (pending->op == SFTP_READDIR) {
		file->used = true;
		if (reply->type == SFTP_REPLY_NAME)
			file->n_names += sftp_digest_names(&file->names, reply);
	}
	if (pending->op == SFTP_FSTAT && ok && !file->known &&
	    (reply->attrs.has & needed) == needed) {
		file->known = true;
		file->size = reply->attrs.size;
		file->mtime = reply->attrs.mtime;
	}
	if (pending->op == SFTP_WRITE && ok)
		sftp_expect(sftp, &request->name,
		    request->offset + request->len);
}

int
sftp_note_reply(struct sftp *sftp, const struct sftp_pending *pending,
    struct sftp_reply *reply)
{
	struct sftp_file *file;

	if (!pending->kept)
		return 0;
	if (reply->type == SFTP_REPLY_HANDLE)
		return sftp_note_open(sftp, pending, reply);
	if (!sftp_has_handle(pending->op))
		return 0;
	file = sftp_file_of(sftp, &pending->request.name);
	if (file != NULL && pending->op == SFTP_CLOSE)
		sftp_file_free(sftp, file);
	else if (file != NULL)
		sftp_note_file(sftp, file, pending, reply);
	return 0;
}

void
sftp_expect(struct sftp *sftp, const struct sftp_string *handle, uint64_t end)
{
	struct sftp_file *file = sftp_file_of(sftp, handle);

	if (file != NULL && file->expected < end)
		file->expected = end;
}

bool
sftp_is_lost(struct sftp *sftp, const struct sftp_string *handle)
{
	const struct sftp_file *file = sftp_file_of(sftp, handle);

	return file != NULL && file->lost;
}

/* ---- losses ---- */

void
sftp_keep(struct sftp *sftp, uint32_t connection)
{
	assert(sftp->state == SFTP_NEW);
	sftp->keeps = true;
	sftp->connection = connection;
}

bool
sftp_is_paused(const struct sftp *sftp)
{
	return sftp->paused;
}

void
sftp_drop_lookups(struct sftp *sftp)
{
	struct sftp_pending *pending, *next;

	for (pending = TAILQ_FIRST(&sftp->pending); pending != NULL;
	     pending = next) {
		next = TAILQ_NEXT(pending, entry);
		if (!pending->kept)
			sftp_remove(sftp, pending);
	}
	sftp->n_lookups = 0;
}

void
sftp_pause(struct sftp *sftp)
{
	struct sftp_pending *pending, *next;
	struct sftp_file *file;

	assert(sftp->keeps && sftp->state != SFTP_DEAD);
	sftp->paused = true;
	sftp->state = SFTP_NEW;
	sftp_drop_lookups(sftp);
	buf_free(&sftp->input);
	buf_init(&sftp->input, LIMIT_WIRE_MESSAGE + 4);
	for (pending = TAILQ_FIRST(&sftp->pending); pending != NULL;
	     pending = next) {
		next = TAILQ_NEXT(pending, entry);
		if (pending->forgotten || pending->expired) {
			sftp_remove(sftp, pending);
			continue;
		}
		pending->doubtful |= !pending->waiting;
		pending->waiting = true;
		pending->from_exists = pending->from_missing = false;
		pending->to_exists = false;
	}
	TAILQ_FOREACH (file, &sftp->files, entry)
		sftp_free_string(&file->real);
}

int
sftp_resume(struct sftp *sftp, uint32_t connection)
{
	assert(sftp->paused && sftp->state == SFTP_NEW);
	sftp->connection = connection;
	sftp->answered_at = sftp->ticks;
	return sftp_start(sftp);
}

void
sftp_move(struct sftp *from, struct sftp *to)
{
	struct sftp_pending *pending;
	struct sftp_file *file;

	assert(from->paused && to->paused);
	while ((pending = TAILQ_FIRST(&from->pending)) != NULL) {
		TAILQ_REMOVE(&from->pending, pending, entry);
		from->n_pending--;
		pending->id = ++to->last_id;
		pending->sftp = to;
		TAILQ_INSERT_TAIL(&to->pending, pending, entry);
		to->n_pending++;
	}
	while ((file = TAILQ_FIRST(&from->files)) != NULL) {
		TAILQ_REMOVE(&from->files, file, entry);
		file->sftp = to;
		TAILQ_INSERT_TAIL(&to->files, file, entry);
	}
}
