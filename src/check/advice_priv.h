/*
 * What advice.c shares with its table, advice_rows.c.  Nobody else includes it.
 */
#ifndef CHECK_ADVICE_PRIV_H
#define CHECK_ADVICE_PRIV_H

#include "check/advice.h"
#include "check/suggest.h"

/* Where a cure is put. */
enum place {
	PLACE_NONE,
	SSHD_CONFIG, /* of the SSH server */
	AUTHORIZED_KEYS,
	KEY_LINE, /* there, the line of the key that is used */
	SSH_CONFIG,
	THIS_HOST, /* a command to run here */
	HERE,	   /* something else to do */
	NETRC,
	CULVERT,  /* its own command line, or configuration */
	FAR_HOST, /* the SSH server's host */
	SERVER_HOST,
	FTP_SERVER, /* its configuration: the topic of the row */
};

struct row {
	const char *step;
	enum advice_status status;
	const char *text;
	struct {
		enum place place;
		const char *put;    /* NULL: what the topic says; "": */
		const char *remark; /* only that; or NULL */
	} cures[ADVICE_CURES];
	enum server_topic topic; /* of FTP_SERVER */
};

/* What is said of that finding.  In the texts {name} stands for that fact, and
 * {'name} for the same as a word of a shell. */
const struct row *advice_row(enum finding finding);

#endif
