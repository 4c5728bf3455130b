/*
 * A connection to ssh's control socket in proxy mode.
 */
#include "ssh/packets.h"

#include <errno.h>

#include "limits.h"
#include "ssh/mux.h"

/* The handshake: ssh's hello, then its answer to the request for proxy mode.
 * 0 or a negative errno. */
static int
packets_handshake(struct packets *packets, const struct mux_message *message)
{
	if (!packets->requested) {
		if (!mux_is_hello(message))
			return -EPROTO;
		packets->requested = true;
		packets_send(packets,
		    mux_put_request(&packets->message, MUX_C_PROXY, 0));
		return 0;
	}
	if (message->type != MUX_S_PROXY)
		return -EPROTO;
	packets->up = true;
	packets->handler->up(packets->ctx);
	return 0;
}

static int
packets_message(void *ctx, const uint8_t *bytes, size_t len)
{
	struct packets *packets = ctx;
	struct mux_message message;
	struct chan_message packet;
	int err;

	if (packets->up) {
		err = chan_parse(bytes, len, &packet);
		return err != 0 ?
		    err :
		    packets->handler->packet(packets->ctx, &packet);
	}
	err = mux_parse(bytes, len, &message);
	return err != 0 ? err : packets_handshake(packets, &message);
}

static void
packets_received(void *ctx)
{
	struct packets *packets = ctx;

	if (packets->handler->received != NULL)
		packets->handler->received(packets->ctx);
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
	.message = packets_message,
	.received = packets_received,
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
