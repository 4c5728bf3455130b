/*
 * An upload: what its target is, before the temporary file replaces it.
 *
 * The temporary file takes the mode of the file that it replaces.  A symbolic
 * link stays, and the file behind it is replaced: REALPATH says where that is.
 * A server that does not follow links there, as paramiko's, is asked for each
 * one by READLINK.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "gateway/upload.h"

/* As the kernel (path_resolution(7)), but fewer. */
#define UPLOAD_LINKS 8

/* Sends a request about the target; the upload does not end before the
 * reply. */
static int
upload_ask(struct upload *upload, enum sftp_op op, sftp_reply_cb *done)
{
	const struct sftp_request request = {
		.op = op,
		.name = sftp_string_of(upload->target),
	};
	int err = sftp_send(upload->task.gateway->channels[0].sftp, &request,
	    NULL, 0, done, upload);

	upload->n_lookups += err == 0;
	return err;
}

/* The same, for what must be known.  False: the upload is over. */
static bool
upload_ask_again(struct upload *upload, enum sftp_op op, sftp_reply_cb *done)
{
	int err = upload_ask(upload, op, done);

	/* That the channel is lost is told otherwise. */
	if (err == 0 || err == -EPIPE)
		return true;
	upload_fail(upload, 451, strerror(-err));
	return false;
}

int
upload_mode(const struct upload *upload)
{
	const struct gateway *gateway = upload->task.gateway;

	if (gateway->config->no_setstat)
		return -1;
	if (upload->temporary != NULL && upload->old_mode_known)
		return (int)(upload->old_mode & 07777);
	if (gateway->umask >= 0 && upload->old != OLD_FILE)
		return 0666 & ~gateway->umask;
	return -1;
}

/* It gets its mode at the end: with 0400, say, the server would refuse to open
 * it once more. */
void
upload_hide(struct upload *upload)
{
	struct gateway *gateway = upload->task.gateway;
	const struct sftp_request request = {
		.op = SFTP_FSETSTAT,
		.name = upload->lanes[0].handle,
		.attrs = { .has = SFTP_ATTR_MODE, .mode = 0600 },
	};

	if (upload->lanes[0].state == LANE_OPEN && upload->temporary != NULL &&
	    upload->n_lookups == 0 && upload_mode(upload) >= 0 &&
	    (upload_mode(upload) & 0044) != 0044)
		gateway_request_only(gateway, &request);
}

static void
upload_looked_up(struct upload *upload)
{
	upload->n_lookups--;
	upload_hide(upload);
	if (upload->n_lookups == 0 && upload->state == UPLOAD_WRITING)
		upload_finish(upload);
	else if (upload->state == UPLOAD_OPENING && upload->opens_behind)
		upload_go_behind(upload);
}

void
upload_note_old(struct upload *upload, const struct sftp_reply *reply)
{
	const struct sftp_attrs *attrs = &reply->attrs;

	if (reply->type != SFTP_REPLY_ATTRS) {
		if (reply->status == SFTP_NO_SUCH_FILE)
			upload->old = OLD_MISSING;
		return;
	}
	if ((attrs->has & SFTP_ATTR_SIZE) != 0) {
		upload->old = OLD_FILE;
		upload->old_size = attrs->size;
	}
	if ((attrs->has & SFTP_ATTR_MODE) != 0) {
		upload->old_mode = attrs->mode;
		upload->old_mode_known = true;
	}
}

/* The same; true if the upload is over, because it is a directory. */
static bool
upload_is_directory(struct upload *upload, const struct sftp_reply *reply)
{
	upload_note_old(upload, reply);
	if (!upload->old_mode_known || !S_ISDIR(upload->old_mode))
		return false;
	upload_fail(upload, 553, "It is a directory");
	return true;
}

static void upload_on_target(void *ctx, struct sftp_reply *reply);

static void
upload_on_readlink(void *ctx, struct sftp_reply *reply)
{
	struct upload *upload = ctx;
	char *slash = strrchr(upload->target, '/');
	char path[PATH_TEXT_MAX], *target = NULL;
	struct sftp_name name;

	if (reply->type == SFTP_REPLY_NAME &&
	    sftp_next_name(reply, &name) == 1 && slash != NULL) {
		slash[slash == upload->target] = '\0';
		if (path_resolve(upload->target, name.name.bytes, name.name.len,
			path) == 0)
			target = strdup(path);
	}
	if (target == NULL || ++upload->n_links > UPLOAD_LINKS) {
		free(target);
		upload_fail(upload, 553,
		    "It is a symbolic link, and the SFTP server does not say "
		    "where it leads");
		return;
	}
	free(upload->target);
	upload->target = target;
	if (upload_ask_again(upload, SFTP_LSTAT, upload_on_target))
		upload_looked_up(upload);
}

static void
upload_on_real(void *ctx, struct sftp_reply *reply)
{
	struct upload *upload = ctx;
	struct sftp_name name;
	char *target = NULL;

	if (reply->type == SFTP_REPLY_NAME && sftp_next_name(reply, &name) == 1)
		target = names_home(&name.name);
	if (target != NULL && strcmp(target, upload->target) != 0) {
		free(upload->target);
		upload->target = target;
	} else {
		free(target);
		if (upload->is_link &&
		    !upload_ask_again(upload, SFTP_READLINK,
			upload_on_readlink))
			return;
	}
	upload_looked_up(upload);
}

static void
upload_on_linked(void *ctx, struct sftp_reply *reply)
{
	struct upload *upload = ctx;

	if (!upload_is_directory(upload, reply))
		upload_looked_up(upload);
}

/* An upload with a spare file writes before it is known that its target is a
 * link. */
static void
upload_note_link(struct upload *upload)
{
	struct gateway *gateway = upload->task.gateway;

	upload->opens_behind = upload->state == UPLOAD_OPENING;
	gateway->spare_asked = true;
	gateway->spare_permitted = false;
}

/* If the server refuses to say what it is, it may be a link. */
static void
upload_on_target(void *ctx, struct sftp_reply *reply)
{
	struct upload *upload = ctx;
	bool refused = reply->type == SFTP_REPLY_STATUS &&
	    reply->status != SFTP_NO_SUCH_FILE;

	if (upload->n_links == 0)
		upload_note_reply(upload, upload->begun_ms);
	if (upload_is_directory(upload, reply))
		return;
	upload->is_link = upload->old_mode_known && S_ISLNK(upload->old_mode);
	if (upload->temporary != NULL && (upload->is_link || refused)) {
		upload->old_mode_known = false;
		upload->follows = true;
		if (upload->is_link)
			upload_note_link(upload);
		if (!upload_ask_again(upload, SFTP_STAT, upload_on_linked) ||
		    !upload_ask_again(upload, SFTP_REALPATH, upload_on_real))
			return;
	}
	upload_looked_up(upload);
}

/* Some servers permit STAT only before OPEN. */
int
upload_look(struct upload *upload)
{
	return upload_ask(upload,
	    upload->temporary != NULL ? SFTP_LSTAT : SFTP_STAT,
	    upload_on_target);
}
