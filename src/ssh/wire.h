/*
 * How RFC 4251 section 5 writes numbers and strings; both codecs, mux.c and
 * chan.c, read and write with it.  No I/O.
 */
#ifndef SSH_WIRE_H
#define SSH_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* What is left to read of a message; bad once something was not there. */
struct wire_in {
	const uint8_t *bytes;
	size_t len;
	bool bad;
};

/* Each returns zero, NULL or an empty string for what is not there. */
uint8_t wire_get_u8(struct wire_in *in);
uint32_t wire_get_u32(struct wire_in *in);
const uint8_t *wire_get_string(struct wire_in *in, size_t *ret_len);

/*
 * Takes the length and the body of the first message of len bytes: 1 and *ret,
 * 0 when it is not whole yet, -1 when its length is below min or above
 * LIMIT_MUX_MESSAGE.
 */
int wire_get_message(const uint8_t *bytes, size_t len, size_t min,
    struct wire_in *ret);

/* No message that we send is longer; bad once something did not fit. */
#define WIRE_OUT_MAX 2048

/* A message being written, its length in front. */
struct wire_out {
	uint8_t bytes[WIRE_OUT_MAX];
	size_t len;
	bool bad;
};

void wire_begin(struct wire_out *out);
void wire_put_u8(struct wire_out *out, uint8_t value);
void wire_put_u32(struct wire_out *out, uint32_t value);
void wire_put_string(struct wire_out *out, const char *text);

/* Appends the message to buf: all of it or nothing, 0, -ENOBUFS, -ENOMEM. */
int wire_end(struct wire_out *out, struct buf *buf);

/* A number into its four bytes. */
void wire_poke_u32(uint8_t bytes[4], uint32_t value);

#endif
