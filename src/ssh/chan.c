/*
 * The messages of the SSH connection protocol, as in ssh's proxy mode.
 */
#include "ssh/chan.h"

#include "ssh/wire.h"

/* What a forwarded connection is said to come from: ssh -W sends the same,
 * since some servers refuse a port of 0. */
#define CHAN_ORIGINATOR_HOST "127.0.0.1"
#define CHAN_ORIGINATOR_PORT 65535

/* A request of a channel or a global one, from its name on. */
static void
chan_parse_request(struct wire_in *in, struct chan_message *message)
{
	message->data = wire_get_string(in, &message->data_len);
	message->want_reply = wire_get_u8(in) != 0;
}

static void
chan_parse_body(struct wire_in *in, struct chan_message *message)
{
	switch (message->type) {
	case CHAN_GLOBAL_REQUEST:
		chan_parse_request(in, message);
		return;
	case CHAN_OPEN:
		message->data = wire_get_string(in, &message->data_len);
		message->channel = wire_get_u32(in);
		return;
	case CHAN_OPEN_CONFIRMATION:
	case CHAN_OPEN_FAILURE:
	case CHAN_WINDOW_ADJUST:
	case CHAN_DATA:
	case CHAN_EXTENDED_DATA:
	case CHAN_EOF:
	case CHAN_CLOSE:
	case CHAN_REQUEST:
	case CHAN_SUCCESS:
	case CHAN_FAILURE:
		message->channel = wire_get_u32(in);
		break;
	default:
		return;
	}
	switch (message->type) {
	case CHAN_OPEN_CONFIRMATION:
		message->sender = wire_get_u32(in);
		message->window = wire_get_u32(in);
		message->packet = wire_get_u32(in);
		break;
	case CHAN_OPEN_FAILURE:
		message->reason = wire_get_u32(in);
		message->data = wire_get_string(in, &message->data_len);
		break;
	case CHAN_WINDOW_ADJUST:
		message->window = wire_get_u32(in);
		break;
	case CHAN_EXTENDED_DATA:
		wire_get_u32(in); /* its type: standard error, or not known */
		message->data = wire_get_string(in, &message->data_len);
		break;
	case CHAN_DATA:
		message->data = wire_get_string(in, &message->data_len);
		break;
	case CHAN_REQUEST:
		chan_parse_request(in, message);
		break;
	default:
		break;
	}
}

enum chan_result
chan_parse(const uint8_t *bytes, size_t len, struct chan_message *ret,
    size_t *ret_used)
{
	struct chan_message message = { .type = 0 };
	struct wire_in in;
	int whole = wire_get_message(bytes, len, 2, &in);
	size_t used;

	if (whole <= 0)
		return whole < 0 ? CHAN_BAD : CHAN_MORE;
	used = 4 + in.len;
	if (wire_get_u8(&in) != 0) /* proxy mode has no padding */
		return CHAN_BAD;
	message.type = wire_get_u8(&in);
	chan_parse_body(&in, &message);
	if (in.bad)
		return CHAN_BAD;
	*ret = message;
	*ret_used = used;
	return CHAN_READY;
}

static void
chan_begin(struct wire_out *packet, enum chan_type type)
{
	wire_begin(packet);
	wire_put_u8(packet, 0);
	wire_put_u8(packet, (uint8_t)type);
}

int
chan_put_open_direct(struct buf *out, uint32_t channel, uint32_t window,
    uint32_t packet, const char *host, uint32_t port)
{
	struct wire_out open;

	chan_begin(&open, CHAN_OPEN);
	wire_put_string(&open, "direct-tcpip");
	wire_put_u32(&open, channel);
	wire_put_u32(&open, window);
	wire_put_u32(&open, packet);
	wire_put_string(&open, host);
	wire_put_u32(&open, port);
	wire_put_string(&open, CHAN_ORIGINATOR_HOST);
	wire_put_u32(&open, CHAN_ORIGINATOR_PORT);
	return wire_end(&open, out);
}

int
chan_put_open_session(struct buf *out, uint32_t channel, uint32_t window,
    uint32_t packet)
{
	struct wire_out open;

	chan_begin(&open, CHAN_OPEN);
	wire_put_string(&open, "session");
	wire_put_u32(&open, channel);
	wire_put_u32(&open, window);
	wire_put_u32(&open, packet);
	return wire_end(&open, out);
}

/* A request with one string, whose answer is wanted. */
static int
chan_put_request(struct buf *out, uint32_t channel, const char *type,
    const char *text)
{
	struct wire_out packet;

	chan_begin(&packet, CHAN_REQUEST);
	wire_put_u32(&packet, channel);
	wire_put_string(&packet, type);
	wire_put_u8(&packet, 1); /* want reply */
	wire_put_string(&packet, text);
	return wire_end(&packet, out);
}

int
chan_put_subsystem(struct buf *out, uint32_t channel, const char *name)
{
	return chan_put_request(out, channel, "subsystem", name);
}

int
chan_put_exec(struct buf *out, uint32_t channel, const char *command)
{
	return chan_put_request(out, channel, "exec", command);
}

/* A packet that has a channel and nothing more. */
static int
chan_put_plain(struct buf *out, enum chan_type type, uint32_t channel)
{
	struct wire_out packet;

	chan_begin(&packet, type);
	wire_put_u32(&packet, channel);
	return wire_end(&packet, out);
}

int
chan_put_window_adjust(struct buf *out, uint32_t channel, uint32_t bytes)
{
	struct wire_out packet;

	chan_begin(&packet, CHAN_WINDOW_ADJUST);
	wire_put_u32(&packet, channel);
	wire_put_u32(&packet, bytes);
	return wire_end(&packet, out);
}

int
chan_put_eof(struct buf *out, uint32_t channel)
{
	return chan_put_plain(out, CHAN_EOF, channel);
}

int
chan_put_close(struct buf *out, uint32_t channel)
{
	return chan_put_plain(out, CHAN_CLOSE, channel);
}

int
chan_put_question(struct buf *out, uint32_t channel)
{
	struct wire_out packet;

	chan_begin(&packet, CHAN_REQUEST);
	wire_put_u32(&packet, channel);
	wire_put_string(&packet, "keepalive@openssh.com");
	wire_put_u8(&packet, 1); /* want reply */
	return wire_end(&packet, out);
}

int
chan_put_failure(struct buf *out, uint32_t channel)
{
	return chan_put_plain(out, CHAN_FAILURE, channel);
}

int
chan_put_open_failure(struct buf *out, uint32_t channel, uint32_t reason)
{
	struct wire_out packet;

	chan_begin(&packet, CHAN_OPEN_FAILURE);
	wire_put_u32(&packet, channel);
	wire_put_u32(&packet, reason);
	wire_put_string(&packet, ""); /* description */
	wire_put_string(&packet, ""); /* its language */
	return wire_end(&packet, out);
}

int
chan_put_request_failure(struct buf *out)
{
	struct wire_out packet;

	chan_begin(&packet, CHAN_REQUEST_FAILURE);
	return wire_end(&packet, out);
}

void
chan_data_head(uint8_t head[CHAN_DATA_HEAD], uint32_t channel, uint32_t len)
{
	wire_poke_u32(head, 2 + 4 + 4 + len);
	head[4] = 0;
	head[5] = CHAN_DATA;
	wire_poke_u32(head + 6, channel);
	wire_poke_u32(head + 10, len);
}
