/*
 * The connections and listeners of culvert check, and how an attempt to make
 * one has ended.
 */
#ifndef CHECK_CONN_H
#define CHECK_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/stream.h"
#include "check/facts.h"
#include "check/wait.h"
#include "net/sock.h"
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
struct conn {
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
void conn_dial(struct conn *conn, struct side *side, const struct side_to *to);
void conn_dial_addr(struct conn *conn, struct net *net, const struct addr *to);

/* Closes it as failed. */
void conn_fail(struct conn *conn, int err, const char *why);

void conn_close(struct conn *conn);

struct conn_listener {
	struct attempt attempt;
	struct side_listener *listener; /* or NULL */
	struct addr v4, v6;		/* as in tunnel/side.h */
	struct conn *conn; /* gets the first connection; all others are reset */
};

/* Begins to listen.  conn may be NULL. */
void conn_listen(struct conn_listener *listener, struct side *side,
    const struct side_at *at, struct conn *conn);

void conn_unlisten(struct conn_listener *listener);

#endif
