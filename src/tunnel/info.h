/*
 * What is to be seen of a tunnel from outside, at one moment: for culvert
 * status, and for counters.
 */
#ifndef TUNNEL_INFO_H
#define TUNNEL_INFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/engine.h"
#include "limits.h"
#include "tunnel/admission.h"

#define INFO_OUTCOMES (ENGINE_TRUNCATED + 1)

/* By direction, 0: to the client, download; 1: to the server, upload. */
#define INFO_DIRECTIONS 2

/* What a tunnel has counted since it is there; zeroed at first. */
struct tunnel_stats {
	uint64_t sessions; /* that have begun */
	uint64_t refusals[REFUSALS];
	uint64_t transfers[INFO_DIRECTIONS][INFO_OUTCOMES];
	uint64_t bytes[INFO_DIRECTIONS]; /* of data connections */
};

/* A transfer that runs.  Texts are borrowed. */
struct transfer_info {
	enum verb verb;
	const char *name; /* the command's argument, not escaped */
	bool upload;
	uint64_t bytes;	 /* so far */
	int64_t size;	 /* of the file; -1: not known */
	uint64_t offset; /* where in it the transfer has begun */
	uint64_t ms;	 /* since then */
	struct engine_way client, server;
};

/* Those with data connections of their own, and one without. */
#define SESSION_TRANSFERS_MAX (LIMIT_SESSION_DATA + 1)

struct session_info {
	unsigned long number;
	const char *client; /* its address, or where it is */
	const char *user;   /* "": nobody, or not known */
	uint64_t ms;	    /* since its beginning */
	struct transfer_info transfers[SESSION_TRANSFERS_MAX];
	size_t n_transfers;
};

#endif
