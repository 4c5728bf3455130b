/*
 * The doctor's report: lines for people as they come, or one JSON object at the
 * end, both on standard output.
 */
#ifndef CHECK_REPORT_H
#define CHECK_REPORT_H

#include <stdbool.h>

#include "check/advice.h"

struct report;

struct report_options {
	bool json;
	bool quiet; /* only what is not as it should be */
};

/* NULL when out of memory. */
struct report *report_new(const struct report_options *options);

/* What follows is about that -L or -R; NULL: about none of them. */
void report_forward(struct report *report, const char *forward);

/* The advice is copied. */
void report_add(struct report *report, const struct advice *advice);

/* The worst so far. */
enum advice_status report_worst(const struct report *report);

/* What stands behind all findings; a text that is empty is left out. */
struct report_end {
	const char *destination;
	const char *command;
	bool changed; /* it has words in capitals that somebody fills in */
	const char *key_line;
	const char *key_place;
};

/* The verdict.  False: standard output does not take it. */
bool report_finish(struct report *report, const struct report_end *end)
    __attribute__((warn_unused_result));

/* NULL is allowed. */
void report_free(struct report *report);

#endif
