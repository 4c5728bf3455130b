/*
 * The FTP server of a session: who it is, and how it is reached.  A tunnel has
 * one for all of its sessions; a session whose server is decided when its
 * client comes has its own.
 */
#ifndef TUNNEL_TARGET_H
#define TUNNEL_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/forward.h"

struct side;

struct target {
	char host[FORWARD_HOST_MAX]; /* as that side looks it up */
	uint16_t port;
	struct side *side; /* toward the server; borrowed */

	/* Where data connections of the server arrive (struct side_at, host);
	 * NULL: at our end of its control connection, or, on the far side,
	 * where that is not known, at the loopback address.  Borrowed. */
	const char *listen_at;

	bool no_link; /* it is reached without the link of its tunnel: the loss
		       * of the link does not end the session */

	bool survives; /* its side decides whether the loss of the link ends a
			* session (--survive) */

	/* A session ends when no command has come and no transfer has run for
	 * so long, in milliseconds; 0: never. */
	uint64_t idle_ms;

	/* Of the gateway's side only. */
	bool sftp;	  /* it is the gateway's side: passive mode only */
	bool sftp_whole;  /* it stores a file when it is whole */
	bool no_password; /* it takes any: so only loopback */
};

#endif
