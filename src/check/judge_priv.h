/*
 * What judge.c (about sshd) and judge_server.c (about the FTP server) share.
 */
#ifndef CHECK_JUDGE_PRIV_H
#define CHECK_JUDGE_PRIV_H

#include "check/judge.h"

#define JUDGE_PASSIVE 0
#define JUDGE_ACTIVE 1

struct judge {
	const struct options *options;
	const struct forward *forward;
	const struct judge_outcome *outcome;
	const struct probe_outcome *probe;
	struct facts *facts;
	judge_cb *found;
	void *ctx;
	const char *tls_reply; /* by which the server requires TLS; or NULL */
	bool tls_login;	       /* ... to log in, not only for listings */
	bool works[2];	       /* passive, active */
	bool tried;	       /* a listing, in any variant */
};

/* ---- judge.c ---- */

/* Reports a finding, with its own status or with that one. */
void judge_find(struct judge *judge, enum finding finding);
void judge_find_as(struct judge *judge, enum finding finding,
    enum advice_status status);

/* ---- judge_server.c ---- */

/* Finds out which modes work and whether TLS is required, before any finding
 * is reported. */
void judge_look(struct judge *judge);

/* Reports the findings of a server that was reached. */
void judge_server(struct judge *judge);

#endif
