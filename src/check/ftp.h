/*
 * The FTP client of culvert check: its control connection.  One command at a
 * time, one reply to each (RFC 959 section 4.2).
 */
#ifndef CHECK_FTP_H
#define CHECK_FTP_H

#include <stdint.h>
#include <uv.h>

#include "base/addr.h"
#include "check/facts.h"
#include "check/timeouts.h"
#include "tunnel/side.h"

/* Bytes of a reply that are stored, for all its lines together. */
#define FTP_REPLY_MAX 8192

struct ftp;

/* Valid during the callback. */
struct ftp_reply {
	unsigned code; /* 0: no reply; err and text say why */
	int err;       /* -ETIMEDOUT, or how the connection failed or ended */
	char text[FACT_MAX]; /* its last line, escaped */
	const char *lines;   /* all, as they came, with their line ends */
	size_t len;
};

/* Called from the loop, once for each wait; the callback may close the
 * connection. */
typedef void ftp_reply_cb(void *ctx, const struct ftp_reply *reply);

/*
 * Connects through that side and waits for the greeting, which done gets.
 * timeouts stays valid until ftp_close().  NULL: the connection could not be
 * started.
 */
struct ftp *ftp_open(uv_loop_t *loop, struct side *side,
    const struct side_to *to, const struct check_timeouts *timeouts,
    ftp_reply_cb *done, void *ctx);

/* Was the connection established? */
bool ftp_was_open(const struct ftp *ftp);

/* Its two addresses; AF_UNSPEC if unknown. */
void ftp_ends(struct ftp *ftp, struct addr *ret_local, struct addr *ret_peer);

/* Sends a command, given without its line end, and waits for the reply.  Must
 * not be called while another wait is under way. */
void ftp_send(struct ftp *ftp, ftp_reply_cb *done, void *ctx,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Waits for one more reply. */
void ftp_wait(struct ftp *ftp, ftp_reply_cb *done, void *ctx);

/* The server is busy with the command: starts the time-out again. */
void ftp_more_time(struct ftp *ftp);

/* Closes it; done is not called.  NULL is allowed.  The loop frees it. */
void ftp_close(struct ftp *ftp);

#endif
