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
	enum finding login; /* of login_find() */
	const char *login_why;
	bool netrc_readable; /* the netrc was used, and others can read it */
};

#define JUDGE_PASSIVE 0
#define JUDGE_ACTIVE 1

/* The caller sets the members up to ctx; the others are 0 at first. */
struct judge {
	const struct options *options;
	const struct forward *forward;
	const struct judge_outcome *outcome;
	struct facts *facts;

	/* Gets each finding, in the order of the steps. */
	void (
	    *found)(void *ctx, enum finding finding, enum advice_status status);
	void *ctx;

	bool tried;	       /* a listing, in any variant */
	bool works[2];	       /* passive, active mode */
	const char *tls_reply; /* by which the server requires TLS; or NULL */
	bool tls_login;	       /* ... to log in, not only for listings */
};

/* Judges a forward; of "sftp/", only where it listens (step_sftp.c does the
 * rest).  facts has what is known already; before each finding this sets the
 * facts of its text. */
void judge_forward(struct judge *judge);

/* Why ssh has failed, by its messages. */
enum finding judge_ssh(const struct facts *facts);

/* ---- inside judge.c (about sshd) and judge_server.c (the FTP server) ---- */

/* Reports a finding, with its own status or with that one. */
void judge_find(struct judge *judge, enum finding finding);
void judge_find_as(struct judge *judge, enum finding finding,
    enum advice_status status);

/* Finds out which modes work and whether TLS is required, before any finding
 * is reported. */
void judge_look(struct judge *judge);

/* Reports the findings of a server that was reached. */
void judge_server(struct judge *judge);

/* Does EPRT with an IPv6 address work? */
bool judge_is_on_ipv6(const struct judge *judge);

#endif
