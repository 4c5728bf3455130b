/*
 * How long culvert check waits, in milliseconds.  Pure.
 */
#ifndef CHECK_TIMEOUTS_H
#define CHECK_TIMEOUTS_H

#include <stdint.h>

struct check_timeouts {
	uint64_t connect;  /* for a connection */
	uint64_t greeting; /* for the first line on it */
	uint64_t sshd;	   /* for sshd to listen or to connect */
	uint64_t reply;	   /* for an FTP reply */
	uint64_t listing;  /* for a listing whose data keep coming, in all */
	uint64_t login;	   /* for the SSH connection; a user may be typing */
};

/* The values of limits.h; or, when connect_s is not 0, that many seconds for a
 * connection, and the others, but for login, in proportion. */
void check_timeouts_init(struct check_timeouts *timeouts, uint64_t connect_s);

#endif
