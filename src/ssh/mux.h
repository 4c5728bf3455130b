/*
 * The messages of OpenSSH's control socket that culvert uses (PROTOCOL.mux): a
 * codec, no I/O.
 */
#ifndef SSH_MUX_H
#define SSH_MUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/wire.h"

/* Types of messages; an enum cannot hold these numbers. */
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

/* A message of ssh.  Fields that its type does not have are zero. */
struct mux_message {
	uint32_t type;	     /* MUX_..., or an unknown one */
	uint32_t version;    /* MUX_MSG_HELLO */
	uint32_t request_id; /* all the others */
	uint32_t value;	     /* MUX_S_REMOTE_PORT: port; MUX_S_ALIVE: pid */
	const char *reason; /* FAILURE, PERMISSION_DENIED: no NUL at its end, */
	size_t reason_len;  /* points into what was parsed */
};

/* Reads a message of len bytes, without its length in front.  0, or -EPROTO and
 * *ret is untouched. */
int mux_parse(const uint8_t *bytes, size_t len, struct mux_message *ret);

/* Is it the hello of an ssh that speaks this version of the protocol? */
bool mux_is_hello(const struct mux_message *message);

/* Messages to send; mux_put_request() is for types without further fields. */
struct wire_message mux_put_hello(void);
struct wire_message mux_put_request(uint32_t type, uint32_t request_id);

/*
 * Opens (MUX_C_OPEN_FWD) or closes (MUX_C_CLOSE_FWD) a remote forward from
 * listen_host ("*": all addresses, because ssh reads "" as "localhost") and
 * listen_port (0: sshd chooses) of sshd to the Unix socket at path of this
 * host.  To close it, pass the same fields.  The answer to OPEN is
 * MUX_S_REMOTE_PORT if the port was 0, else MUX_S_OK; to CLOSE, MUX_S_OK.
 */
struct wire_message mux_put_forward(uint32_t type, uint32_t request_id,
    const char *listen_host, uint32_t listen_port, const char *path);

#endif
