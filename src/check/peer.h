/*
 * The peers that culvert check connects to or listens for, and how an attempt
 * to do so has ended.
 */
#ifndef CHECK_PEER_H
#define CHECK_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/stream.h"
#include "check/facts.h"
#include "check/wait.h"
#include "net/sock.h"
#include "ssh/link.h"
#include "tunnel/side.h"

struct attempt {
	enum {
		ATTEMPT_NONE,
		ATTEMPT_STARTED,
		ATTEMPT_GOOD,
		ATTEMPT_FAILED,
	} result;
	int err;	    /* as in tunnel/side.h, or -ETIMEDOUT */
	char why[FACT_MAX]; /* escaped; what sshd said, without explanations */
};

void attempt_fail(struct attempt *attempt, int err, const char *why);

/* Waits until it has ended.  Then it is GOOD or FAILED. */
void attempt_wait(struct attempt *attempt, struct wait *wait, uint64_t ms);

/* All members are 0 before the first call. */
struct peer {
	struct attempt attempt; /* also FAILED when it is lost after opening */
	struct stream *stream;	/* or NULL */
	bool opened;		/* it has been */
	bool ended;		/* ... and the peer has sent everything */
	uint64_t bytes;		/* received */

	/* Gets what is received; NULL: nobody does. */
	void (*data)(void *ctx, const struct iovec *pieces, size_t n);
	void *ctx;
};

/* Begins to connect: through a side, or to that address. */
void peer_dial(struct peer *peer, struct side *side, const struct side_to *to);
void peer_dial_addr(struct peer *peer, struct net *net, const struct addr *to);

/* Begins to open a session with the subsystem sftp (ssh/link.h). */
void peer_sftp(struct peer *peer, struct link *link);

/* Closes it as failed. */
void peer_fail(struct peer *peer, int err, const char *why);

void peer_close(struct peer *peer);

struct peer_listener {
	struct attempt attempt;
	struct side_listener *listener; /* or NULL */
	struct addr v4, v6;		/* as in tunnel/side.h */
	struct peer *peer; /* gets the first connection; all others are reset */
};

/* Begins to listen.  peer may be NULL. */
void peer_listen(struct peer_listener *listener, struct side *side,
    const struct side_at *at, struct peer *peer);

void peer_unlisten(struct peer_listener *listener);

#endif
