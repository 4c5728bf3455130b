/*
 * The findings of culvert check (findings.def).
 */
#ifndef CHECK_FINDINGS_H
#define CHECK_FINDINGS_H

enum finding {
#define FINDING(id, step, status, text) id,
#define FIXABLE(id, step, status, text, fixes) id,
#include "check/findings.def"
#undef FINDING
#undef FIXABLE
	FINDINGS,
};

#endif
