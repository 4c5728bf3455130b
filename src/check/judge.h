/*
 * What was found out of a forward, and what follows from it: findings, each as
 * bad as the others make it.  Pure.
 */
#ifndef CHECK_JUDGE_H
#define CHECK_JUDGE_H

#include <stdbool.h>

#include "check/advice.h"
#include "check/facts.h"
#include "check/login.h"
#include "check/probe.h"
#include "check/suggest.h"
#include "conf/options.h"

/* Of something that sshd was asked to do. */
struct judge_try {
	enum {
		JUDGE_NOT_TRIED,
		JUDGE_GOOD,
		JUDGE_FAILED,
	} result;
	int err; /* as of the sides */
	char why[FACT_MAX];
};

struct judge_outcome {
	char bound[FACT_MAX];	  /* where clients connect; empty: */
	char not_bound[FACT_MAX]; /* why not */

	/* -L: for data connections in active mode; -R: for clients. */
	struct judge_try listen;

	/* -R only. */
	struct judge_try client_passive;
	struct judge_try client_active;

	bool probed; /* the FTP server was dialled */
	struct probe_outcome probe;
	enum login_result login;
	const char *login_why;
	bool netrc_open; /* ... and was used */
};

/* Hears each finding, in the order of the steps. */
typedef void judge_cb(void *ctx, enum finding finding,
    enum advice_status status);

/*
 * facts: what is known beside; those of the forward are made here, as each
 * finding needs them.  ret: which modes work.
 */
void judge_forward(const struct options *options, const struct forward *forward,
    const struct judge_outcome *outcome, struct facts *facts, judge_cb *found,
    void *ctx, struct suggest_modes *ret);

/* What ssh has failed for, given what it has said. */
enum finding judge_ssh(const struct facts *facts);

#endif
