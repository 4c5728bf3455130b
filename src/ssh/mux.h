/*
 * The messages of OpenSSH's control socket that culvert speaks, as bytes
 * (PROTOCOL.mux): a codec, no I/O.  Integers are big endian, strings have a
 * 32-bit length, and each message a 32-bit length in front.
 */
#ifndef SSH_MUX_H
#define SSH_MUX_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Types of messages; an enum holds no such numbers. */
#define MUX_MSG_HELLO 0x00000001U
#define MUX_C_ALIVE_CHECK 0x10000004U
#define MUX_C_OPEN_FWD 0x10000006U
#define MUX_C_CLOSE_FWD 0x10000007U
#define MUX_C_PROXY 0x1000000fU
#define MUX_S_OK 0x80000001U
#define MUX_S_PERMISSION_DENIED 0x80000002U
#define MUX_S_FAILURE 0x80000003U
#define MUX_S_ALIVE 0x80000005U
#define MUX_S_REMOTE_PORT 0x80000007U
#define MUX_S_PROXY 0x8000000fU

#define MUX_PROTOCOL_VERSION 4

/* A message of ssh.  Fields that its type does not have are zero. */
struct mux_message {
	uint32_t type;	     /* MUX_..., or one we do not know */
	uint32_t version;    /* MUX_MSG_HELLO */
	uint32_t request_id; /* all the others */
	uint32_t value;	     /* MUX_S_REMOTE_PORT: port; MUX_S_ALIVE: pid */
	const char *reason;  /* FAILURE, PERMISSION_DENIED: not terminated, */
	size_t reason_len;   /* points into what was parsed */
};

enum mux_result {
	MUX_MORE, /* not a whole message yet */
	MUX_READY,
	MUX_BAD, /* not the mux protocol: give the connection up */
};

/*
 * Reads the first message of len bytes.  On MUX_READY sets *ret and
 * *ret_used, the bytes it took; otherwise both are untouched.
 */
enum mux_result mux_parse(const uint8_t *bytes, size_t len,
    struct mux_message *ret, size_t *ret_used);

/* Each appends one message to out: 0, -ENOBUFS or -ENOMEM. */
int mux_put_hello(struct buf *out);
int mux_put_alive_check(struct buf *out, uint32_t request_id);
int mux_put_proxy(struct buf *out, uint32_t request_id);

/*
 * Opens, or closes, a remote forward from listen_host (sshd's side; "*": all
 * its addresses, while ssh reads "" as "localhost"; listen port 0: sshd's
 * choice) to the Unix socket at path on our side.  The answer to the opening is
 * MUX_S_REMOTE_PORT when the port was 0, else MUX_S_OK; to the closing, which
 * takes the very same fields, MUX_S_OK.
 */
int mux_put_open_forward(struct buf *out, uint32_t request_id,
    const char *listen_host, uint32_t listen_port, const char *path);
int mux_put_close_forward(struct buf *out, uint32_t request_id,
    const char *listen_host, uint32_t listen_port, const char *path);

#endif
