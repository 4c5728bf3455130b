/*
 * The record of one transfer, as a line.  Pure: no file, no clock.
 */
#ifndef TUNNEL_RECORD_H
#define TUNNEL_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/log.h"
#include "engine/engine.h"
#include "tunnel/side.h"

struct record {
	struct timespec time; /* of its end, CLOCK_REALTIME */
	double seconds;	      /* from its first reply to its end; below 0: it
			       * never began */
	const struct log_origin *origin; /* tunnel, session and client */
	const struct engine_report *report;
	struct side_losses losses; /* of the SSH connection, in the transfer */
	const char *sha256;	   /* in hexadecimal digits; or NULL */
	const char *server; /* that the client has chosen, "HOST:PORT"; NULL: it
			     * had no choice */
};

/*
 * One JSON object (RFC 8259) in one line, without a newline.  Texts of peers
 * that are not UTF-8, or do something to a terminal, are as in the log
 * ("\xe9"); then path_hex has all of the path.  Heap memory, or NULL when out
 * of it.
 */
char *record_json(const struct record *record);

/*
 * A line of wu-ftpd's xferlog(5), in local time, without a newline.  "" for
 * what has no place there: a listing, and what never began.  Heap memory, or
 * NULL when out of it.
 */
char *record_xferlog(const struct record *record);

/* "complete", "truncated" ... */
const char *record_outcome(enum engine_outcome outcome);

#endif
