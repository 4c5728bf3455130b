/*
 * What culvert counts, in Prometheus' text format (prometheus.io/docs,
 * "Exposition formats"): made of the answer to "status", whose keys
 * culvert-status(1) explains.
 */
#ifndef CMD_METRICS_TEXT_H
#define CMD_METRICS_TEXT_H

#include <jansson.h>

/* On the heap; NULL when out of memory. */
char *metrics_text(const json_t *status);

#endif
