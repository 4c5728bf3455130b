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
#include "check/peer.h"
#include "check/facts.h"
#include "check/judge.h"
#include "check/login.h"
#include "check/report.h"
#include "check/suggest.h"
#include "check/wait.h"
#include "limits.h"
#include "net/sock.h"
#include "ssh/links.h"
#include "ssh/monitor.h"
#include "ssh/nodelay.h"
#include "ssh/window.h"
#include "ssh/words.h"
#include "tunnel/side.h"

#define CHECK_SIGNALS 3

/* The SSH connection: step_connect.c. */
struct check_link {
	struct link_options options;
	struct window_budget budget;
	struct words_hearer hearer;
	struct links *links;
	bool up;	    /* ssh has logged in */
	bool runs;	    /* its down() has not come yet */
	char why[FACT_MAX]; /* it is down */
	struct nodelay *nodelay;
	struct attempt session; /* of nodelay */
};

/* What is suggested at the end. */
struct check_suggest {
	struct suggest_modes modes[OPTIONS_FORWARDS_MAX];
	struct suggest_command command;
};

struct check {
	const struct check_options *options;
	const struct options *conf; /* options->options */
	uv_loop_t loop;
	uv_signal_t signals[CHECK_SIGNALS];
	bool interrupted; /* by a signal, or the monitor was lost */
	struct wait wait;
	struct monitor *monitor;
	char directory[PRIVDIR_MAX];
	const struct user *user; /* the user to become, or NULL */
	struct net *net;
	struct check_link link;
	struct side *near;
	struct side *far;
	struct login login;
	struct facts facts;
	struct report report;
	bool configured;    /* ssh -G has printed the server's host and port */
	sa_family_t family; /* that ssh is to use; AF_UNSPEC: any */
	size_t forward;	    /* index of the current one */
	struct judge_outcome *outcomes; /* one per forward */
	struct check_suggest suggest;
};

/* ---- check.c ---- */

/* Reports a finding, with its own status or with that one, unless the check was
 * interrupted. */
void check_find(struct check *check, enum finding finding);
void check_find_as(struct check *check, enum finding finding,
    enum advice_status status);

/* Reports a finding on which all later steps depend.  Returns false. */
bool check_find_last(struct check *check, enum finding finding);

/* Failures mean nothing if the link was lost.  Then this waits for its down(),
 * and returns false, as it does when the check is over. */
bool check_link_holds(struct check *check);

/* ---- the steps, in their order; false: the check ends ---- */

/* ssh -G: step_config.c */
bool step_config(struct check *check);

/* Name look-up and TCP: step_reach.c */
bool step_reach(struct check *check);

/* ssh and its messages: step_connect.c */
bool step_connect(struct check *check);

/* A forward: step_forward.c */
bool step_forward(struct check *check);

/* ... of "sftp/": step_sftp.c */
void step_sftp(struct check *check);

/* Tries to bind the addresses on this host, before the process is confined. */
void step_forward_bind(struct check *check);

#endif
