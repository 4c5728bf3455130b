/*
 * How culvert check waits.
 *
 * The check is one sequence: a function starts something, then runs the loop
 * until it has happened.  Callbacks only note what has happened, and nothing
 * else runs the loop:
 *
 *	wait_begin(wait, ms);
 *	while (!happened && wait_more(wait))
 *		;
 */
#ifndef CHECK_WAIT_H
#define CHECK_WAIT_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/* How long the check waits, in milliseconds. */
struct wait_times {
	uint64_t connect;  /* for a connection */
	uint64_t greeting; /* for the first line on it */
	uint64_t sshd;	   /* for sshd to listen or to connect */
	uint64_t reply;	   /* for an FTP reply */
	uint64_t listing;  /* for a listing whose data keep coming, in all */
	uint64_t settle;   /* for the removal of test files at the end */
	uint64_t login;	   /* for the SSH connection; a user may be typing */
};

struct wait {
	uv_loop_t *loop;
	struct wait_times times;
	uv_timer_t timer;
	bool late; /* the time is over */
	bool over; /* so is the check: nothing is waited for any more */
};

/* times: the values of limits.h; or, when connect_s is not 0, that many seconds
 * for a connection, and the others, but for login, in proportion. */
void wait_init(struct wait *wait, uv_loop_t *loop, uint64_t connect_s);

/* From now on wait_more() waits for at most that time. */
void wait_begin(struct wait *wait, uint64_t ms);

/* Runs the loop until something has happened.  False: wait no longer. */
bool wait_more(struct wait *wait);

/* The loop frees its timer. */
void wait_end(struct wait *wait);

#endif
