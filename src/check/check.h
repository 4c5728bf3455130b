/*
 * The doctor: goes through everything that a transfer takes, from the name of
 * the SSH server to listings in each mode, for real, and says of each step that
 * it is good, or what fixes it (advice.h).
 *
 * Theory of operation.  As culvert itself it has two processes: the monitor
 * (ssh/monitor.h) starts ssh, and the other one is confined before it reads a
 * byte of anybody.  The sides are culvert's own (tunnel/side.h), so what sshd
 * refuses is refused here as it would be there; only the FTP client is the
 * doctor himself.  What there is to know of the SSH connection beside that ssh
 * says with -v.
 *
 *	ssh -G -- name -- TCP -- ssh -- Nagle -- each -L and -R -- verdict
 *	     \______\______\_____\___________________________________/
 *	                something is wrong that all depends on
 *
 * Of a forward all is found out first (step_forward.c, probe.c, trial.c), and
 *then judged (judge.c), since how bad one finding is others decide.
 */
#ifndef CHECK_CHECK_H
#define CHECK_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "check/suggest.h"
#include "check/timeouts.h"
#include "conf/options.h"
#include "ssh/link.h"

/* Of culvert check, with what is wrong in between. */
enum check_status {
	CHECK_WORKS = 0,
	CHECK_FAILS = 1,
	CHECK_UNKNOWN = 3, /* something was not tried */
};

/* All is borrowed. */
struct check_options {
	const struct options *options;
	struct link_options link; /* how ssh is run; its arguments begin with
				   * -v */
	const struct suggest_option *given; /* on the command line, of what is
					     * culvert's */
	size_t n_given;
	const char *tunnel;   /* of the configuration file; or NULL */
	const char *config;   /* that file, if it was named; or NULL */
	const char *looked;   /* the file in which no such tunnel was found, */
	const char *nearest;  /* ... and the nearest there; or NULL */
	bool named;	      /* ... and the file was named */
	const char *user;     /* whom to become, as culvert up does; or NULL */
	const char *ftp_user; /* or NULL */
	const char *netrc;    /* the file, or NULL: ~/.netrc */
	bool json;
	struct check_timeouts timeouts;
};

/* Runs to its end; enum check_status. */
int check_run(const struct check_options *options);

#endif
