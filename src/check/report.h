/*
 * The report of culvert check on standard output: text, line by line, or one
 * JSON object at the end.
 */
#ifndef CHECK_REPORT_H
#define CHECK_REPORT_H

#include <stdbool.h>

#include "check/advice.h"

struct report;

struct report_options {
	bool json;
	bool quiet; /* only findings that are not ok */
};

/* NULL when out of memory. */
struct report *report_new(const struct report_options *options);

/* The findings that follow are about that -L or -R; NULL: about none. */
void report_forward(struct report *report, const char *forward);

/* Adds a finding, and copies it. */
void report_add(struct report *report, const struct advice *advice);

/* The worst status so far. */
enum advice_status report_worst(const struct report *report);

/* What comes after all findings; an empty text is left out. */
struct report_end {
	const char *destination;
	const char *command;
	bool changed; /* it has words in capitals, to be replaced */
	const char *key_line;
	const char *key_place;
};

/* Prints the verdict.  False: standard output cannot be written. */
bool report_finish(struct report *report, const struct report_end *end)
    __attribute__((warn_unused_result));

/* NULL is allowed. */
void report_free(struct report *report);

#endif
