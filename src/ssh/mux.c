/*
 * The messages of OpenSSH's control socket.
 */
#include "ssh/mux.h"

#include "ssh/wire.h"

/* PROTOCOL.mux: the type of a forward, and a port that means a path. */
#define MUX_FWD_REMOTE 2
#define MUX_PORT_PATH 0xfffffffe

enum mux_result
mux_parse(const uint8_t *bytes, size_t len, struct mux_message *ret,
    size_t *ret_used)
{
	struct mux_message message = { .type = 0 };
	struct wire_in in;
	int whole = wire_get_message(bytes, len, 4, &in);
	size_t used;

	if (whole <= 0)
		return whole < 0 ? MUX_BAD : MUX_MORE;
	used = 4 + in.len;
	message.type = wire_get_u32(&in);
	switch (message.type) {
	case MUX_MSG_HELLO:
		/* Extensions may follow; none are defined. */
		message.version = wire_get_u32(&in);
		break;
	case MUX_S_OK:
	case MUX_S_PROXY:
		message.request_id = wire_get_u32(&in);
		break;
	case MUX_S_ALIVE:
	case MUX_S_REMOTE_PORT:
		message.request_id = wire_get_u32(&in);
		message.value = wire_get_u32(&in);
		break;
	case MUX_S_PERMISSION_DENIED:
	case MUX_S_FAILURE:
		message.request_id = wire_get_u32(&in);
		message.reason =
		    (const char *)wire_get_string(&in, &message.reason_len);
		break;
	default:
		break;
	}
	if (in.bad)
		return MUX_BAD;
	*ret = message;
	*ret_used = used;
	return MUX_READY;
}

int
mux_put_hello(struct buf *out)
{
	struct wire_out message;

	wire_begin(&message);
	wire_put_u32(&message, MUX_MSG_HELLO);
	wire_put_u32(&message, MUX_PROTOCOL_VERSION);
	return wire_end(&message, out);
}

static int
mux_put_request(struct buf *out, uint32_t type, uint32_t request_id)
{
	struct wire_out message;

	wire_begin(&message);
	wire_put_u32(&message, type);
	wire_put_u32(&message, request_id);
	return wire_end(&message, out);
}

int
mux_put_alive_check(struct buf *out, uint32_t request_id)
{
	return mux_put_request(out, MUX_C_ALIVE_CHECK, request_id);
}

int
mux_put_proxy(struct buf *out, uint32_t request_id)
{
	return mux_put_request(out, MUX_C_PROXY, request_id);
}

static int
mux_put_forward(struct buf *out, uint32_t type, uint32_t request_id,
    const char *listen_host, uint32_t listen_port, const char *path)
{
	struct wire_out message;

	wire_begin(&message);
	wire_put_u32(&message, type);
	wire_put_u32(&message, request_id);
	wire_put_u32(&message, MUX_FWD_REMOTE);
	wire_put_string(&message, listen_host);
	wire_put_u32(&message, listen_port);
	wire_put_string(&message, path);
	wire_put_u32(&message, MUX_PORT_PATH);
	return wire_end(&message, out);
}

int
mux_put_open_forward(struct buf *out, uint32_t request_id,
    const char *listen_host, uint32_t listen_port, const char *path)
{
	return mux_put_forward(out, MUX_C_OPEN_FWD, request_id, listen_host,
	    listen_port, path);
}

int
mux_put_close_forward(struct buf *out, uint32_t request_id,
    const char *listen_host, uint32_t listen_port, const char *path)
{
	return mux_put_forward(out, MUX_C_CLOSE_FWD, request_id, listen_host,
	    listen_port, path);
}
