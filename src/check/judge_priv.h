/*
 * What the two halves of the judge share: judge.c is about sshd, and
 * judge_server.c about the FTP server.
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
	bool tls_login; /* the server demands TLS */
	bool tls_data;
	bool works[2]; /* passive, active */
	bool tried;    /* any listing */
};

/* ---- judge.c ---- */

void judge_find(struct judge *judge, enum finding finding,
    enum advice_status status);

/* As bad as the finding is by itself. */
void judge_find_plain(struct judge *judge, enum finding finding);

/* Is that a loopback address, or localhost? */
bool judge_is_loopback(const char *host);

/* ---- judge_server.c ---- */

/* Before anything is said: which modes work, and what about TLS. */
void judge_look(struct judge *judge);

/* The server, which was reached. */
void judge_server(struct judge *judge);

#endif
