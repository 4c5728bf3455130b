/*
 * --metrics: what culvert counts, for Prometheus, by HTTP.
 *
 * Theory of operation.  The exporter, a separate program (cmd/metrics.c),
 * answers HTTP requests.  So neither libmicrohttpd nor the libraries that this
 * needs (GnuTLS, p11-kit, GMP) are in the process that handles what FTP peers
 * send.  The main process binds the address before it drops its privileges,
 * keeps the listening socket, and has the monitor start the exporter with it
 * (ssh/monitor.h).  For each answer the exporter sends the request "status" to
 * the control socket (control.h).  If it ends, it is started again after a
 * pause.
 */
#ifndef PROCESS_METRICS_H
#define PROCESS_METRICS_H

#include <stdbool.h>

#include "conf/options.h"
#include "process/shared.h"

struct metrics;

/*
 * For monitor_options.metrics: the exporter's arguments, valid as long as the
 * process, into *ret; NULL where the options have no --metrics.  False: the
 * exporter is not installed, which has been logged.
 */
bool metrics_arguments(const struct options *options, const char *const **ret);

/*
 * Listens as --metrics says, before the confinement: on a Unix socket that must
 * not be in use, or on an address.  *ret is NULL if there is no --metrics.
 * False: it cannot listen, which has been logged.
 */
bool metrics_open(struct shared *shared, const struct options *options,
    struct metrics **ret);

/* Starts the exporter; the control socket must exist.  NULL is allowed. */
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

#endif
