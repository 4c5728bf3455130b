/*
 * The counters of culvert in Prometheus' text format (prometheus.io/docs,
 * "Exposition formats").  They are made from an answer to "status", whose keys
 * culvert-status(1) explains.
 */
#ifndef CLIENT_METRICS_TEXT_H
#define CLIENT_METRICS_TEXT_H

#include <jansson.h>

/* Returns the text as heap memory, which the caller frees; NULL when out of
 * memory. */
char *metrics_text(const json_t *status);

#endif
