/*
 * Numbers and strings of the SSH protocols.
 */
#include "base/wire.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "limits.h"

static uint32_t
wire_peek_u32(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
	    (uint32_t)bytes[2] << 8 | bytes[3];
}

void
wire_poke_u32(uint8_t bytes[4], uint32_t value)
{
	bytes[0] = (uint8_t)(value >> 24);
	bytes[1] = (uint8_t)(value >> 16);
	bytes[2] = (uint8_t)(value >> 8);
	bytes[3] = (uint8_t)value;
}

void
wire_poke_u64(uint8_t bytes[8], uint64_t value)
{
	wire_poke_u32(bytes, (uint32_t)(value >> 32));
	wire_poke_u32(bytes + 4, (uint32_t)value);
}

static const uint8_t *
wire_get(struct wire_in *in, size_t len)
{
	const uint8_t *bytes = in->bytes;

	if (in->bad || len > in->len) {
		in->bad = true;
		return NULL;
	}
	in->bytes += len;
	in->len -= len;
	return bytes;
}

uint8_t
wire_get_u8(struct wire_in *in)
{
	const uint8_t *bytes = wire_get(in, 1);

	return bytes == NULL ? 0 : bytes[0];
}

uint32_t
wire_get_u32(struct wire_in *in)
{
	const uint8_t *bytes = wire_get(in, 4);

	return bytes == NULL ? 0 : wire_peek_u32(bytes);
}

uint64_t
wire_get_u64(struct wire_in *in)
{
	uint64_t high = wire_get_u32(in);

	return high << 32 | wire_get_u32(in);
}

const uint8_t *
wire_get_string(struct wire_in *in, size_t *ret_len)
{
	uint32_t len = wire_get_u32(in);
	const uint8_t *bytes = wire_get(in, len);

	*ret_len = bytes == NULL ? 0 : len;
	return bytes;
}

int
wire_get_message(const uint8_t *bytes, size_t len, struct wire_in *ret)
{
	size_t body;

	if (len < 4)
		return 0;
	body = wire_peek_u32(bytes);
	if (body > LIMIT_WIRE_MESSAGE)
		return -EPROTO;
	if (len - 4 < body)
		return 0;
	*ret = (struct wire_in) { .bytes = bytes + 4, .len = body };
	return 1;
}

/* If the bytes do not fit, message->len becomes larger than the buffer. */
static void
wire_append(struct wire_message *message, const void *bytes, size_t len)
{
	if (message->len <= sizeof(message->bytes) &&
	    len <= sizeof(message->bytes) - message->len)
		memcpy(message->bytes + message->len, bytes, len);
	message->len += len;
}

static void
wire_append_u32(struct wire_message *message, uint32_t value)
{
	uint8_t bytes[4];

	wire_poke_u32(bytes, value);
	wire_append(message, bytes, sizeof(bytes));
}

struct wire_message
wire_make(const char *format, ...)
{
	struct wire_message message = { .len = 4 }; /* for the length */
	const char *text;
	va_list fields;
	uint8_t byte;

	va_start(fields, format);
	for (; *format != '\0'; format++) {
		if (*format == 'b') {
			byte = (uint8_t)va_arg(fields, int);
			wire_append(&message, &byte, 1);
		} else if (*format == 'u') {
			wire_append_u32(&message, va_arg(fields, uint32_t));
		} else {
			text = va_arg(fields, const char *);
			wire_append_u32(&message, (uint32_t)strlen(text));
			wire_append(&message, text, strlen(text));
		}
	}
	va_end(fields);
	if (message.len > sizeof(message.bytes))
		message.len = 0;
	else
		wire_poke_u32(message.bytes, (uint32_t)(message.len - 4));
	return message;
}
