/*
 * Renaming a file to a name that may be in use (draft-ietf-secsh-filexfer-02
 * section 6.5 lets RENAME fail then).
 *
 * OpenSSH's posix-rename@openssh.com replaces the file at once.  A server
 * without it gets RENAME.  If that fails because the name is in use, the old
 * file is renamed to a backup name, the new one takes its place, and the backup
 * is removed; if the new one cannot take its place, the backup gets its name
 * back.  So at each moment there is the old file or the new one.  If the
 * connection is lost meanwhile, nobody knows where the old file is:
 * left_over() has it looked for later.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/priv.h"

struct rename {
	struct gateway *gateway;
	char *from, *to, *backup;
	bool temporary;	     /* from is to be removed if it keeps its name */
	sftp_reply_cb *done; /* NULL: nobody wants it any more */
	void *ctx;
	struct sftp_reply failure; /* of the first RENAME */
	char failure_text[STATUS_TEXT_MAX];
};

static void
rename_free(struct rename *rename)
{
	free(rename->from);
	free(rename->to);
	free(rename->backup);
	free(rename);
}

static void
rename_end(struct rename *rename, struct sftp_reply *reply)
{
	sftp_reply_cb *done = rename->done;
	void *ctx = rename->ctx;
	struct sftp_reply copy = *reply;
	char text[STATUS_TEXT_MAX];

	/* The text may be ours. */
	if (copy.string.len > sizeof(text))
		copy.string.len = sizeof(text);
	if (copy.string.len > 0)
		memcpy(text, copy.string.bytes, copy.string.len);
	copy.string.bytes = (const uint8_t *)text;
	if (rename->temporary && !gateway_ok(reply))
		gateway_remove(rename->gateway, rename->from);
	rename_free(rename);
	if (done != NULL)
		done(ctx, &copy);
}

static int
rename_send(struct rename *rename, enum sftp_op op, const char *from,
    const char *to, sftp_reply_cb *done)
{
	const struct sftp_request request = {
		.op = op,
		.name = sftp_string_of(from),
		.to = sftp_string_of(to),
	};

	return sftp_send(rename->gateway->channels[0].sftp, &request, NULL, 0,
	    done, rename);
}

/* The old file may have the backup name, and not get its own back now. */
static void
rename_leave_backup(struct rename *rename)
{
	struct gateway *gateway = rename->gateway;

	gateway->handler->left_over(gateway->ctx, rename->backup, rename->to);
}

/* Nothing can be sent: that is as if the server had refused it. */
static void
rename_fail(struct rename *rename)
{
	struct sftp_reply reply = {
		.type = SFTP_REPLY_STATUS,
		.status = SFTP_CONNECTION_LOST,
	};

	rename_end(rename, &reply);
}

/* The backup has its old name again, or the server has failed twice. */
static void
rename_on_restored(void *ctx, struct sftp_reply *reply)
{
	struct rename *rename = ctx;

	if (!gateway_ok(reply))
		rename_leave_backup(rename);
	rename_end(rename, &rename->failure);
}

static void
rename_keep_failure(struct rename *rename, const struct sftp_reply *reply)
{
	size_t len = reply->string.len;

	rename->failure = *reply;
	if (len > sizeof(rename->failure_text))
		len = sizeof(rename->failure_text);
	if (len > 0)
		memcpy(rename->failure_text, reply->string.bytes, len);
	rename->failure.string = (struct sftp_string) {
		(const uint8_t *)rename->failure_text,
		len,
	};
}

static void
rename_on_replaced(void *ctx, struct sftp_reply *reply)
{
	struct rename *rename = ctx;

	if (gateway_ok(reply)) {
		gateway_remove(rename->gateway, rename->backup);
		rename_end(rename, reply);
		return;
	}
	rename_keep_failure(rename, reply);
	if (rename_send(rename, SFTP_RENAME, rename->backup, rename->to,
		rename_on_restored) != 0) {
		rename_leave_backup(rename);
		rename_fail(rename);
	}
}

static void
rename_on_backed_up(void *ctx, struct sftp_reply *reply)
{
	struct rename *rename = ctx;

	if (gateway_is_lost(reply)) {
		rename_leave_backup(rename);
		rename_end(rename, reply);
		return;
	}
	/* There is no old file, or it cannot be renamed: the first failure had
	 * another cause. */
	if (!gateway_ok(reply)) {
		rename_end(rename, &rename->failure);
		return;
	}
	if (rename_send(rename, SFTP_RENAME, rename->from, rename->to,
		rename_on_replaced) != 0) {
		rename_leave_backup(rename);
		rename_fail(rename);
	}
}

static void
rename_on_plain(void *ctx, struct sftp_reply *reply)
{
	struct rename *rename = ctx;

	if (gateway_ok(reply) || reply->status == SFTP_NO_SUCH_FILE ||
	    reply->status == SFTP_PERMISSION_DENIED || gateway_is_lost(reply)) {
		rename_end(rename, reply);
		return;
	}
	rename_keep_failure(rename, reply);
	rename->backup = rename_temporary(rename->gateway, rename->to);
	if (rename->backup == NULL ||
	    rename_send(rename, SFTP_RENAME, rename->to, rename->backup,
		rename_on_backed_up) != 0)
		rename_fail(rename);
}

/* A server that has announced the extension may still deny it. */
static void
rename_on_posix(void *ctx, struct sftp_reply *reply)
{
	struct rename *rename = ctx;

	if (gateway_ok(reply) || reply->status != SFTP_OP_UNSUPPORTED)
		rename_end(rename, reply);
	else if (rename_send(rename, SFTP_RENAME, rename->from, rename->to,
		     rename_on_plain) != 0)
		rename_fail(rename);
}

struct rename *
rename_start(struct gateway *gateway, const char *from, const char *to,
    sftp_reply_cb *done, void *ctx)
{
	struct rename *rename = calloc(1, sizeof(*rename));
	bool posix = sftp_can(gateway->channels[0].sftp, SFTP_POSIX_RENAME);

	if (rename == NULL)
		return NULL;
	rename->gateway = gateway;
	rename->from = strdup(from);
	rename->to = strdup(to);
	rename->done = done;
	rename->ctx = ctx;
	if (rename->from != NULL && rename->to != NULL &&
	    rename_send(rename, posix ? SFTP_POSIX_RENAME : SFTP_RENAME, from,
		to, posix ? rename_on_posix : rename_on_plain) == 0)
		return rename;
	rename_free(rename);
	return NULL;
}

void
rename_forget(struct rename *rename)
{
	if (rename != NULL)
		rename->done = NULL;
}

void
rename_leave(struct rename *rename)
{
	rename_forget(rename);
	rename->temporary = true;
}

char *
rename_temporary(struct gateway *gateway, const char *path)
{
	const char *slash = strrchr(path, '/');
	int len = slash == NULL ? 0 : (int)(slash - path);
	uint8_t bytes[8];
	char *name;

	gateway->handler->random(gateway->ctx, bytes, sizeof(bytes));
	if (asprintf(&name, "%.*s/.culvert-%02x%02x%02x%02x%02x%02x%02x%02x",
		len, path, bytes[0], bytes[1], bytes[2], bytes[3], bytes[4],
		bytes[5], bytes[6], bytes[7]) < 0)
		return NULL;
	return name;
}
