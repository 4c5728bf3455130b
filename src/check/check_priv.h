/*
 * What the steps of the doctor share.
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

/* What one step has, and its end lets go of. */
struct config_step;
struct reach_step;
struct forward_step;

/* What of the command is found wrong; of more, the first count. */
#define CHECK_CHANGES 16

struct check {
	const struct check_options *options;
	const struct options *conf; /* options->options */
	uv_loop_t loop;
	uv_signal_t signals[CHECK_SIGNALS];
	uv_timer_t next; /* begins a step, from the loop */
	check_step *step;
	uv_timer_t limit; /* of a step, for its own use */
	struct monitor *monitor;
	char directory[PRIVDIR_MAX];
	struct user user; /* to become; without a name: none */
	struct net *net;
	struct window_budget budget;
	struct words_hearer hearer;
	struct link_options link;
	struct links *links;
	bool link_runs; /* its down() is to come */
	struct nodelay *nodelay;
	struct side *near;
	struct side *far;
	struct login *login;
	struct facts facts;
	struct report *report;
	bool logged_in; /* by ssh */
	bool late;	/* it had no login in time */
	bool ending;
	bool interrupted;   /* by a signal */
	sa_family_t family; /* that ssh is to use; AF_UNSPEC: any */
	struct config_step *config;
	struct reach_step *reach;
	struct forward_step *forward;
	size_t n_forward;		/* at hand */
	struct judge_outcome *outcomes; /* of each forward */
	struct suggest_modes modes[OPTIONS_FORWARDS_MAX];
	struct suggest_change changes[CHECK_CHANGES]; /* of the command */
	size_t n_changes;
};

/* ---- check.c ---- */

/* Begins that step, from the loop. */
void check_next(struct check *check, check_step *step);

/* All has been said, but for the verdict. */
void check_finish(struct check *check);

/* A finding, as bad as it is by itself, or as that. */
void check_find(struct check *check, enum finding finding);
void check_find_as(struct check *check, enum finding finding,
    enum advice_status status);

/* A finding that all else depends on: then that is the end. */
void check_find_last(struct check *check, enum finding finding);

/* ---- the steps, in their order; and what lets go of each ---- */

/* ssh -G: step_config.c */
void step_config(struct check *check);
void step_config_free(struct check *check);

/* The name and TCP: step_reach.c */
void step_reach(struct check *check);
void step_reach_free(struct check *check);

/* ssh, and what it says: step_connect.c */
void step_connect(struct check *check);

/* Each forward: step_forward.c */
void step_forward(struct check *check);
void step_forward_free(struct check *check);

/* Which of this host's addresses are free; before the process is confined. */
void step_forward_bind(struct check *check);

#endif
