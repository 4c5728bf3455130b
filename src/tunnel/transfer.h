/*
 * A transfer of a session, from ENGINE_BEGIN to ENGINE_REPORT: what is shown
 * of it while it runs, and its record.
 */
#ifndef TUNNEL_TRANSFER_H
#define TUNNEL_TRANSFER_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/engine.h"

struct session;

/* A part of its data connection.  Zeroed at first. */
struct transfer {
	bool running;
	uint64_t began_at; /* uv_now() */
	uint64_t before;   /* bytes that its data connection had carried */
	struct engine_report report; /* user and why are not kept */
	char *name;		     /* the report's */
};

/* ENGINE_BEGIN */
void transfer_begin(struct session *session,
    const struct engine_action *action);

/* ENGINE_REPORT: counts it, logs it, writes its record, forgets it. */
void transfer_report(struct session *session,
    const struct engine_action *action);

/* It runs no more; frees what it has. */
void transfer_forget(struct transfer *transfer);

#endif
