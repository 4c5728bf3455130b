/*
 * The server's half of the handshake of SOCKS 5 (RFC 1928) and SOCKS 4, with
 * its extension 4A.  Pure: bytes in; bytes to be sent, and one request, out.
 *
 * There is no authentication.  A SOCKS 5 client must offer that (method 0);
 * the user of SOCKS 4 is read and ignored.
 */
#ifndef CAPTURE_SOCKS_H
#define CAPTURE_SOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "limits.h"

/* Longest host in a request, with its NUL (RFC 1928 section 5: one octet has
 * its length). */
#define SOCKS_HOST_MAX 256

/* Longest reply: IPv6 (RFC 1928 section 6). */
#define SOCKS_REPLY_MAX 22

/* The method that was chosen, and a reply. */
#define SOCKS_OUT_MAX (2 + SOCKS_REPLY_MAX)

/* CMD, in both versions. */
enum socks_command {
	SOCKS_CONNECT = 1,
	SOCKS_BIND = 2,
};

/* REP (RFC 1928 section 6).  SOCKS 4 has one code for all refusals. */
enum socks_code {
	SOCKS_GRANTED = 0,
	SOCKS_FAILURE = 1,
	SOCKS_NOT_ALLOWED = 2,
	SOCKS_NET_UNREACHABLE = 3,
	SOCKS_HOST_UNREACHABLE = 4,
	SOCKS_REFUSED = 5,
	SOCKS_BAD_COMMAND = 7,
	SOCKS_BAD_ADDRESS = 8,
};

struct socks_request {
	enum socks_command command;
	char host[SOCKS_HOST_MAX]; /* a name, or an address as
				    * addr_format_ip() writes it */
	uint16_t port;
};

enum socks_result {
	SOCKS_MORE,  /* it needs more bytes */
	SOCKS_READY, /* the request is complete: send socks_reply() */
	SOCKS_WRONG, /* no handshake, or one that is not served: close the
		      * connection after what is to be sent */
};

/* Zero it at first.  Fields other than request are private. */
struct socks {
	struct socks_request request; /* after SOCKS_READY */
	uint8_t version;	      /* 0: not known yet */
	bool greeted;		      /* the method was chosen */
	bool over;		      /* READY or WRONG was returned */
	uint8_t message[LIMIT_SOCKS_MESSAGE];
	size_t len;
};

/* What socks_feed() wants to be sent, and why it returned SOCKS_WRONG. */
struct socks_out {
	uint8_t bytes[SOCKS_OUT_MAX];
	size_t len;	 /* 0: nothing */
	const char *why; /* for people; static */
};

/*
 * Takes bytes of the client, up to the end of its request.  Returns what to do;
 * *ret_taken is how many bytes were taken.  *ret is filled in, whatever is
 * returned.  Call it no more after another result than SOCKS_MORE.
 */
enum socks_result socks_feed(struct socks *socks, const uint8_t *bytes,
    size_t len, size_t *ret_taken, struct socks_out *ret);

/*
 * Writes a reply to the request, after SOCKS_READY, to out.  at: BND.ADDR and
 * BND.PORT; AF_UNSPEC: none.  SOCKS 4 has no room for IPv6: 0.0.0.0 then, which
 * its clients take for the address of the SOCKS server.  Returns its length.
 */
size_t socks_reply(const struct socks *socks, enum socks_code code,
    const struct addr *at, uint8_t out[SOCKS_REPLY_MAX]);

#endif
