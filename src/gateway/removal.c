/*
 * The removal of temporary files.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/priv.h"

struct removal {
	struct gateway *gateway;
	char path[];
};

/* If the connection was lost, nobody knows whether the file was removed. */
static void
gateway_on_removed(void *ctx, struct sftp_reply *reply)
{
	struct removal *removal = ctx;
	struct gateway *gateway = removal->gateway;

	if (gateway_is_lost(reply))
		gateway->handler->left_over(gateway->ctx, removal->path, NULL);
	else if (reply->status != SFTP_OK && reply->status != SFTP_NO_SUCH_FILE)
		gateway->handler->stays(gateway->ctx, removal->path);
	free(removal);
}

void
gateway_remove(struct gateway *gateway, const char *path)
{
	const struct sftp_request request = {
		.op = SFTP_REMOVE,
		.name = sftp_string_of(path),
	};
	struct removal *removal = malloc(sizeof(*removal) + strlen(path) + 1);

	if (removal != NULL) {
		removal->gateway = gateway;
		strcpy(removal->path, path);
		if (sftp_send(gateway->channels[0].sftp, &request, NULL, 0,
			gateway_on_removed, removal) == 0)
			return;
	}
	gateway->handler->left_over(gateway->ctx, path, NULL);
	free(removal);
}
