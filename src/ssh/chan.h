/*
 * The messages of the SSH connection protocol (RFC 4254 section 5) that culvert
 * uses in ssh's proxy mode (PROTOCOL.mux: uint32 length, byte 0, byte type,
 * payload): a codec, no I/O.
 */
#ifndef SSH_CHAN_H
#define SSH_CHAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/wire.h"

enum chan_type {
	CHAN_GLOBAL_REQUEST = 80,
	CHAN_REQUEST_SUCCESS = 81,
	CHAN_REQUEST_FAILURE = 82,
	CHAN_OPEN = 90,
	CHAN_OPEN_CONFIRMATION = 91,
	CHAN_OPEN_FAILURE = 92,
	CHAN_WINDOW_ADJUST = 93,
	CHAN_DATA = 94,
	CHAN_EXTENDED_DATA = 95,
	CHAN_EOF = 96,
	CHAN_CLOSE = 97,
	CHAN_REQUEST = 98,
	CHAN_SUCCESS = 99,
	CHAN_FAILURE = 100,
};

/* SSH_OPEN_* of RFC 4254 section 5.1. */
enum chan_open_reason {
	CHAN_ADMINISTRATIVELY_PROHIBITED = 1,
	CHAN_CONNECT_FAILED = 2,
	CHAN_UNKNOWN_CHANNEL_TYPE = 3,
	CHAN_RESOURCE_SHORTAGE = 4,
};

/* A message of the peer.  Fields that its type does not have are zero. */
struct chan_message {
	uint8_t type;	  /* enum chan_type, or an unknown one */
	uint32_t channel; /* ours; CHAN_OPEN: the sender's number */
	uint32_t sender;  /* OPEN_CONFIRMATION: the peer's number */
	uint32_t window;  /* OPEN_CONFIRMATION, WINDOW_ADJUST: bytes */
	uint32_t packet;  /* OPEN_CONFIRMATION: its largest packet, bytes */
	uint32_t reason;  /* OPEN_FAILURE: enum chan_open_reason, or another */
	/* DATA, EXTENDED_DATA: bytes; OPEN_FAILURE: description; REQUEST,
	 * GLOBAL_REQUEST, OPEN: name of the type.  Points into what was parsed.
	 */
	const uint8_t *data;
	size_t data_len;
	bool want_reply; /* REQUEST, GLOBAL_REQUEST */
};

/* Reads a packet of len bytes, without its length in front.  0, or -EPROTO and
 * *ret is untouched.  Of an unknown type only the type is set. */
int chan_parse(const uint8_t *bytes, size_t len, struct chan_message *ret);

/*
 * Packets to send.  channel: its number at the receiver, but ours in OPEN;
 * window, packet: bytes.
 */

/* Opens a channel to host and port (section 7.2), or a session (6.1). */
struct wire_message chan_put_open_direct(uint32_t channel, uint32_t window,
    uint32_t packet, const char *host, uint32_t port);
struct wire_message chan_put_open_session(uint32_t channel, uint32_t window,
    uint32_t packet);

/* A request of a channel that wants a reply, CHAN_SUCCESS or CHAN_FAILURE: with
 * the string text, as "exec" and "subsystem" (section 6.5), or NULL. */
struct wire_message chan_put_request(uint32_t channel, const char *name,
    const char *text);

struct wire_message chan_put_window_adjust(uint32_t channel, uint32_t bytes);
struct wire_message chan_put_open_failure(uint32_t channel, uint32_t reason);
struct wire_message chan_put_request_failure(void);

/* A packet with no more than a channel: CHAN_EOF, CHAN_CLOSE, CHAN_FAILURE. */
struct wire_message chan_put(enum chan_type type, uint32_t channel);

/* The bytes in front of len bytes of channel data. */
#define CHAN_DATA_HEAD 14
void chan_data_head(uint8_t head[CHAN_DATA_HEAD], uint32_t channel,
    uint32_t len);

#endif
