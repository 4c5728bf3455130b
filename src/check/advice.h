/*
 * What culvert check prints: the step of each finding, how bad it is, and its
 * fixes, with the place to make them (findings.def).  Facts in, texts out;
 * pure.
 */
#ifndef CHECK_ADVICE_H
#define CHECK_ADVICE_H

#include <stddef.h>

#include "check/facts.h"
#include "check/suggest.h"

/* How bad it is. */
enum advice_status {
	ADVICE_OK,
	ADVICE_SKIPPED, /* not tried; transfers do not depend on it */
	ADVICE_NOTE,	/* transfers work nevertheless */
	ADVICE_UNTRIED, /* not tried; transfers may depend on it */
	ADVICE_WRONG,	/* transfers will fail */
};

/* A place, the line to put there, and a remark.  The line or the remark may be
 * empty. */
struct advice_fix {
	char place[FACT_MAX];
	char put[2 * FACT_MAX];
	char remark[FACT_MAX];
};

#define ADVICE_FIXES 5

struct advice {
	char step[32]; /* "host key" */
	enum advice_status status;
	char text[4 * FACT_MAX];
	struct advice_fix fixes[ADVICE_FIXES];
	size_t n_fixes; /* alternatives; the likeliest comes first */
};

/* Makes the texts of a finding; its status is that of advice_worst(). */
void advice_make(enum finding finding, const struct facts *facts,
    struct advice *ret);

/* How bad the finding is when culvert has no other way. */
enum advice_status advice_worst(enum finding finding);

/* What to change in the suggested culvert command when that finding is WRONG;
 * the member forward is 0. */
struct suggest_change advice_change(enum finding finding);

/* "ok", "note", "WRONG", ... */
const char *advice_status_name(enum advice_status status);

#endif
