/*
 * The results of a forward's checks in, findings out.  How bad a finding is may
 * depend on others.  Pure.
 */
#ifndef CHECK_JUDGE_H
#define CHECK_JUDGE_H

#include <stdbool.h>

#include "check/advice.h"
#include "check/peer.h"
#include "check/facts.h"
#include "check/login.h"
#include "check/probe.h"
#include "check/suggest.h"
#include "conf/options.h"

struct judge_outcome {
	char bound[FACT_MAX];	  /* where clients connect; or empty */
	char not_bound[FACT_MAX]; /* ... and the reason */

	/* -L: for data connections in active mode; -R: for clients. */
	struct attempt listen;

	/* -R only. */
	struct attempt client_passive;
	struct attempt client_active;

	struct probe_outcome probe;
	enum login_result login;
	const char *login_why;
	bool netrc_open; /* the netrc was used, and others can read it */
};

/* Gets each finding, in the order of the steps. */
typedef void judge_cb(void *ctx, enum finding finding,
    enum advice_status status);

/*
 * Judges a forward.  facts has what is known already; before each finding this
 * sets the facts of its text.  ret: which modes work.
 */
void judge_forward(const struct options *options, const struct forward *forward,
    const struct judge_outcome *outcome, struct facts *facts, judge_cb *found,
    void *ctx, struct suggest_modes *ret);

/* Why ssh has failed, by its messages. */
enum finding judge_ssh(const struct facts *facts);

#endif
