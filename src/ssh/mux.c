/*
 * The messages of OpenSSH's control socket (PROTOCOL.mux).
 */
#include "ssh/mux.h"

#include <errno.h>

#define MUX_PROTOCOL_VERSION 4

/* The type of a remote forward, and the port number that means a path. */
#define MUX_FWD_REMOTE 2
#define MUX_PORT_PATH 0xfffffffe

int
mux_parse(const uint8_t *bytes, size_t len, struct mux_message *ret)
{
	struct wire_in in = { .bytes = bytes, .len = len };
	struct mux_message message = { .type = wire_get_u32(&in) };

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
		return -EPROTO;
	*ret = message;
	return 0;
}

bool
mux_is_hello(const struct mux_message *message)
{
	return message->type == MUX_MSG_HELLO &&
	    message->version == MUX_PROTOCOL_VERSION;
}

struct wire_message
mux_put_hello(void)
{
	return wire_make("uu", MUX_MSG_HELLO, MUX_PROTOCOL_VERSION);
}

struct wire_message
mux_put_request(uint32_t type, uint32_t request_id)
{
	return wire_make("uu", type, request_id);
}

struct wire_message
mux_put_forward(uint32_t type, uint32_t request_id, const char *listen_host,
    uint32_t listen_port, const char *path)
{
	return wire_make("uuususu", type, request_id, MUX_FWD_REMOTE,
	    listen_host, listen_port, path, MUX_PORT_PATH);
}
