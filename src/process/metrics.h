/*
 * --metrics: what culvert counts, for Prometheus, by HTTP.
 *
 * Theory of operation.  The exporter, a program of its own (cmd/metrics.c),
 * answers HTTP, so that neither libmicrohttpd nor the libraries that this needs
 * (GnuTLS, p11-kit, GMP) are in the process that handles what FTP peers send.
 * The main process binds the address while it may still do so, keeps the
 * listening socket, and has the monitor start the exporter with it
 * (ssh/monitor.h). The exporter asks the control socket (control.h) for the
 * text of each answer. When it ends by itself, it is started again after a
 * pause.
 */
#ifndef PROCESS_METRICS_H
#define PROCESS_METRICS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"

struct app;
struct metrics;
struct options;

/*
 * For monitor_options.metrics: the exporter's arguments, valid as long as the
 * process, into *ret; NULL where the options have no --metrics.  False: the
 * exporter is not installed, which has been logged.
 */
bool metrics_arguments(const struct options *options, const char *const **ret);

/*
 * Listens: at path, a Unix socket that must not be in use, or if that is NULL
 * at *at.  Before the confinement.  NULL, with a text for people in why, when
 * it cannot.
 */
struct metrics *metrics_open(struct app *app, const struct addr *at,
    const char *path, char *why, size_t why_size);

/* Starts the exporter.  The control socket is there.  NULL does nothing. */
void metrics_start(struct metrics *metrics);

/*
 * Stops listening, so that the next culvert can listen there; requests on
 * connections that have been accepted are still answered.  NULL, and a second
 * call, do nothing.
 */
void metrics_drain(struct metrics *metrics);

/* Ends the exporter as well; the loop runs until that has ended.  NULL is
 * allowed. */
void metrics_close(struct metrics *metrics);

/* metrics_text.c: all of it, heap memory; NULL when out of it. */
char *metrics_text(const struct app *app);

#endif
