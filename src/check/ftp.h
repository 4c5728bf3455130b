/*
 * The control connection of the doctor, who is an FTP client here: one command
 * at a time, one reply each (RFC 959 section 4.2).
 */
#ifndef CHECK_FTP_H
#define CHECK_FTP_H

#include <stdint.h>
#include <uv.h>

#include "base/addr.h"
#include "check/facts.h"
#include "check/timeouts.h"
#include "tunnel/side.h"

/* Bytes of a reply that are kept, of all its lines together. */
#define FTP_REPLY_MAX 8192

struct ftp;

/* Valid in the call. */
struct ftp_reply {
	unsigned code; /* 0: there is none, */
	int err;       /* ... -ETIMEDOUT: in time; else the connection failed
			* or has ended so, and text says why */
	char text[FACT_MAX]; /* its last line, escaped */
	const char *lines;   /* all, as they came, with their line ends */
	size_t len;
};

/* Called from the loop, once for each wait; the connection may be closed in the
 * call. */
typedef void ftp_reply_cb(void *ctx, const struct ftp_reply *reply);

/*
 * Dials by that side, and waits for the greeting, for which done comes.  NULL:
 * it could not even be tried.
 */
struct ftp *ftp_open(uv_loop_t *loop, struct side *side,
    const struct side_to *to, const struct check_timeouts *timeouts,
    ftp_reply_cb *done, void *ctx);

/* Has it stood? */
bool ftp_was_open(const struct ftp *ftp);

/* Its ends, AF_UNSPEC where they are not known. */
void ftp_ends(struct ftp *ftp, struct addr *ret_local, struct addr *ret_peer);

/* Sends a command, without its line end, and waits for the reply to it.  Nobody
 * waits for another. */
void ftp_send(struct ftp *ftp, ftp_reply_cb *done, void *ctx,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Waits for one more reply. */
void ftp_wait(struct ftp *ftp, ftp_reply_cb *done, void *ctx);

/* What was asked for is being done: the wait begins anew. */
void ftp_more_time(struct ftp *ftp);

/* Nobody waits any more.  NULL is allowed; the loop frees it. */
void ftp_close(struct ftp *ftp);

#endif
