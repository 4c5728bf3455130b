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
	bool tls_login; /* the server requires TLS to log in */
	bool tls_data;	/* ... and for data connections */
	bool works[2];	/* passive, active */
	bool tried;	/* a listing, in any variant */
};

/* ---- judge.c ---- */

void judge_find(struct judge *judge, enum finding finding,
    enum advice_status status);

/* With the finding's own status. */
void judge_find_plain(struct judge *judge, enum finding finding);

/* Is that localhost or a loopback address? */
bool judge_is_loopback(const char *host);

/* ---- judge_server.c ---- */

/* Finds out which modes work and whether TLS is required, before any finding
 * is reported. */
void judge_look(struct judge *judge);

/* Reports the findings of a server that was reached. */
void judge_server(struct judge *judge);

#endif
