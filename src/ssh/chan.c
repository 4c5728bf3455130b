/*
 * The messages of the SSH connection protocol (RFC 4254), in the form of ssh's
 * proxy mode.
 */
#include "ssh/chan.h"

#include <errno.h>

/* The originator of each direct-tcpip channel.  ssh -W sends the same values,
 * because some servers refuse others. */
#define CHAN_ORIGINATOR_HOST "127.0.0.1"
#define CHAN_ORIGINATOR_PORT 65535

/* The fields that are needed of each type of message, one letter each: see
 * chan_parse_field(). */
static const char *const chan_fields[UINT8_MAX + 1] = {
	[CHAN_GLOBAL_REQUEST] = "dr",
	[CHAN_OPEN] = "dc",
	[CHAN_OPEN_CONFIRMATION] = "cswp",
	[CHAN_OPEN_FAILURE] = "ced",
	[CHAN_WINDOW_ADJUST] = "cw",
	[CHAN_DATA] = "cd",
	[CHAN_EXTENDED_DATA] = "c-d", /* "-" skips the data type */
	[CHAN_EOF] = "c",
	[CHAN_CLOSE] = "c",
	[CHAN_REQUEST] = "cdr",
	[CHAN_SUCCESS] = "c",
	[CHAN_FAILURE] = "c",
};

static void
chan_parse_field(struct wire_in *in, char field, struct chan_message *message)
{
	switch (field) {
	case 'c':
		message->channel = wire_get_u32(in);
		break;
	case 's':
		message->sender = wire_get_u32(in);
		break;
	case 'w':
		message->window = wire_get_u32(in);
		break;
	case 'p':
		message->packet = wire_get_u32(in);
		break;
	case 'e':
		message->reason = wire_get_u32(in);
		break;
	case 'd':
		message->data = wire_get_string(in, &message->data_len);
		break;
	case 'r':
		message->want_reply = wire_get_u8(in) != 0;
		break;
	default:
		wire_get_u32(in);
		break;
	}
}

int
chan_parse(const uint8_t *bytes, size_t len, struct chan_message *ret)
{
	struct wire_in in = { .bytes = bytes, .len = len };
	struct chan_message message = { .type = 0 };
	const char *fields;

	if (wire_get_u8(&in) != 0) /* the padding length */
		return -EPROTO;
	message.type = wire_get_u8(&in);
	fields = chan_fields[message.type];
	for (; fields != NULL && *fields != '\0'; fields++)
		chan_parse_field(&in, *fields, &message);
	if (in.bad)
		return -EPROTO;
	*ret = message;
	return 0;
}

struct wire_message
chan_put_open_direct(uint32_t channel, uint32_t window, uint32_t packet,
    const char *host, uint32_t port)
{
	return wire_make("bbsuuususu", 0, CHAN_OPEN, "direct-tcpip", channel,
	    window, packet, host, port, CHAN_ORIGINATOR_HOST,
	    CHAN_ORIGINATOR_PORT);
}

struct wire_message
chan_put_open_session(uint32_t channel, uint32_t window, uint32_t packet)
{
	return wire_make("bbsuuu", 0, CHAN_OPEN, "session", channel, window,
	    packet);
}

struct wire_message
chan_put_request(uint32_t channel, const char *name, const char *text)
{
	return wire_make(text != NULL ? "bbusbs" : "bbusb", 0, CHAN_REQUEST,
	    channel, name, 1, text);
}

struct wire_message
chan_put_window_adjust(uint32_t channel, uint32_t bytes)
{
	return wire_make("bbuu", 0, CHAN_WINDOW_ADJUST, channel, bytes);
}

struct wire_message
chan_put_open_failure(uint32_t channel, uint32_t reason)
{
	/* The description and its language are empty. */
	return wire_make("bbuuss", 0, CHAN_OPEN_FAILURE, channel, reason, "",
	    "");
}

struct wire_message
chan_put_request_failure(void)
{
	return wire_make("bb", 0, CHAN_REQUEST_FAILURE);
}

struct wire_message
chan_put(enum chan_type type, uint32_t channel)
{
	return wire_make("bbu", 0, type, channel);
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
