/*
 * An upload: STOR, APPE and STOU, until the file is open.
 */
#include "gateway/upload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define UPLOAD_OPEN_NEW \
	(SFTP_OPEN_WRITE | SFTP_OPEN_CREATE | SFTP_OPEN_EXCLUSIVE)

/* ---- the file is open ---- */

void
upload_go(struct upload *upload)
{
	struct gateway *gateway = upload->task.gateway;
	const char *slash = strrchr(upload->target, '/');

	upload->state = UPLOAD_RECEIVING;
	/* RFC 1123 section 4.1.2.9 */
	if (upload->created)
		gateway_reply(gateway, "150 FILE: %s",
		    slash != NULL ? slash + 1 : upload->target);
	else
		gateway_reply(gateway,
		    "150 Opening the data connection in type %c.",
		    gateway->type);
	upload_flow(upload);
	if (gateway->data_ending)
		upload_ending(&upload->task);
}

static void
upload_on_cut(void *ctx, struct sftp_reply *reply)
{
	struct upload *upload = ctx;

	if (gateway_ok(reply))
		upload_go(upload);
	else
		upload_refused(upload, STATUS_OF_WRITE, reply);
}

/* Removes what follows the position of REST: whenever this upload is cut, even
 * together with the link, nothing old follows what it has written. */
static void
upload_cut(struct upload *upload)
{
	const struct sftp_request cut = {
		.op = SFTP_FSETSTAT,
		.name = upload->lanes[0].handle,
		.attrs = { .has = SFTP_ATTR_SIZE, .size = upload->start },
	};

	if (sftp_send(upload->task.gateway->channels[0].sftp, &cut, NULL, 0,
		upload_on_cut, upload) != 0)
		upload_fail(upload, 451, "Out of memory");
}

/* The offset must be known, and within the file: otherwise there would be a
 * gap. */
static void
upload_place(struct upload *upload)
{
	if (upload->kind == UPLOAD_APPEND && upload->old == OLD_FILE)
		upload->start = upload->old_size;
	if (upload->kind == UPLOAD_RESTART &&
	    (upload->old != OLD_FILE || upload->start > upload->old_size)) {
		upload_fail(upload, 551,
		    "The file ends before the position of REST");
		return;
	}
	upload->end = upload->start;
	upload_hide(upload);
	if (upload->kind == UPLOAD_RESTART && upload->old_size > upload->start)
		upload_cut(upload);
	else
		upload_go(upload);
}

static void
upload_on_fstat(void *ctx, struct sftp_reply *reply)
{
	struct upload *upload = ctx;

	upload_note_old(upload, reply);
	if (upload->old == OLD_UNKNOWN)
		upload_fail(upload, 551, "The size of the file is not known");
	else
		upload_place(upload);
}

/* Nothing was created: there is nothing to remove. */
static void
upload_make_nothing(struct upload *upload)
{
	free(upload->temporary);
	upload->temporary = NULL;
	upload->created = false;
}

static void
upload_not_sent(struct upload *upload, int err)
{
	upload_make_nothing(upload);
	if (err == -EINVAL)
		upload_fail(upload, 553, "The name is too long");
	else
		upload_fail(upload, 451, strerror(-err));
}

static void upload_on_open(void *ctx, struct sftp_reply *reply);

/* Opens the file on the session's channel. */
static int
upload_open(struct upload *upload, uint32_t flags)
{
	const char *name =
	    upload->temporary != NULL ? upload->temporary : upload->target;
	const struct sftp_request open = {
		.op = SFTP_OPEN,
		.name = sftp_string_of(name),
		.open = flags,
	};

	upload->lanes[0].state = LANE_FILE;
	return sftp_send(upload->task.gateway->channels[0].sftp, &open, NULL, 0,
	    upload_on_open, &upload->lanes[0]);
}

/* A file cannot be renamed to another file system. */
void
upload_go_behind(struct upload *upload)
{
	struct gateway *gateway = upload->task.gateway;
	struct upload_lane *lane = &upload->lanes[0];
	const struct sftp_request close = {
		.op = SFTP_CLOSE,
		.name = lane->handle,
	};
	int err = -ENOMEM;

	if (lane->state != LANE_OPEN || upload->n_lookups > 0)
		return;
	if (names_are_beside(upload->temporary, upload->target)) {
		upload_place(upload);
		return;
	}
	gateway_request_only(gateway, &close);
	gateway_remove(gateway, upload->temporary);
	free((void *)(uintptr_t)lane->handle.bytes);
	lane->handle.bytes = NULL;
	lane->state = LANE_NONE;
	free(upload->temporary);
	upload->temporary = rename_temporary(gateway, upload->target);
	if (upload->temporary != NULL)
		err = upload_open(upload, UPLOAD_OPEN_NEW);
	if (err != 0)
		upload_not_sent(upload, err);
}

static void
upload_on_open(void *ctx, struct sftp_reply *reply)
{
	struct upload_lane *lane = ctx;
	struct upload *upload = lane->upload;
	struct gateway *gateway = upload->task.gateway;
	struct sftp_request request = { .op = SFTP_FSTAT };

	if (reply->type != SFTP_REPLY_HANDLE) {
		/* Without a reply, nobody knows what was created. */
		if (!gateway_is_lost(reply))
			upload_make_nothing(upload);
		upload_refused(upload, STATUS_OF_STORE, reply);
		return;
	}
	if (!upload_keep_handle(lane, &reply->string)) {
		upload_fail(upload, 451, "Out of memory");
		return;
	}
	if (upload->opens_behind) {
		upload_go_behind(upload);
		return;
	}
	if (upload->kind == UPLOAD_WHOLE || upload->old != OLD_UNKNOWN) {
		upload_place(upload);
		return;
	}
	request.name = lane->handle;
	if (sftp_send(gateway->channels[0].sftp, &request, NULL, 0,
		upload_on_fstat, upload) != 0)
		upload_fail(upload, 451, "Out of memory");
}

/* ---- the commands ---- */

static struct upload *
upload_new(struct gateway *gateway, char *target)
{
	struct upload *upload = calloc(1, sizeof(*upload));

	if (upload == NULL)
		return NULL;
	upload->target = target;
	upload->fastest_ms = INT64_MAX;
	TAILQ_INIT(&upload->writes);
	buf_init(&upload->waiting, LIMIT_PAIR);
	upload->convert = gateway_converts(gateway);
	newline_init(&upload->newline, gateway->config->newline,
	    NEWLINE_TO_FILE);
	for (unsigned i = 0; i < GATEWAY_CHANNELS; i++) {
		upload->lanes[i].upload = upload;
		upload->lanes[i].number = upload->lanes[i].channel = i;
	}
	return upload;
}

/* Sends the requests with which an upload begins.  flags: for OPEN. */
static void
upload_begin(struct upload *upload, struct gateway *gateway, uint32_t flags)
{
	static const struct task_ops ops = {
		.data = upload_data,
		.ending = upload_ending,
		.eof = upload_eof,
		.room = upload_room,
		.stop = upload_stop,
		.is_ending = upload_is_ending,
		.channel_ready = upload_channel_ready,
		.channel_lost = upload_channel_lost,
		.channels_moved = upload_channels_moved,
		.is_lost = upload_is_lost,
		.yield = upload_yield,
		.free = upload_free,
	};
	int err;

	task_begin(gateway, &upload->task, &ops);
	upload->begun_ms = gateway_now(gateway);
	err = upload_look(upload);
	if (upload->lanes[0].state == LANE_OPEN) {
		if (err == 0)
			upload_place(upload);
		else
			upload_fail(upload, 451, strerror(-err));
		return;
	}
	if (err == 0)
		err = upload_open(upload, flags);
	if (err != 0)
		upload_not_sent(upload, err);
}

/* False: it was answered. */
static bool
upload_may_write(struct upload *upload, struct gateway *gateway)
{
	if (upload->temporary != NULL || upload->created ||
	    gateway->handler->claim(gateway->ctx, upload->target))
		return true;
	gateway_finish(gateway, "450 Another session is writing to this file.");
	return false;
}

static void
upload_start(struct gateway *gateway, char *target, bool append, bool unique)
{
	struct upload *upload =
	    target == NULL ? NULL : upload_new(gateway, target);
	bool atomic = gateway->config->upload == GATEWAY_ATOMIC && !append &&
	    !unique && gateway->restart == 0;
	uint32_t flags = SFTP_OPEN_WRITE;

	if (upload == NULL) {
		free(target);
		gateway_finish(gateway, "451 Out of memory.");
		return;
	}
	upload->created = unique;
	upload->start = append || unique ? 0 : gateway->restart;
	upload->end = upload->start;
	upload->kind = append ? UPLOAD_APPEND :
	    upload->start > 0 ? UPLOAD_RESTART :
				UPLOAD_WHOLE;
	if (atomic &&
	    spare_take(gateway, target, &upload->temporary,
		&upload->lanes[0].handle))
		upload->lanes[0].state = LANE_OPEN;
	else if (atomic)
		upload->temporary = rename_temporary(gateway, target);
	if (atomic || unique)
		flags = UPLOAD_OPEN_NEW;
	else if (upload->kind == UPLOAD_WHOLE)
		flags |= SFTP_OPEN_CREATE | SFTP_OPEN_TRUNCATE;
	else if (append)
		flags |= SFTP_OPEN_CREATE;
	upload->max_lanes = atomic &&
		sftp_can(gateway->channels[0].sftp, SFTP_LSETSTAT) &&
		!gateway->config->no_concurrent_writes ?
	    gateway->config->channels :
	    1;
	if ((atomic && upload->temporary == NULL) ||
	    !upload_may_write(upload, gateway)) {
		upload->task.gateway = gateway;
		upload_free(&upload->task);
		if (gateway->busy)
			gateway_finish(gateway, "451 Out of memory.");
		return;
	}
	upload_begin(upload, gateway, flags);
}

void
upload_stor(struct gateway *gateway, const char *argument, size_t len)
{
	char *target;

	if (!gateway_needs_data(gateway) || !gateway_may_restart(gateway))
		return;
	target = names_path(gateway, argument, len);
	if (target != NULL)
		upload_start(gateway, target, false, false);
}

void
upload_appe(struct gateway *gateway, const char *argument, size_t len)
{
	char *target;

	if (!gateway_needs_data(gateway))
		return;
	target = names_path(gateway, argument, len);
	if (target != NULL)
		upload_start(gateway, target, true, false);
}

/* A name that does not exist: the client's, and a random end. */
void
upload_stou(struct gateway *gateway, const char *argument, size_t len)
{
	uint8_t bytes[4];
	char *path, *target;

	if (!gateway_needs_data(gateway))
		return;
	path = len > 0 ? names_path(gateway, argument, len) :
			 names_path(gateway, "ftp", 3);
	if (path == NULL)
		return;
	gateway->handler->random(gateway->ctx, bytes, sizeof(bytes));
	if (asprintf(&target, "%s.%02x%02x%02x%02x", path, bytes[0], bytes[1],
		bytes[2], bytes[3]) < 0)
		target = NULL;
	free(path);
	upload_start(gateway, target, false, true);
}
