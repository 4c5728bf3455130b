/*
 * A connection to ssh's control socket in proxy mode.
 */
#include "ssh/packets.h"

#include <errno.h>

#include "limits.h"
#include "ssh/mux.h"

/* A message of the handshake: ssh's hello, then its answer to our request for
 * proxy mode.  0 or a negative errno. */
static int
packets_handshake(struct packets *packets, const struct mux_message *message)
{
	if (!packets->requested) {
		if (message->type != MUX_MSG_HELLO ||
		    message->version != MUX_PROTOCOL_VERSION)
			return -EPROTO;
		packets->requested = true;
		packets_send(packets, mux_put_proxy(&packets->message, 0));
		return 0;
	}
	if (message->type != MUX_S_PROXY)
		return -EPROTO;
	packets->up = true;
	packets->handler->up(packets->ctx);
	return 0;
}

/* Takes the first message or packet.  1, 0 if it is not complete, or -errno. */
static int
packets_take(struct packets *packets, const uint8_t *bytes, size_t len,
    size_t *ret_used)
{
	struct mux_message message;
	struct chan_message packet;
	int err;

	if (packets->up) {
		enum chan_result result =
		    chan_parse(bytes, len, &packet, ret_used);

		if (result != CHAN_READY)
			return result == CHAN_MORE ? 0 : -EPROTO;
		err = packets->handler->packet(packets->ctx, &packet);
	} else {
		enum mux_result result =
		    mux_parse(bytes, len, &message, ret_used);

		if (result != MUX_READY)
			return result == MUX_MORE ? 0 : -EPROTO;
		err = packets_handshake(packets, &message);
	}
	return err < 0 ? err : 1;
}

static ssize_t
packets_input(void *ctx, const uint8_t *bytes, size_t len)
{
	struct packets *packets = ctx;
	size_t taken = 0, used;
	int result = 1;

	while (packets->conn != NULL && result > 0) {
		result =
		    packets_take(packets, bytes + taken, len - taken, &used);
		if (result > 0)
			taken += used;
	}
	if (packets->conn != NULL && packets->handler->received != NULL)
		packets->handler->received(packets->ctx);
	return result < 0 ? result : (ssize_t)taken;
}

static void
packets_room(void *ctx)
{
	struct packets *packets = ctx;

	if (packets->handler->room != NULL)
		packets->handler->room(packets->ctx);
}

static void
packets_lost(void *ctx, int err)
{
	struct packets *packets = ctx;

	packets->conn = NULL;
	packets->handler->lost(packets->ctx, err);
}

static const struct conn_handler packets_conn_handler = {
	.input = packets_input,
	.room = packets_room,
	.lost = packets_lost,
};

int
packets_open(struct packets *packets, uv_loop_t *loop, const char *path,
    const struct packets_handler *handler, void *ctx)
{
	int err;

	*packets = (struct packets) { .handler = handler, .ctx = ctx };
	buf_init(&packets->message, LIMIT_MUX_MESSAGE);
	err = conn_new(loop, path, &packets_conn_handler, packets,
	    &packets->conn);
	if (err == 0)
		packets_send(packets, mux_put_hello(&packets->message));
	return err;
}

void
packets_send(struct packets *packets, int err)
{
	conn_send_buf(packets->conn, &packets->message, err);
}

void
packets_close(struct packets *packets)
{
	conn_free(packets->conn);
	packets->conn = NULL;
}

void
packets_free(struct packets *packets)
{
	packets_close(packets);
	buf_free(&packets->message);
}
