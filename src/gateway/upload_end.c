/*
 * An upload: its end, good or bad.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/upload.h"

/* ---- memory ---- */

void
upload_free(struct task *task)
{
	struct upload *upload = (struct upload *)task;
	struct gateway *gateway = task->gateway;
	struct upload_write *write;

	rename_forget(upload->rename);
	while ((write = TAILQ_FIRST(&upload->writes)) != NULL) {
		TAILQ_REMOVE(&upload->writes, write, entry);
		sftp_forget(gateway
				->channels[upload->lanes[write->lane].channel]
				.sftp,
		    write);
		free(write);
	}
	for (unsigned i = 0; i < GATEWAY_CHANNELS; i++) {
		struct upload_lane *lane = &upload->lanes[i];

		if (gateway->channels[lane->channel].sftp != NULL)
			sftp_forget(gateway->channels[lane->channel].sftp,
			    lane);
		free((void *)(uintptr_t)lane->handle.bytes);
		if (i > 0 && lane->state != LANE_NONE)
			gateway_channel_drop(gateway, i);
	}
	gateway->handler->release(gateway->ctx);
	buf_free(&upload->waiting);
	free(upload->target);
	free(upload->temporary);
	free(upload);
}

/* ---- a bad end ---- */

/* Closes the file on each channel where it is open. */
static void
upload_close_lanes(struct upload *upload)
{
	for (unsigned i = 0; i < GATEWAY_CHANNELS; i++) {
		struct upload_lane *lane = &upload->lanes[i];
		const struct sftp_request close = {
			.op = SFTP_CLOSE,
			.name = lane->handle,
		};

		if (lane->state != LANE_OPEN)
			continue;
		lane->state = LANE_CLOSED;
		(void)sftp_send(upload->task.gateway->channels[lane->channel]
				    .sftp,
		    &close, NULL, 0, NULL, NULL);
	}
}

/* The end of the part without gaps. */
static uint64_t
upload_contiguous(const struct upload *upload)
{
	const struct upload_write *write = TAILQ_FIRST(&upload->writes);

	return write != NULL ? write->offset : upload->end;
}

/* Removes the WRITEs behind a gap, if there is one. */
static void
upload_cut_back(struct upload *upload)
{
	const struct upload_lane *lane = &upload->lanes[0];
	bool open = lane->state == LANE_OPEN;
	const struct sftp_request cut = {
		.op = open ? SFTP_FSETSTAT : SFTP_SETSTAT,
		.name = open ? lane->handle : sftp_string_of(upload->target),
		.attrs = {
			.has = SFTP_ATTR_SIZE,
			.size = upload_contiguous(upload),
		},
	};

	if (!TAILQ_EMPTY(&upload->writes))
		gateway_request_only(upload->task.gateway, &cut);
}

static void
upload_undo(struct upload *upload)
{
	struct gateway *gateway = upload->task.gateway;
	bool in_place = upload->temporary == NULL && !upload->created;

	if (in_place)
		upload_cut_back(upload);
	upload_close_lanes(upload);
	if (!in_place)
		gateway_remove(gateway,
		    upload->created ? upload->target : upload->temporary);
}

void
upload_fail(struct upload *upload, unsigned code, const char *text)
{
	struct gateway *gateway = upload->task.gateway;

	upload_undo(upload);
	task_end(gateway);
	gateway_finish(gateway, "%u %s.", code, text);
	/* Behind the reply: before it, a reset is a cut transfer. */
	gateway_data_reset_it(gateway);
}

void
upload_refused(struct upload *upload, enum status_of of,
    const struct sftp_reply *reply)
{
	char text[STATUS_TEXT_MAX];
	unsigned code = status_to_ftp(of, reply, text);

	upload_fail(upload, code, text);
}

bool
upload_is_ending(const struct task *task)
{
	return ((const struct upload *)task)->state == UPLOAD_RENAMING;
}

void
upload_stop(struct task *task, enum task_stop why)
{
	struct upload *upload = (struct upload *)task;
	struct gateway *gateway = task->gateway;

	if (upload_is_ending(task)) {
		if (why == TASK_DATA_LOST)
			return;
		/* What the rename makes is the whole file. */
		rename_leave(upload->rename);
		upload->rename = NULL;
		gateway_data_reset_it(gateway);
		task_end(gateway);
		gateway_finish(gateway, "426 %s.", task_stop_text(why));
		return;
	}
	upload_fail(upload, 426, task_stop_text(why));
}

/* ---- a good end ---- */

static void
upload_complete(struct upload *upload)
{
	struct gateway *gateway = upload->task.gateway;

	gateway->stored_ms = gateway_now(gateway);
	gateway_data_end_it(gateway);
	task_end(gateway);
	gateway_finish(gateway, "226 The file was stored.");
}

static void
upload_on_renamed(void *ctx, struct sftp_reply *reply)
{
	struct upload *upload = ctx;
	/* The next upload of the session opens its file behind the link. */
	bool late = upload->is_link && !upload->opens_behind;
	char text[STATUS_TEXT_MAX], whole[STATUS_TEXT_MAX + 100];
	unsigned code;

	upload->rename = NULL;
	if (gateway_ok(reply)) {
		upload_complete(upload);
		return;
	}
	code = status_to_ftp(STATUS_OF_STORE, reply, text);
	if (gateway_is_lost(reply)) {
		upload_fail(upload, code, text);
		return;
	}
	snprintf(whole, sizeof(whole),
	    "%s, when the temporary file was renamed (%s)", text,
	    late ? "the link may lead to another file system; try again" :
		   "see culvert --upload");
	upload_fail(upload, late ? 450 : code, whole);
}

/* Servers may refuse to set it. */
static void
upload_set_mode(struct upload *upload)
{
	int mode = upload_mode(upload);
	const struct sftp_request request = {
		.op = SFTP_SETSTAT,
		.name = sftp_string_of(upload->temporary != NULL ?
			upload->temporary :
			upload->target),
		.attrs = { .has = SFTP_ATTR_MODE, .mode = (uint32_t)mode },
	};

	if (mode >= 0)
		gateway_request_only(upload->task.gateway, &request);
}

/* Everything was written and closed. */
static void
upload_commit(struct upload *upload)
{
	struct gateway *gateway = upload->task.gateway;

	upload_set_mode(upload);
	if (upload->temporary == NULL) {
		upload_complete(upload);
		return;
	}
	upload->state = UPLOAD_RENAMING;
	upload->rename = rename_start(gateway, upload->temporary,
	    upload->target, upload_on_renamed, upload);
	if (upload->rename == NULL)
		upload_fail(upload, 451, "Out of memory");
	else
		spare_open(gateway, upload->target);
}

static void
upload_on_needed(void *ctx, struct sftp_reply *reply)
{
	struct upload_lane *lane = ctx;
	struct upload *upload = lane->upload;

	upload->n_awaited--;
	if (!gateway_ok(reply)) {
		upload_refused(upload, STATUS_OF_WRITE, reply);
		return;
	}
	if (lane->number > 0)
		gateway_channel_drop(upload->task.gateway, lane->number);
	if (upload->state == UPLOAD_WRITING)
		upload_finish(upload);
}

/* Sends a request whose success is needed. */
static bool
upload_need(struct upload_lane *lane, enum sftp_op op)
{
	struct upload *upload = lane->upload;
	const struct sftp_request request = { .op = op, .name = lane->handle };

	if (sftp_send(upload->task.gateway->channels[lane->channel].sftp,
		&request, NULL, 0, upload_on_needed, lane) != 0) {
		upload_fail(upload, 451, "Out of memory");
		return false;
	}
	upload->n_awaited++;
	return true;
}

bool
upload_close(struct upload_lane *lane)
{
	lane->state = LANE_CLOSED;
	return upload_need(lane, SFTP_CLOSE);
}

/* Sends what ends the file, behind the WRITEs.  False: the upload is over. */
static bool
upload_send_end(struct upload *upload)
{
	struct gateway *gateway = upload->task.gateway;

	upload->closing = true;
	if (gateway->config->fsync &&
	    sftp_can(gateway->channels[0].sftp, SFTP_FSYNC) &&
	    !upload_need(&upload->lanes[0], SFTP_FSYNC))
		return false;
	for (unsigned i = 0; i < GATEWAY_CHANNELS; i++)
		if (upload->lanes[i].state == LANE_OPEN &&
		    !upload_close(&upload->lanes[i]))
			return false;
	return true;
}

/* With one channel, and a server that answers in order, the end of the file is
 * sent at once; else it waits for the replies to all WRITEs.  (If a server
 * closed the file too early, a WRITE would fail, and so would the upload.)  The
 * mode of a file behind a link must be known before CLOSE. */
void
upload_finish(struct upload *upload)
{
	struct gateway *gateway = upload->task.gateway;
	bool spread = false;

	if (upload->follows && upload->n_lookups > 0)
		return;
	for (unsigned i = 1; i < GATEWAY_CHANNELS; i++)
		spread |= upload->lanes[i].state == LANE_OPEN;
	spread |= gateway->config->no_concurrent_writes;
	if (!upload->closing && buf_len(&upload->waiting) == 0 &&
	    (TAILQ_EMPTY(&upload->writes) ||
		(!spread && sftp_is_ordered(gateway->channels[0].sftp))) &&
	    !upload_send_end(upload))
		return;
	if (gateway->data_eof && upload->closing &&
	    TAILQ_EMPTY(&upload->writes) && upload->n_awaited == 0 &&
	    upload->n_lookups == 0)
		upload_commit(upload);
}
