/*
 * What the steps of culvert check share.
 */
#ifndef CHECK_CHECK_PRIV_H
#define CHECK_CHECK_PRIV_H

#include <uv.h>

#include "base/privdir.h"
#include "base/user.h"
#include "check/advice.h"
#include "check/check.h"
#include "check/facts.h"
#include "check/judge.h"
#include "check/login.h"
#include "check/report.h"
#include "check/suggest.h"
#include "limits.h"
#include "net/sock.h"
#include "ssh/links.h"
#include "ssh/monitor.h"
#include "ssh/nodelay.h"
#include "ssh/window.h"
#include "ssh/words.h"
#include "tunnel/side.h"

#define CHECK_SIGNALS 3

struct check;

/* A step ends by check_next() or check_finish(). */
typedef void check_step(struct check *check);

/* The state of each step, which its end frees. */
struct config_step;
struct reach_step;
struct forward_step;

/* Changes of the suggested command that are stored; more are ignored. */
#define CHECK_CHANGES 16

struct check {
	const struct check_options *options;
	const struct options *conf; /* options->options */
	uv_loop_t loop;
	uv_signal_t signals[CHECK_SIGNALS];
	uv_timer_t next; /* starts the next step, from the loop */
	check_step *step;
	uv_timer_t limit; /* the time-out of the current step */
	struct monitor *monitor;
	char directory[PRIVDIR_MAX];
	struct user user; /* to become; no name: none */
	struct net *net;
	struct window_budget budget;
	struct words_hearer hearer;
	struct link_options link;
	struct links *links;
	bool link_runs; /* its down() has not come yet */
	struct nodelay *nodelay;
	struct side *near;
	struct side *far;
	struct login *login;
	struct facts facts;
	struct report *report;
	bool logged_in; /* by ssh */
	bool late;	/* the login took too long */
	bool ending;
	bool interrupted;   /* by a signal */
	sa_family_t family; /* that ssh is to use; AF_UNSPEC: any */
	struct config_step *config;
	struct reach_step *reach;
	struct forward_step *forward;
	size_t n_forward;		/* index of the current one */
	struct judge_outcome *outcomes; /* one per forward */
	struct suggest_modes modes[OPTIONS_FORWARDS_MAX];
	struct suggest_change changes[CHECK_CHANGES]; /* of the command */
	size_t n_changes;
};

/* ---- check.c ---- */

/* Starts that step, from the loop. */
void check_next(struct check *check, check_step *step);

/* Ends the last step; the verdict follows. */
void check_finish(struct check *check);

/* Reports a finding, with its own status or with that one. */
void check_find(struct check *check, enum finding finding);
void check_find_as(struct check *check, enum finding finding,
    enum advice_status status);

/* Reports a finding on which all later steps depend, and ends. */
void check_find_last(struct check *check, enum finding finding);

/* ---- the steps, in their order, and what frees each ---- */

/* ssh -G: step_config.c */
void step_config(struct check *check);
void step_config_free(struct check *check);

/* Name look-up and TCP: step_reach.c */
void step_reach(struct check *check);
void step_reach_free(struct check *check);

/* ssh and its messages: step_connect.c */
void step_connect(struct check *check);

/* Each forward: step_forward.c */
void step_forward(struct check *check);
void step_forward_free(struct check *check);

/* Tries to bind the addresses on this host, before the process is confined. */
void step_forward_bind(struct check *check);

#endif
