/*
 * The FTP client of culvert check: its control connection.  One command at a
 * time, one reply to each (RFC 959 section 4.2).
 */
#ifndef CHECK_FTP_H
#define CHECK_FTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "check/peer.h"
#include "check/facts.h"
#include "ftp/line.h"
#include "ftp/reply.h"
#include "ftp/secrets.h"

/* Bytes of a reply that are stored, for all its lines together. */
#define FTP_REPLY_MAX 8192

/* All members are 0 before ftp_open(). */
struct ftp {
	struct wait *wait;
	struct peer peer;
	struct line_reader lines;
	struct reply_reader place;
	bool skipping; /* the rest of a line that is too long */
	char text[FTP_REPLY_MAX];
	size_t len;
	struct secrets secrets; /* to hide the password in replies */
};

struct ftp_reply {
	unsigned code; /* 0: no reply; err and text say why */
	int err;       /* -ETIMEDOUT, or how the connection failed or ended */
	char text[FACT_MAX]; /* its last line, escaped */
	const char *lines;   /* all, as they came, with their line ends; valid
			      * until the next reply */
	size_t len;
};

/* Connects through that side, and waits until that has ended: see peer.  The
 * greeting is the first reply. */
void ftp_open(struct ftp *ftp, struct wait *wait, struct side *side,
    const struct side_to *to);

/* Sends a command, given without its line end. */
void ftp_send(struct ftp *ftp, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Waits for the next reply for at most that time, in ms. */
void ftp_read(struct ftp *ftp, uint64_t ms, struct ftp_reply *ret);

/* Takes the next reply, or the loss of the connection, if it is there. */
bool ftp_take(struct ftp *ftp, struct ftp_reply *ret);

void ftp_close(struct ftp *ftp);

#endif
