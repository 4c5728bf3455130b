/*
 * An upload: WRITEs, and the channels that they are spread over.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/upload.h"

/* ---- lanes ---- */

bool
upload_keep_handle(struct upload_lane *lane, const struct sftp_string *handle)
{
	lane->handle = sftp_string_copy(handle);
	if (lane->handle.bytes != NULL)
		lane->state = LANE_OPEN;
	return lane->handle.bytes != NULL;
}

static struct sftp *
upload_sftp(const struct upload_lane *lane)
{
	return lane->upload->task.gateway->channels[lane->channel].sftp;
}

/* Does the lane take more? */
static bool
upload_has_room(const struct upload_lane *lane)
{
	struct gateway *gateway = lane->upload->task.gateway;

	return lane->state == LANE_OPEN && !gateway_is_waiting(gateway) &&
	    (lane->number == 0 || !lane->upload->yields) &&
	    gateway->handler->channel_queued(gateway->ctx, lane->number) <=
	    LIMIT_HIGH_WATER &&
	    sftp_pending(upload_sftp(lane)) < LIMIT_SFTP_WRITES &&
	    buf_len(&lane->upload->waiting) <= LIMIT_HIGH_WATER;
}

/* The open lane with the fewest bytes in flight; one that takes more, if there
 * is one. */
static struct upload_lane *
upload_choose(struct upload *upload)
{
	struct upload_lane *best = &upload->lanes[0];
	bool best_room = upload_has_room(best);

	for (unsigned i = 1; i < upload->max_lanes; i++) {
		struct upload_lane *lane = &upload->lanes[i];
		bool room = upload_has_room(lane);

		if (lane->state == LANE_OPEN && !upload->yields &&
		    lane->channel == lane->number && room >= best_room &&
		    (room > best_room || lane->in_flight < best->in_flight)) {
			best = lane;
			best_room = room;
		}
	}
	return best;
}

void
upload_note_reply(struct upload *upload, int64_t sent_ms)
{
	int64_t ms = gateway_now(upload->task.gateway) - sent_ms;

	if (ms < upload->fastest_ms)
		upload->fastest_ms = ms;
}

/* How long replies take at least: the fastest, or, before there is one,
 * that to the first WRITE so far. */
static int64_t
upload_reply_ms(const struct upload *upload)
{
	const struct upload_write *first = TAILQ_FIRST(&upload->writes);

	if (upload->fastest_ms != INT64_MAX || first == NULL)
		return upload->fastest_ms;
	return gateway_now(upload->task.gateway) - first->sent_ms;
}

/* The window is full, and its replies take a while: further channels have more
 * windows.  They are opened together, since each takes several round trips. */
static void
upload_add_lanes(struct upload *upload)
{
	struct gateway *gateway = upload->task.gateway;

	if (upload->spread || upload->yields ||
	    upload->lanes[0].in_flight < LIMIT_SFTP_CHANNEL_FULL ||
	    upload_reply_ms(upload) < LIMIT_SFTP_SPREAD_MS)
		return;
	upload->spread = true;
	for (unsigned i = 1; i < upload->max_lanes; i++) {
		upload->lanes[i].state = LANE_CHANNEL;
		upload->lanes[i].channel = i;
		gateway_channel_add(gateway, i);
	}
}

static void
upload_on_lane(void *ctx, struct sftp_reply *reply)
{
	struct upload_lane *lane = ctx;
	struct upload *upload = lane->upload;
	bool late = upload->closing;

	/* A server may permit a file to be opened once only.  If the upload is
	 * ending, nothing was written by it. */
	if (reply->type != SFTP_REPLY_HANDLE ||
	    !upload_keep_handle(lane, &reply->string) || late) {
		lane->state = LANE_CLOSED;
		gateway_channel_drop(upload->task.gateway, lane->number);
	} else {
		upload_flow(upload);
	}
}

void
upload_channel_ready(struct task *task, unsigned channel)
{
	struct upload *upload = (struct upload *)task;
	struct upload_lane *lane = &upload->lanes[channel];
	const struct sftp_request open = {
		.op = SFTP_OPEN,
		.name = sftp_string_of(upload->temporary),
		.open = SFTP_OPEN_WRITE,
	};

	lane->state = LANE_FILE;
	if (upload->state != UPLOAD_RECEIVING ||
	    sftp_send(upload_sftp(lane), &open, NULL, 0, upload_on_lane,
		lane) != 0) {
		lane->state = LANE_CLOSED;
		gateway_channel_drop(task->gateway, channel);
	}
}

/* A channel that was refused is no loss; one with WRITEs on the way is. */
void
upload_channel_lost(struct task *task, unsigned channel)
{
	struct upload *upload = (struct upload *)task;
	struct upload_lane *lane = &upload->lanes[channel];
	bool used = lane->state == LANE_OPEN;

	lane->state = LANE_CLOSED;
	if (used && upload->state != UPLOAD_RENAMING)
		upload_fail(upload, 426, "A channel of the upload was lost");
}

/* What was open on further channels is so on channel 0, and is closed there
 * when its WRITEs have been answered. */
void
upload_channels_moved(struct task *task)
{
	struct upload *upload = (struct upload *)task;

	upload->yields |= upload->spread;
	for (unsigned i = 1; i < upload->max_lanes; i++) {
		upload->lanes[i].channel = 0;
		if (upload->lanes[i].state == LANE_CHANNEL)
			upload->lanes[i].state = LANE_CLOSED;
	}
	gateway_data_read_it(task->gateway, false);
}

bool
upload_is_lost(const struct task *task)
{
	const struct upload *upload = (const struct upload *)task;
	bool lost = false;

	for (unsigned i = 0; i < upload->max_lanes; i++)
		lost |= upload->lanes[i].state == LANE_OPEN &&
		    sftp_is_lost(upload_sftp(&upload->lanes[i]),
			&upload->lanes[i].handle);
	return lost;
}

/* Closes a lane without WRITEs on the way.  False: the upload is over. */
static bool
upload_give_up_lane(struct upload_lane *lane)
{
	struct gateway *gateway = lane->upload->task.gateway;

	if (lane->number == 0 || lane->in_flight > 0 ||
	    lane->state == LANE_NONE || lane->state == LANE_CLOSED)
		return true;
	if (lane->state == LANE_OPEN)
		return upload_close(lane);
	lane->state = LANE_CLOSED;
	gateway_channel_drop(gateway, lane->number);
	return true;
}

void
upload_yield(struct task *task)
{
	struct upload *upload = (struct upload *)task;

	upload->yields = true;
	for (unsigned i = 1; i < upload->max_lanes; i++)
		if (!upload_give_up_lane(&upload->lanes[i]))
			return;
}

/* ---- WRITEs ---- */

static bool upload_send_next(struct upload *upload);

static void
upload_on_write(void *ctx, struct sftp_reply *reply)
{
	struct upload_write *write = ctx;
	struct upload *upload = write->upload;
	struct upload_lane *lane = &upload->lanes[write->lane];

	if (!gateway_ok(reply)) {
		upload_refused(upload, STATUS_OF_WRITE, reply);
		return;
	}
	upload_note_reply(upload, write->sent_ms);
	if (write->lane > 0)
		sftp_expect(upload_sftp(&upload->lanes[0]),
		    &upload->lanes[0].handle, write->offset + write->len);
	lane->in_flight -= write->len;
	TAILQ_REMOVE(&upload->writes, write, entry);
	free(write);
	if (!upload_send_next(upload) ||
	    (upload->yields && !upload_give_up_lane(lane)))
		return;
	if (upload->state == UPLOAD_WRITING)
		upload_finish(upload);
	else
		upload_flow(upload);
}

/* Sends one WRITE.  False: the upload is over. */
static bool
upload_write(struct upload *upload, struct upload_lane *lane,
    const struct iovec *pieces, size_t n)
{
	struct upload_write *write = calloc(1, sizeof(*write));
	const struct sftp_request request = {
		.op = SFTP_WRITE,
		.name = lane->handle,
		.offset = upload->end,
		.len = (uint32_t)stream_len(pieces, n),
	};
	int err = -ENOMEM;

	if (write != NULL)
		err = sftp_send(upload_sftp(lane), &request, pieces, n,
		    upload_on_write, write);
	if (err != 0) {
		free(write);
		upload_fail(upload, 451, strerror(-err));
		return false;
	}
	write->upload = upload;
	write->lane = lane->number;
	write->offset = upload->end;
	write->len = request.len;
	write->sent_ms = gateway_now(upload->task.gateway);
	TAILQ_INSERT_TAIL(&upload->writes, write, entry);
	lane->in_flight += request.len;
	upload->end += request.len;
	upload->task.gateway->quiet_s = 0;
	return true;
}

/* --no-concurrent-writes: sends the next WRITE when the last one was answered.
 * False: the upload is over. */
static bool
upload_send_next(struct upload *upload)
{
	struct upload_lane *lane = &upload->lanes[0];
	size_t len = gateway_block(upload->task.gateway,
	    sftp_max_write(upload_sftp(lane)));
	struct iovec piece = {
		(void *)(uintptr_t)buf_bytes(&upload->waiting),
		buf_len(&upload->waiting),
	};

	if (piece.iov_len > len)
		piece.iov_len = len;
	if (piece.iov_len == 0 || !TAILQ_EMPTY(&upload->writes))
		return true;
	if (!upload_write(upload, lane, &piece, 1))
		return false;
	buf_consume(&upload->waiting, piece.iov_len);
	return true;
}

static bool
upload_send_later(struct upload *upload, const struct iovec *pieces, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (buf_append(&upload->waiting, pieces[i].iov_base,
			pieces[i].iov_len) != 0) {
			upload_fail(upload, 451, "Out of memory");
			return false;
		}
	return upload_send_next(upload);
}

/* Sends the bytes in WRITEs as large as the server takes.  False: the upload is
 * over. */
static bool
upload_send(struct upload *upload, struct iovec *pieces, size_t n)
{
	struct iovec part[SFTP_PIECES];
	struct upload_lane *lane;
	size_t taken;

	if (upload->task.gateway->config->no_concurrent_writes)
		return upload_send_later(upload, pieces, n);
	for (;;) {
		lane = upload_choose(upload);
		taken = stream_take(pieces, n,
		    gateway_block(upload->task.gateway,
			sftp_max_write(upload_sftp(lane))),
		    part, SFTP_PIECES);
		if (taken == 0)
			return true;
		if (!upload_write(upload, lane, part, taken))
			return false;
	}
}

static bool
upload_convert(struct upload *upload, const struct iovec *piece)
{
	uint8_t *converted = malloc(newline_room(piece->iov_len));
	struct iovec out = { converted, 0 };
	bool goes_on;

	if (converted == NULL) {
		upload_fail(upload, 451, "Out of memory");
		return false;
	}
	out.iov_len = newline_convert(&upload->newline, piece->iov_base,
	    piece->iov_len, converted);
	goes_on = upload_send(upload, &out, 1);
	free(converted);
	return goes_on;
}

void
upload_data(struct task *task, const struct iovec *pieces, size_t n)
{
	struct upload *upload = (struct upload *)task;
	struct iovec copy[STREAM_PIECES];
	bool goes_on = true;

	if (upload->state != UPLOAD_RECEIVING)
		return;
	if (upload->convert) {
		for (size_t i = 0; i < n && goes_on; i++)
			goes_on = upload_convert(upload, &pieces[i]);
	} else {
		memcpy(copy, pieces, n * sizeof(*copy));
		goes_on = upload_send(upload, copy, n);
	}
	if (goes_on)
		upload_flow(upload);
}

void
upload_ending(struct task *task)
{
	struct upload *upload = (struct upload *)task;
	uint8_t last[1];
	struct iovec piece = { last, 0 };

	/* While the file is being opened, upload_go() looks at it later. */
	if (upload->state != UPLOAD_RECEIVING)
		return;
	if (upload->convert)
		piece.iov_len = newline_end(&upload->newline, last);
	if (piece.iov_len > 0 && !upload_send(upload, &piece, 1))
		return;
	upload->state = UPLOAD_WRITING;
	upload_finish(upload);
}

void
upload_eof(struct task *task)
{
	struct upload *upload = (struct upload *)task;

	if (upload->state == UPLOAD_WRITING)
		upload_finish(upload);
	else
		upload_ending(task);
}

/* ---- flow ---- */

void
upload_flow(struct upload *upload)
{
	bool room;

	if (upload->state != UPLOAD_RECEIVING)
		return;
	room = upload_has_room(upload_choose(upload));
	gateway_data_read_it(upload->task.gateway, room);
	upload_add_lanes(upload);
}

void
upload_room(struct task *task)
{
	upload_flow((struct upload *)task);
}
