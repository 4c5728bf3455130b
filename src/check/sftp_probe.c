/*
 * A connection of culvert check to the SFTP server.
 */
#include "check/sftp_probe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- the connection ---- */

static int
sftp_probe_on_send(void *ctx, const struct iovec *pieces, size_t n)
{
	struct sftp_probe *probe = ctx;
	struct stream *stream = probe->peer.stream;

	return stream == NULL ? -EPIPE : stream_writev(stream, pieces, n);
}

static void
sftp_probe_on_ready(void *ctx)
{
	struct sftp_probe *probe = ctx;

	probe->ready = true;
}

static void
sftp_probe_on_data(void *ctx, const struct iovec *pieces, size_t n)
{
	struct sftp_probe *probe = ctx;
	const char *why = "";

	for (size_t i = 0; i < n && probe->peer.stream != NULL; i++)
		if (sftp_bytes(probe->sftp, pieces[i].iov_base,
			pieces[i].iov_len, &why) != 0)
			peer_fail(&probe->peer, -EPROTO, why);
}

/* Waits for something to happen.  False: nothing will, or the time is over. */
static bool
sftp_probe_more(struct sftp_probe *probe)
{
	if (probe->peer.stream != NULL && !probe->peer.ended)
		return wait_more(probe->wait);
	/* Each request that waits gets its reply now. */
	sftp_fail(probe->sftp, "the SFTP server has ended");
	return false;
}

bool
sftp_probe_open(struct sftp_probe *probe, struct link *link)
{
	static const struct sftp_handler handler = {
		.send = sftp_probe_on_send,
		.ready = sftp_probe_on_ready,
	};
	struct peer *peer = &probe->peer;
	struct wait *wait = probe->wait;

	peer->data = sftp_probe_on_data;
	peer->ctx = probe;
	probe->sftp = sftp_new(&handler, probe);
	if (probe->sftp == NULL) {
		attempt_fail(&peer->attempt, -ENOMEM, strerror(ENOMEM));
		return false;
	}
	peer_sftp(peer, link);
	attempt_wait(&peer->attempt, wait, wait->times.sshd);
	if (!peer->opened || sftp_start(probe->sftp) != 0)
		return false;
	wait_begin(wait, wait->times.greeting);
	while (!probe->ready && sftp_probe_more(probe))
		;
	return probe->ready;
}

void
sftp_probe_close(struct sftp_probe *probe)
{
	peer_close(&probe->peer);
	sftp_free(probe->sftp);
}

/* ---- one request ---- */

/* Stores the status of a reply.  False if it is a failure. */
static bool
sftp_probe_keep(struct sftp_probe *probe, const struct sftp_reply *reply)
{
	char text[STATUS_TEXT_MAX];

	probe->status =
	    reply->type == SFTP_REPLY_STATUS ? reply->status : SFTP_OK;
	if (probe->status == SFTP_OK)
		return true;
	(void)status_to_ftp(probe->of, reply, text);
	fact_text(probe->why, "%s", text);
	return false;
}

static void
sftp_probe_on_reply(void *ctx, struct sftp_reply *reply)
{
	struct sftp_probe *probe = ctx;
	const struct sftp_string *handle = &reply->string;
	struct sftp_name name;

	probe->answered = true;
	(void)sftp_probe_keep(probe, reply);
	probe->attrs = reply->attrs;
	if (reply->type == SFTP_REPLY_EXTENDED)
		(void)sftp_get_space(reply, &probe->space);
	if (reply->type == SFTP_REPLY_NAME && sftp_next_name(reply, &name) == 1)
		snprintf(probe->text, sizeof(probe->text), "%.*s",
		    (int)name.name.len, (const char *)name.name.bytes);
	if (reply->type == SFTP_REPLY_HANDLE &&
	    handle->len <= sizeof(probe->handle)) {
		memcpy(probe->handle, handle->bytes, handle->len);
		probe->handle_len = handle->len;
	}
}

/* The server has not answered in time. */
static bool
sftp_probe_give_up(struct sftp_probe *probe)
{
	probe->silent = true;
	probe->status = SFTP_NO_CONNECTION;
	fact_text(probe->why, "the SFTP server does not answer");
	return false;
}

bool
sftp_probe_send(struct sftp_probe *probe, enum status_of of,
    const struct sftp_request *request)
{
	struct wait *wait = probe->wait;
	int err;

	if (probe->silent || wait->over)
		return false;
	probe->of = of;
	probe->answered = false;
	err = sftp_send(probe->sftp, request, NULL, 0, sftp_probe_on_reply,
	    probe);
	if (err != 0) {
		probe->status = SFTP_FAILURE;
		fact_text(probe->why, "%s", strerror(-err));
		return false;
	}
	wait_begin(wait, wait->times.reply);
	while (!probe->answered && sftp_probe_more(probe))
		;
	if (probe->answered)
		return probe->status == SFTP_OK;
	sftp_forget(probe->sftp, probe);
	return sftp_probe_give_up(probe);
}

bool
sftp_probe_path(struct sftp_probe *probe, enum sftp_op op, const char *path)
{
	const struct sftp_request request = {
		.op = op,
		.name = sftp_string_of(path),
	};

	return sftp_probe_send(probe, STATUS_OF_FILE, &request);
}

bool
sftp_probe_handle(struct sftp_probe *probe, enum sftp_op op)
{
	const struct sftp_request request = {
		.op = op,
		.name = { probe->handle, probe->handle_len },
	};

	if (op == SFTP_CLOSE)
		probe->handle_len = 0;
	return sftp_probe_send(probe, STATUS_OF_WRITE, &request);
}

void
sftp_probe_settle(struct sftp_probe *probe)
{
	struct wait *wait = probe->wait;
	bool over = wait->over;

	wait->over = false;
	wait_begin(wait, wait->times.settle);
	while (sftp_pending(probe->sftp) > 0 && sftp_probe_more(probe))
		;
	wait->over |= over;
}

/* ---- a test file ---- */

static void sftp_probe_on_block(void *ctx, struct sftp_reply *reply);

static void
sftp_copy_send(struct sftp_block *block)
{
	struct sftp_copy *copy = block->copy;
	struct sftp_probe *probe = copy->probe;
	const struct sftp_request request = {
		.op = copy->write ? SFTP_WRITE : SFTP_READ,
		.name = { probe->handle, probe->handle_len },
		.offset = block->offset,
		.len = block->len,
	};
	const struct iovec data = { copy->data, block->len };
	int err = sftp_send(probe->sftp, &request, &data, copy->write,
	    sftp_probe_on_block, block);

	if (err == 0)
		return;
	fact_text(probe->why, "%s", strerror(-err));
	copy->failed = true;
	copy->running--;
	block->copy = NULL;
}

/* Begins blocks, as many as may run. */
static void
sftp_copy_fill(struct sftp_copy *copy)
{
	for (size_t i = 0; i < SFTP_PROBE_BLOCKS; i++) {
		struct sftp_block *block = &copy->blocks[i];
		uint64_t rest = copy->size - copy->next;

		if (copy->failed || rest == 0 || copy->running == copy->most)
			return;
		if (block->copy != NULL)
			continue;
		*block = (struct sftp_block) {
			.copy = copy,
			.offset = copy->next,
			.len = rest < copy->block_len ? (uint32_t)rest :
							copy->block_len,
		};
		copy->next += block->len;
		copy->running++;
		sftp_copy_send(block);
	}
}

/* Compares the data of a READ with what was written.  True: some are missing,
 * and were requested. */
static bool
sftp_copy_compare(struct sftp_block *block, const struct sftp_string *data)
{
	struct sftp_copy *copy = block->copy;
	const uint8_t *written = copy->data + block->offset % copy->block_len;

	copy->differs = data->len == 0 || data->len > block->len ||
	    memcmp(data->bytes, written, data->len) != 0;
	copy->failed = copy->differs;
	if (copy->failed || data->len == block->len)
		return false;
	copy->done += data->len;
	block->offset += data->len;
	block->len -= (uint32_t)data->len;
	sftp_copy_send(block);
	return true;
}

static void
sftp_probe_on_block(void *ctx, struct sftp_reply *reply)
{
	struct sftp_block *block = ctx;
	struct sftp_copy *copy = block->copy;

	if (!copy->failed && !sftp_probe_keep(copy->probe, reply)) {
		copy->failed = true;
		copy->differs = reply->status == SFTP_EOF;
	}
	if (!copy->failed && !copy->write &&
	    sftp_copy_compare(block, &reply->string))
		return;
	copy->done += block->len;
	block->copy = NULL;
	copy->running--;
	/* Few at first: on a slow connection, those that wait take long. */
	if (copy->most < SFTP_PROBE_BLOCKS)
		copy->most++;
	sftp_copy_fill(copy);
}

bool
sftp_probe_copy(struct sftp_probe *probe, struct sftp_copy *copy)
{
	struct wait *wait = probe->wait;
	uint64_t began = uv_hrtime();

	copy->probe = probe;
	copy->most = 4;
	/* Bytes that do not compress, and of all values. */
	for (uint32_t i = 0, x = 1; i < SFTP_BLOCK; i++) {
		x = x * 1664525 + 1013904223;
		copy->data[i] = (uint8_t)(x >> 24);
	}
	probe->of = copy->write ? STATUS_OF_WRITE : STATUS_OF_READ;
	sftp_copy_fill(copy);
	wait_begin(wait, copy->ms);
	while (copy->running > 0 && sftp_probe_more(probe))
		;
	copy->size = copy->next;
	wait_begin(wait, wait->times.reply);
	while (copy->running > 0 && sftp_probe_more(probe))
		;
	copy->ns = uv_hrtime() - began;
	if (copy->running == 0)
		return !copy->failed;
	for (size_t i = 0; i < SFTP_PROBE_BLOCKS; i++)
		sftp_forget(probe->sftp, &copy->blocks[i]);
	return sftp_probe_give_up(probe);
}
