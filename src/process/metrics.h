/*
 * --metrics: what culvert counts, for Prometheus, by HTTP (libmicrohttpd).
 *
 * GET /metrics, in Prometheus' text format; nothing else is there, and nothing
 * is read of a request but its first lines.  It lives in the loop of all.
 */
#ifndef PROCESS_METRICS_H
#define PROCESS_METRICS_H

#include <stddef.h>

#include "base/addr.h"

struct app;
struct metrics;

/*
 * Listens: at path, a Unix socket that must not be in use, or if that is NULL
 * at *at.  Before the confinement.  NULL, with a text for people in why, when
 * it cannot.
 */
struct metrics *metrics_open(struct app *app, const struct addr *at,
    const char *path, char *why, size_t why_size);

/*
 * Stops listening, so that the next culvert can listen there; requests that
 * have been accepted are still answered.  NULL, and a second call, do nothing.
 */
void metrics_drain(struct metrics *metrics);

/* NULL is allowed. */
void metrics_close(struct metrics *metrics);

/* metrics_text.c: all of it, heap memory of *ret_len bytes; NULL when out of
 * it.
 */
char *metrics_text(const struct app *app, size_t *ret_len);

#endif
