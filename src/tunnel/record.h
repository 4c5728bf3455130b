/*
 * The record of one transfer, as a line.  No file is touched here, and no
 * clock.
 */
#ifndef TUNNEL_RECORD_H
#define TUNNEL_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/log.h"
#include "engine/engine.h"

struct record {
	struct timespec time; /* of its end, CLOCK_REALTIME */
	double seconds;	      /* since its first reply; below 0: it never
			       * began */
	const struct log_origin *origin; /* tunnel, session and client */
	const struct engine_report *report;
	const char *sha256; /* in hexadecimal digits; or NULL */
};

/*
 * One JSON object in one line (RFC 8259), its newline included, of *ret_len
 * bytes.  Texts of peers that are no UTF-8, or do something to a terminal,
 * are as in the log ("\xe9"); then path_hex has all of the path.  Heap memory,
 * or NULL when out of it.
 */
char *record_json(const struct record *record, size_t *ret_len);

/*
 * A line of wu-ftpd's xferlog(5), in local time.  That has files only: for a
 * listing, and for what never began, *ret_len is 0.  Heap memory, or NULL when
 * out of it.
 */
char *record_xferlog(const struct record *record, size_t *ret_len);

/* "complete", "truncated" ... */
const char *record_outcome(enum engine_outcome outcome);

#endif
