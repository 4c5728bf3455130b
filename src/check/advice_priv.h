/*
 * What advice.c shares with its table, advice_rows.c.  Nobody else includes it.
 */
#ifndef CHECK_ADVICE_PRIV_H
#define CHECK_ADVICE_PRIV_H

#include "check/advice.h"
#include "check/suggest.h"

/* Where a fix is put. */
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
	} fixes[ADVICE_FIXES];
	enum server_topic topic; /* of FTP_SERVER */

	/* What of the command has failed, and so is not suggested again. */
	struct suggest_change change;
};

/* Rows of the tables. */
#define ROW(finding, named, how_bad, ...) \
	[finding] = { .step = (named),    \
		.status = (how_bad),      \
		.text = __VA_ARGS__ }
#define OK(finding, named, said) ROW(finding, named, ADVICE_OK, said)
#define SKIPPED(finding, named, said) ROW(finding, named, ADVICE_SKIPPED, said)
#define NOTE(finding, named, ...) ROW(finding, named, ADVICE_NOTE, __VA_ARGS__)
#define UNTRIED(finding, named, ...) \
	ROW(finding, named, ADVICE_UNTRIED, __VA_ARGS__)
#define WRONG(finding, named, ...) \
	ROW(finding, named, ADVICE_WRONG, __VA_ARGS__)

/* How a line goes into what is there: sshd takes the first of its kind, but one
 * of a Match block that applies before all. */
#define IN_PLACE "replaces its line there, also in a Match block"
#define ADDED "added to its line there, or in place of \"none\" there"

/* What is said of that finding.  In the texts {name} stands for that fact, and
 * {'name} for the same as a word of a shell. */
const struct row *advice_row(enum finding finding);

/* advice_rows_ftp.c: the same, of GREETING_OK and what follows. */
const struct row *advice_ftp_row(enum finding finding);

#endif
