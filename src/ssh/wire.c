/*
 * Numbers and strings of the SSH protocols.
 */
#include "ssh/wire.h"

#include <errno.h>
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

const uint8_t *
wire_get_string(struct wire_in *in, size_t *ret_len)
{
	uint32_t len = wire_get_u32(in);
	const uint8_t *bytes = wire_get(in, len);

	*ret_len = bytes == NULL ? 0 : len;
	return bytes;
}

int
wire_get_message(const uint8_t *bytes, size_t len, size_t min,
    struct wire_in *ret)
{
	size_t body;

	if (len < 4)
		return 0;
	body = wire_peek_u32(bytes);
	if (body < min || body > LIMIT_MUX_MESSAGE)
		return -1;
	if (len - 4 < body)
		return 0;
	*ret = (struct wire_in) { .bytes = bytes + 4, .len = body };
	return 1;
}

void
wire_begin(struct wire_out *out)
{
	out->len = 4; /* of the length, which wire_end() knows */
	out->bad = false;
}

static void
wire_put(struct wire_out *out, const void *bytes, size_t len)
{
	if (out->bad || len > sizeof(out->bytes) - out->len) {
		out->bad = true;
		return;
	}
	memcpy(out->bytes + out->len, bytes, len);
	out->len += len;
}

void
wire_put_u8(struct wire_out *out, uint8_t value)
{
	wire_put(out, &value, 1);
}

void
wire_put_u32(struct wire_out *out, uint32_t value)
{
	uint8_t bytes[4];

	wire_poke_u32(bytes, value);
	wire_put(out, bytes, sizeof(bytes));
}

void
wire_put_string(struct wire_out *out, const char *text)
{
	size_t len = strlen(text);

	wire_put_u32(out, (uint32_t)len);
	wire_put(out, text, len);
}

int
wire_end(struct wire_out *out, struct buf *buf)
{
	if (out->bad)
		return -ENOBUFS;
	wire_poke_u32(out->bytes, (uint32_t)(out->len - 4));
	return buf_append(buf, out->bytes, out->len);
}
