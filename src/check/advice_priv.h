/*
 * What advice.c shares with its tables, advice_rows.c and advice_rows_ftp.c.
 */
#ifndef CHECK_ADVICE_PRIV_H
#define CHECK_ADVICE_PRIV_H

#include "check/advice.h"
#include "check/suggest.h"

/* Where a fix is made. */
enum place {
	PLACE_NONE,
	SSHD_CONFIG, /* of the SSH server */
	AUTHORIZED_KEYS,
	KEY_LINE, /* the line there of the key that is used */
	SSH_CONFIG,
	THIS_HOST, /* a command to run here */
	HERE,	   /* something else to do on this host */
	NETRC,
	CULVERT,  /* its own command line, or configuration */
	FAR_HOST, /* the SSH server's host */
	SERVER_HOST,
	FTP_SERVER, /* its configuration: the topic says which setting */
};

struct row {
	const char *step;
	enum advice_status status;
	const char *text;
	struct {
		enum place place;
		const char *put;    /* the line; ""; NULL: see topic */
		const char *remark; /* or NULL */
	} fixes[ADVICE_FIXES];
	enum server_topic topic; /* of FTP_SERVER */

	/* The part of the command that failed, for the suggested command. */
	struct suggest_change change;
};

/* Rows of the tables, by status. */
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

/* How to put a line into sshd_config.  sshd uses the first line of each kind,
 * but a line in a matching Match block comes before all others. */
#define IN_PLACE "replaces its line there, also in a Match block"
#define ADDED "add it to its line there, or replace \"none\" there"

/* The row of a finding.  In the texts, {name} stands for the fact of that name,
 * and {'name} for the same, quoted for a shell. */
const struct row *advice_row(enum finding finding);

/* advice_rows_ftp.c: the same, for GREETING_OK and the findings after it. */
const struct row *advice_ftp_row(enum finding finding);

#endif
