/*
 * The messages of the SSH connection protocol that culvert speaks in ssh's
 * mux proxy mode, as bytes: a codec, no I/O (RFC 4254 section 5, framed as
 * PROTOCOL.mux "Proxy mode" says: uint32 length, byte 0, byte type, payload).
 */
#ifndef SSH_CHAN_H
#define SSH_CHAN_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

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
	uint8_t type;	  /* enum chan_type, or one we do not know */
	uint32_t channel; /* ours; CHAN_OPEN: the sender's number */
	uint32_t sender;  /* OPEN_CONFIRMATION: the peer's number */
	uint32_t window;  /* OPEN_CONFIRMATION, WINDOW_ADJUST: bytes */
	uint32_t packet;  /* OPEN_CONFIRMATION: its largest packet */
	uint32_t reason;  /* OPEN_FAILURE */
	const uint8_t *
	    data; /* DATA, EXTENDED_DATA; OPEN_FAILURE: description; REQUEST, */
	size_t data_len; /* GLOBAL_REQUEST, OPEN: the name of the type */
	int want_reply;	 /* REQUEST, GLOBAL_REQUEST */
};

enum chan_result {
	CHAN_MORE,
	CHAN_READY,
	CHAN_BAD,
};

/*
 * Reads the first packet of len bytes.  On CHAN_READY sets *ret, whose data
 * points into bytes, and *ret_used; otherwise both are untouched.  Types we do
 * not know are CHAN_READY with only the type set.
 */
enum chan_result chan_parse(const uint8_t *bytes, size_t len,
    struct chan_message *ret, size_t *ret_used);

/* Each appends one packet to out: 0, -ENOBUFS or -ENOMEM. */
int chan_put_open_direct(struct buf *out, uint32_t channel, uint32_t window,
    uint32_t packet, const char *host, uint32_t port);
int chan_put_open_session(struct buf *out, uint32_t channel, uint32_t window,
    uint32_t packet);
/* Asks for a subsystem, or for a command, in a session (RFC 4254 section 6.5);
 * the answer is CHAN_SUCCESS or _FAILURE. */
int chan_put_subsystem(struct buf *out, uint32_t channel, const char *name);
int chan_put_exec(struct buf *out, uint32_t channel, const char *command);
int chan_put_window_adjust(struct buf *out, uint32_t channel, uint32_t bytes);
int chan_put_eof(struct buf *out, uint32_t channel);
int chan_put_close(struct buf *out, uint32_t channel);
int chan_put_open_failure(struct buf *out, uint32_t channel, uint32_t reason);
/* A request that no server knows, and therefore answers by CHAN_FAILURE. */
int chan_put_question(struct buf *out, uint32_t channel);
int chan_put_failure(struct buf *out, uint32_t channel);
int chan_put_request_failure(struct buf *out);

/* Bytes that go in front of len bytes of channel data. */
#define CHAN_DATA_HEAD 14
void chan_data_head(uint8_t head[CHAN_DATA_HEAD], uint32_t channel,
    uint32_t len);

#endif
