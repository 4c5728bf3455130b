/*
 * Reading a file of the SFTP server: RETR, to the data connection, and HASH, to
 * a digest.
 *
 * Many READs are sent before the first reply comes: at first two; the
 * configured number once the size is known, else one more for each reply.  The
 * replies may come in any order; data wait until all that is before them has
 * come.  The file ends where a READ says so (draft-ietf-secsh-filexfer-02
 * section 6.4); or, to save a round trip, at the size that FSTAT said, if a
 * READ ended just there or another one found nothing behind it.
 *
 * A server that has used the same handle for the last two files, as OpenSSH's
 * does, will probably use it for the next one: then FSTAT and the first READs
 * are sent together with OPEN, which saves a round trip.  If the handle is
 * another one, or a READ fails, their replies are dropped, and they are sent
 * again.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>

#include <nettle/sha2.h>

#include "gateway/priv.h"

struct download;

/* A READ; in the order of the offsets. */
struct download_read {
	TAILQ_ENTRY(download_read) entry;
	struct download *download;
	uint64_t offset;
	uint32_t len; /* that was requested */
	enum {
		READ_SENT,
		READ_DATA, /* it waits in data */
		READ_EOF,
	} state;
	uint8_t *data;
	uint32_t data_len;
};

struct download {
	struct task task;
	char *path;
	struct sftp_string handle; /* heap; len 0: not yet */
	bool open;		   /* and the server has said that handle */
	bool early;		   /* requests were sent before it has */
	TAILQ_HEAD(, download_read) reads;
	size_t n_reads;		   /* in reads; what waits is memory */
	unsigned window;	   /* how many of them may be sent */
	uint64_t start, next, got; /* offsets: of the first byte, of the next
				    * READ, of what was passed on */
	uint64_t size;
	bool size_known;
	bool begun;  /* the client has got 150 */
	bool probed; /* a READ at the size, or behind it, was sent */
	bool ended;  /* a READ has found the end */
	bool grown;  /* there was more than size */
	struct newline_state newline;
	bool convert;
	struct sha256_ctx *digest; /* HASH; heap */
};

static void download_pump(struct download *download);

/* ---- the end ---- */

/* Nobody wants the replies to FSTAT and READs any more; there is no handle. */
static void
download_take_back(struct download *download)
{
	struct sftp *sftp = download->task.gateway->channels[0].sftp;
	struct download_read *read;

	sftp_forget(sftp, &download->handle);
	while ((read = TAILQ_FIRST(&download->reads)) != NULL) {
		TAILQ_REMOVE(&download->reads, read, entry);
		sftp_forget(sftp, read);
		free(read->data);
		free(read);
	}
	free((void *)(uintptr_t)download->handle.bytes);
	download->handle = (struct sftp_string) { 0 };
	download->n_reads = 0;
	download->next = download->got;
	download->probed = download->ended = false;
}

static void
download_free(struct task *task)
{
	struct download *download = (struct download *)task;
	struct gateway *gateway = task->gateway;
	const struct sftp_request close = {
		.op = SFTP_CLOSE,
		.name = download->handle,
	};

	if (download->open)
		gateway_request_only(gateway, &close);
	download_take_back(download);
	gateway_channel_read_it(gateway, true);
	free(download->digest);
	free(download->path);
	free(download);
}

static void
download_stop(struct task *task, enum task_stop why)
{
	struct gateway *gateway = task->gateway;

	if (why == TASK_DATA_LOST &&
	    ((const struct download *)task)->digest != NULL)
		return;
	gateway_data_reset_it(gateway);
	task_end(gateway);
	gateway_finish(gateway, "426 %s.", task_stop_text(why));
}

/* It cannot go on: code and text are for the client. */
static void
download_fail(struct download *download, unsigned code, const char *text)
{
	struct gateway *gateway = download->task.gateway;
	bool hashes = download->digest != NULL;

	task_end(gateway);
	gateway_finish(gateway, "%u %s.", code, text);
	/* Behind the reply: before it, a reset is a cut transfer. */
	if (!hashes)
		gateway_data_reset_it(gateway);
}

static void
download_refused(struct download *download, enum status_of of,
    const struct sftp_reply *reply)
{
	char text[STATUS_TEXT_MAX];
	unsigned code = status_to_ftp(of, reply, text);

	download_fail(download, code, text);
}

static void
download_say_hash(struct download *download)
{
	struct gateway *gateway = download->task.gateway;
	uint8_t digest[SHA256_DIGEST_SIZE];
	char hex[2 * SHA256_DIGEST_SIZE + 1];
	uint64_t size = download->got;
	char *name = names_quote(gateway, download->path);

	sha256_digest(download->digest, sizeof(digest), digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	task_end(gateway);
	/* draft-bryan-ftpext-hash-02 section 3.2 */
	gateway_finish(gateway, "213 SHA-256 0-%llu %s %s",
	    (unsigned long long)size, hex, name != NULL ? name : "");
	free(name);
}

static void
download_complete(struct download *download)
{
	struct gateway *gateway = download->task.gateway;
	uint8_t last[1];
	struct iovec piece = { last, 0 };

	if (download->size_known && download->got < download->size) {
		download_fail(download, 451,
		    "The file ended before the size that it had at first");
		return;
	}
	if (download->digest != NULL) {
		download_say_hash(download);
		return;
	}
	piece.iov_len =
	    download->convert ? newline_end(&download->newline, last) : 0;
	if (piece.iov_len > 0 &&
	    gateway->handler->data_send(gateway->ctx, &piece, 1) != 0) {
		download_fail(download, 426, "The data connection was lost");
		return;
	}
	gateway_data_end_it(gateway);
	task_end(gateway);
	gateway_finish(gateway, "226 The transfer is complete.");
}

/* ---- what comes ---- */

/* Passes bytes on.  False: the download is over. */
static bool
download_pass(struct download *download, const uint8_t *bytes, size_t len)
{
	struct gateway *gateway = download->task.gateway;
	struct iovec piece = { (void *)(uintptr_t)bytes, len };
	uint8_t *converted = NULL;
	int err;

	if (download->digest != NULL) {
		sha256_update(download->digest, len, bytes);
		return true;
	}
	if (download->convert) {
		converted = malloc(newline_room(len));
		if (converted == NULL) {
			download_fail(download, 451, "Out of memory");
			return false;
		}
		piece.iov_base = converted;
		piece.iov_len =
		    newline_convert(&download->newline, bytes, len, converted);
	}
	err = piece.iov_len == 0 ?
	    0 :
	    gateway->handler->data_send(gateway->ctx, &piece, 1);
	free(converted);
	if (err != 0)
		download_fail(download, 426, "The data connection was lost");
	return err == 0;
}

static void download_on_read(void *ctx, struct sftp_reply *reply);
static void download_request(struct download *download,
    const struct sftp_string *handle);

/* Sends a READ, whose place is in front of another one; NULL: at the end. */
static bool
download_send_read(struct download *download, struct download_read *behind,
    uint64_t offset, uint32_t len)
{
	struct gateway *gateway = download->task.gateway;
	struct download_read *read = calloc(1, sizeof(*read));
	const struct sftp_request request = {
		.op = SFTP_READ,
		.name = download->handle,
		.offset = offset,
		.len = len,
	};

	if (read == NULL || download->n_reads >= LIMIT_SFTP_READ_PARTS ||
	    sftp_send(gateway->channels[0].sftp, &request, NULL, 0,
		download_on_read, read) != 0) {
		free(read);
		download_fail(download, 451, "Out of memory");
		return false;
	}
	gateway->quiet_s = 0;
	read->download = download;
	read->offset = offset;
	read->len = len;
	if (behind != NULL)
		TAILQ_INSERT_BEFORE(behind, read, entry);
	else
		TAILQ_INSERT_TAIL(&download->reads, read, entry);
	download->n_reads++;
	return true;
}

/* A READ came short because the file ended there; behind it another one has
 * found more, so the file has grown in between. */
static void
download_fill_gap(struct download *download, struct download_read *behind)
{
	(void)download_send_read(download, behind, download->got,
	    (uint32_t)(behind->offset - download->got));
}

/* Passes on what has come without a gap. */
static void
download_deliver(struct download *download)
{
	struct download_read *read;
	bool goes_on = true;

	while (goes_on && (read = TAILQ_FIRST(&download->reads)) != NULL &&
	    read->state == READ_DATA && download->begun) {
		if (read->offset > download->got) {
			download_fill_gap(download, read);
			return;
		}
		TAILQ_REMOVE(&download->reads, read, entry);
		download->n_reads--;
		download->got += read->data_len;
		goes_on = download_pass(download, read->data, read->data_len);
		free(read->data);
		free(read);
	}
	if (!goes_on)
		return;
	if (download->begun &&
	    ((read != NULL && read->state == READ_EOF) ||
		(download->size_known && !download->grown && download->ended &&
		    download->got == download->size)))
		download_complete(download);
	else
		download_pump(download);
}

/* Keeps the data of a READ, and requests the rest if some are missing. */
static bool
download_keep(struct download *download, struct download_read *read,
    const struct sftp_string *data)
{
	uint64_t end = read->offset + data->len;

	if (data->len == 0 || data->len > read->len) {
		download_fail(download, 451,
		    "The SFTP server has sent another amount of data than was "
		    "requested");
		return false;
	}
	read->data = malloc(data->len);
	if (read->data == NULL) {
		download_fail(download, 451, "Out of memory");
		return false;
	}
	memcpy(read->data, data->bytes, data->len);
	read->data_len = (uint32_t)data->len;
	read->state = READ_DATA;
	if (download->size_known && end > download->size) {
		/* The file has grown, or its size says nothing, as in
		 * /proc: only EOF shows the end. */
		download->size = end;
		download->grown = true;
		download->probed = download->ended = false;
	}
	if (data->len == read->len)
		return true;
	if (download->size_known && !download->grown && end == download->size) {
		download->ended = true;
		return true;
	}
	return download_send_read(download, TAILQ_NEXT(read, entry), end,
	    read->len - (uint32_t)data->len);
}

/* What was sent early may have come too early. */
static void
download_again(struct download *download)
{
	struct gateway *gateway = download->task.gateway;

	download->early = gateway->handle_stays = false;
	download_take_back(download);
	download_request(download, &gateway->last_handle);
}

static void
download_on_read(void *ctx, struct sftp_reply *reply)
{
	struct download_read *read = ctx;
	struct download *download = read->download;

	if (!download->open) {
		download_take_back(download);
		return;
	}
	if (download->window < download->task.gateway->config->requests)
		download->window++;
	if (reply->type == SFTP_REPLY_DATA) {
		if (!download_keep(download, read, &reply->string))
			return;
	} else if (reply->status == SFTP_EOF) {
		read->state = READ_EOF;
		download->ended = true;
	} else if (download->early) {
		download_again(download);
		return;
	} else {
		download_refused(download, STATUS_OF_READ, reply);
		return;
	}
	download_deliver(download);
}

/* Sends as many READs as may be on their way. */
static void
download_pump(struct download *download)
{
	struct gateway *gateway = download->task.gateway;
	uint32_t len =
	    gateway_block(gateway, sftp_max_read(gateway->channels[0].sftp));
	bool room = download->digest != NULL || gateway_data_has_room(gateway);

	gateway_channel_read_it(gateway, room);
	while (room && download->handle.len > 0 && !download->ended &&
	    download->n_reads < download->window) {
		/* One READ behind the end shows that it is the end. */
		if (download->size_known && download->next >= download->size) {
			if (download->probed)
				break;
			download->probed = true;
		}
		if (!download_send_read(download, NULL, download->next, len))
			break;
		download->next += len;
	}
}

/* ---- the beginning ---- */

static void
download_begin(struct download *download)
{
	struct gateway *gateway = download->task.gateway;
	bool again = download->begun;

	download->begun = true;
	if (again || download->digest != NULL)
		return;
	if (download->size_known)
		gateway_reply(gateway,
		    "150 Opening the data connection in type %c (%llu bytes).",
		    gateway->type,
		    (unsigned long long)(download->size - download->start));
	else
		gateway_reply(gateway,
		    "150 Opening the data connection in type %c.",
		    gateway->type);
}

/* The server may not know FSTAT, or not permit it: then nothing is known of the
 * size. */
static void
download_on_fstat(void *ctx, struct sftp_reply *reply)
{
	struct download *download = (struct download *)(void *)((char *)ctx -
	    offsetof(struct download, handle));
	const struct sftp_attrs *attrs = &reply->attrs;

	if (!download->open) {
		download_take_back(download);
		return;
	}
	if (reply->type == SFTP_REPLY_ATTRS) {
		if ((attrs->has & SFTP_ATTR_MODE) != 0 &&
		    S_ISDIR(attrs->mode)) {
			download_fail(download, 550, "It is a directory");
			return;
		}
		download->size_known = (attrs->has & SFTP_ATTR_SIZE) != 0 &&
		    ((attrs->has & SFTP_ATTR_MODE) == 0 ||
			S_ISREG(attrs->mode));
		download->size = attrs->size;
		/* It takes round trips to find out what the path carries; but
		 * the channel's window bounds what comes. */
		if (download->size_known)
			download->window =
			    download->task.gateway->config->requests;
	}
	if (download->size_known && download->start > download->size) {
		download_fail(download, 551,
		    "The file ends before the position of REST");
		return;
	}
	download_begin(download);
	download_deliver(download);
}

/* Sends the first requests about the file, whose handle is copied. */
static void
download_request(struct download *download, const struct sftp_string *handle)
{
	struct sftp_request request = { .op = SFTP_FSTAT };

	download->handle = sftp_string_copy(handle);
	request.name = download->handle;
	if (download->handle.bytes != NULL &&
	    sftp_send(download->task.gateway->channels[0].sftp, &request, NULL,
		0, download_on_fstat, &download->handle) == 0)
		download_pump(download);
	else
		download_fail(download, 451, "Out of memory");
}

static bool
download_is_same(const struct sftp_string *one, const struct sftp_string *other)
{
	return one->len == other->len && one->len > 0 &&
	    memcmp(one->bytes, other->bytes, one->len) == 0;
}

/* Keeps the handle for the next download. */
static void
download_note_handle(struct gateway *gateway, const struct sftp_string *handle)
{
	gateway->handle_stays = download_is_same(&gateway->last_handle, handle);
	if (gateway->handle_stays)
		return;
	free((void *)(uintptr_t)gateway->last_handle.bytes);
	gateway->last_handle = sftp_string_copy(handle);
	if (gateway->last_handle.bytes == NULL)
		gateway->last_handle.len = 0;
}

static void
download_on_open(void *ctx, struct sftp_reply *reply)
{
	struct download *download = ctx;

	if (reply->type != SFTP_REPLY_HANDLE) {
		download_refused(download, STATUS_OF_FILE, reply);
		return;
	}
	download_note_handle(download->task.gateway, &reply->string);
	download->open = true;
	if (download_is_same(&download->handle, &reply->string))
		return;
	download_take_back(download);
	download_request(download, &reply->string);
}

static void
download_room(struct task *task)
{
	download_pump((struct download *)task);
}

static bool
download_is_lost(const struct task *task)
{
	return sftp_is_lost(task->gateway->channels[0].sftp,
	    &((const struct download *)task)->handle);
}

/* Opens the file; the answer to the command comes later. */
static void
download_start(struct gateway *gateway, const char *argument, size_t len,
    bool hash)
{
	static const struct task_ops ops = {
		.room = download_room,
		.is_lost = download_is_lost,
		.stop = download_stop,
		.free = download_free,
	};
	struct download *download;
	struct sftp_request request = {
		.op = SFTP_OPEN,
		.open = SFTP_OPEN_READ,
	};
	char *path = names_path(gateway, argument, len);

	if (path == NULL)
		return;
	download = calloc(1, sizeof(*download));
	if (download == NULL ||
	    (hash &&
		(download->digest = malloc(sizeof(*download->digest))) ==
		    NULL)) {
		free(path);
		free(download);
		gateway_finish(gateway, "451 Out of memory.");
		return;
	}
	if (hash)
		sha256_init(download->digest);
	TAILQ_INIT(&download->reads);
	download->path = path;
	download->window = gateway->config->requests > 1 ? 2 : 1;
	download->start = hash ? 0 : gateway->restart;
	download->next = download->got = download->start;
	download->convert = !hash && gateway_converts(gateway);
	newline_init(&download->newline, gateway->config->newline,
	    NEWLINE_TO_NETWORK);
	request.name = sftp_string_of(path);
	task_begin(gateway, &download->task, &ops);
	if (!gateway_request(gateway, &request, download_on_open, download))
		task_end(gateway);
	else if (gateway->handle_stays) {
		download->early = true;
		download_request(download, &gateway->last_handle);
	}
}

void
download_retr(struct gateway *gateway, const char *argument, size_t len)
{
	if (gateway_needs_data(gateway) && gateway_may_restart(gateway))
		download_start(gateway, argument, len, false);
}

void
download_hash(struct gateway *gateway, const char *argument, size_t len)
{
	download_start(gateway, argument, len, true);
}
