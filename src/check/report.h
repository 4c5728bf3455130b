/*
 * The report of culvert check on standard output: text, line by line, or one
 * JSON object at the end.
 */
#ifndef CHECK_REPORT_H
#define CHECK_REPORT_H

#include <stdbool.h>

#include "check/advice.h"

struct json_t;

/* All other members are 0 at first. */
struct report {
	bool json;
	bool quiet;		  /* only findings that are not ok */
	enum advice_status worst; /* status so far */
	unsigned wrong;		  /* findings of that status */
	unsigned untried;
	const char *forward; /* the findings are about it; borrowed, or NULL */
	bool told;	     /* its line has been printed */
	struct json_t *checks;
	bool incomplete; /* out of memory */
};

/* The findings that follow are about that -L or -R; NULL: about none.  The text
 * is borrowed until the next call. */
void report_forward(struct report *report, const char *forward);

/* Adds a finding, and copies it. */
void report_add(struct report *report, const struct advice *advice);

/* What comes after all findings; an empty text is left out. */
struct report_end {
	const char *destination;
	const char *command;
	bool changed; /* it has words in capitals, to be replaced */
	const char *key_line;
	const char *key_place;
	bool ftp, sftp;		 /* what the key is for */
	const char *sshd_config; /* instead of the options of the key */
	const char *sshd_host;	 /* where that is */
};

/* Prints the verdict.  False: standard output cannot be written. */
bool report_finish(struct report *report, const struct report_end *end)
    __attribute__((warn_unused_result));

void report_free(struct report *report);

#endif
