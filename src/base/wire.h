/*
 * Numbers and strings as RFC 4251 section 5 encodes them, and messages with
 * their length in front, as in the protocols of ssh's control socket and in
 * SFTP.  No I/O.
 */
#ifndef BASE_WIRE_H
#define BASE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The unread part of a message; bad once a field was missing. */
struct wire_in {
	const uint8_t *bytes;
	size_t len;
	bool bad;
};

/* Each takes one field; a missing one is zero, NULL or an empty string. */
uint8_t wire_get_u8(struct wire_in *in);
uint32_t wire_get_u32(struct wire_in *in);
uint64_t wire_get_u64(struct wire_in *in);
const uint8_t *wire_get_string(struct wire_in *in, size_t *ret_len);

/*
 * Finds the first message in len bytes.  1 and its body, without the length of
 * 4 bytes in front; 0 if it is not complete; -EPROTO if it is longer than
 * LIMIT_WIRE_MESSAGE.
 */
int wire_get_message(const uint8_t *bytes, size_t len, struct wire_in *ret);

/* A message to send, with its length in front; len 0: it was too long. */
struct wire_message {
	uint8_t bytes[2048]; /* none of culvert's is longer */
	size_t len;
};

/* Makes a message.  format has a letter for each field: b for a byte (an int),
 * u for a uint32_t, s for a string that ends with NUL. */
struct wire_message wire_make(const char *format, ...);

/* Writes a number into its bytes. */
void wire_poke_u32(uint8_t bytes[4], uint32_t value);
void wire_poke_u64(uint8_t bytes[8], uint64_t value);

#endif
