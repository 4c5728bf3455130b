/*
 * A temporary file that is opened before an upload needs it: by a client that
 * stores one file after another, together with the rename of the file before.
 * This saves a round trip for each file.
 *
 * The server must permit the removal of files, otherwise the last one would
 * stay.  So one that does not exist is removed first: the status says it.
 *
 * It is removed if the client sends another command than those of the next
 * upload, sends nothing for a second or two, or ends the session.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/priv.h"

struct spare {
	struct gateway *gateway;
	char *path;
	struct sftp_string handle; /* heap; bytes NULL: not open yet */
	unsigned age_s;
};

static void
spare_free(struct spare *spare)
{
	spare->gateway->spare = NULL;
	sftp_forget(spare->gateway->channels[0].sftp, spare);
	free((void *)(uintptr_t)spare->handle.bytes);
	free(spare->path);
	free(spare);
}

static void
spare_on_open(void *ctx, struct sftp_reply *reply)
{
	struct spare *spare = ctx;

	if (reply->type != SFTP_REPLY_HANDLE) {
		/* Without a reply, nobody knows whether it was created. */
		if (gateway_is_lost(reply))
			gateway_remove(spare->gateway, spare->path);
		spare_free(spare);
		return;
	}
	spare->handle = sftp_string_copy(&reply->string);
	if (spare->handle.bytes == NULL)
		spare_drop(spare->gateway);
}

static void
spare_on_asked(void *ctx, struct sftp_reply *reply)
{
	struct gateway *gateway = ctx;

	gateway->spare_permitted = reply->status == SFTP_NO_SUCH_FILE;
}

static void
spare_ask(struct gateway *gateway, const char *beside)
{
	char *nothing = rename_temporary(gateway, beside);
	struct sftp_request request = { .op = SFTP_REMOVE };

	if (nothing == NULL)
		return;
	gateway->spare_asked = true;
	request.name = sftp_string_of(nothing);
	(void)sftp_send(gateway->channels[0].sftp, &request, NULL, 0,
	    spare_on_asked, gateway);
	free(nothing);
}

void
spare_open(struct gateway *gateway, const char *beside)
{
	struct spare *spare;
	struct sftp_request request = {
		.op = SFTP_OPEN,
		.open =
		    SFTP_OPEN_WRITE | SFTP_OPEN_CREATE | SFTP_OPEN_EXCLUSIVE,
	};

	if (gateway->spare != NULL ||
	    gateway_now(gateway) - gateway->stored_ms > LIMIT_SPARE_MS)
		return;
	if (!gateway->spare_permitted) {
		if (!gateway->spare_asked)
			spare_ask(gateway, beside);
		return;
	}
	spare = calloc(1, sizeof(*spare));
	if (spare == NULL)
		return;
	gateway->spare = spare;
	spare->gateway = gateway;
	spare->path = rename_temporary(gateway, beside);
	if (spare->path != NULL) {
		request.name = sftp_string_of(spare->path);
		if (sftp_send(gateway->channels[0].sftp, &request, NULL, 0,
			spare_on_open, spare) == 0)
			return;
	}
	spare_free(spare);
}

bool
spare_take(struct gateway *gateway, const char *target, char **ret_path,
    struct sftp_string *ret_handle)
{
	struct spare *spare = gateway->spare;

	if (spare == NULL || spare->handle.bytes == NULL ||
	    !names_are_beside(spare->path, target))
		return false;
	*ret_path = spare->path;
	*ret_handle = spare->handle;
	spare->path = NULL;
	spare->handle.bytes = NULL;
	spare_free(spare);
	return true;
}

void
spare_drop(struct gateway *gateway)
{
	struct spare *spare = gateway->spare;
	const struct sftp_request close = {
		.op = SFTP_CLOSE,
		.name = spare != NULL ? spare->handle :
					(struct sftp_string) { NULL, 0 },
	};

	if (spare == NULL)
		return;
	if (close.name.bytes != NULL)
		gateway_request_only(gateway, &close);
	gateway_remove(gateway, spare->path);
	spare_free(spare);
}

void
spare_tick(struct gateway *gateway)
{
	if (gateway->spare != NULL && ++gateway->spare->age_s > 1)
		spare_drop(gateway);
}
