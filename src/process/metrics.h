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
 * Sets *ret to the exporter's arguments, for monitor_options.metrics.  They
 * stay valid as long as the process.  *ret becomes NULL if the options have no
 * --metrics.  Returns false if the exporter is not installed, which has been
 * logged.
 */
bool metrics_arguments(const struct options *options, const char *const **ret);

/*
 * Listens as --metrics says: on a Unix socket that must not be in use, or on an
 * address.  Call it before the confinement.  *ret becomes NULL if there is no
 * --metrics.  Returns false if it cannot listen, which has been logged.
 */
bool metrics_open(struct shared *shared, const struct options *options,
    struct metrics **ret);

/* Starts the exporter; the control socket must exist.  NULL is allowed. */
void metrics_start(struct metrics *metrics);

/*
 * Stops listening, so that another culvert can listen there.  Requests on
 * connections that have been accepted are still answered.  With NULL, or the
 * second time, it does nothing.
 */
void metrics_drain(struct metrics *metrics);

/* Stops listening and ends the exporter.  The loop runs until the exporter has
 * ended.  NULL is allowed. */
void metrics_close(struct metrics *metrics);

#endif
