/*
 * culvert check: tries each step of a transfer, from the name of the SSH server
 * to a listing in each mode, and prints the result of each, with fixes.
 *
 * Theory of operation.  Like culvert itself it consists of two processes: the
 * monitor (ssh/monitor.h) starts ssh, and the other process is confined before
 * it reads a byte from a peer.  It uses the same sides as culvert
 * (tunnel/side.h), so sshd refuses here what it would refuse there; only the
 * FTP client is its own (ftp.h).  What ssh -v prints gives the facts about the
 * SSH connection (facts.h).
 *
 *	ssh -G -- name -- TCP -- ssh -- Nagle -- each -L and -R -- verdict
 *	     \______\______\_____\___________________________________/
 *	             a failure on which all later steps depend
 *
 * The steps are functions, called one after the other, that run the loop when
 * they wait (wait.h).  For a forward, everything is tried first
 * (step_forward.c, probe.c, trial.c) and judged afterwards (judge.c), since how
 * bad one finding is depends on others.  findings.def has all texts.
 */
#ifndef CHECK_CHECK_H
#define CHECK_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "check/suggest.h"
#include "conf/options.h"
#include "ssh/link.h"

/* Exit statuses of culvert check; 2 is bad usage. */
enum check_status {
	CHECK_WORKS = 0,
	CHECK_FAILS = 1,
	CHECK_UNKNOWN = 3, /* something was not tried */
};

/* The caller keeps everything that pointers refer to. */
struct check_options {
	const struct options *options;
	struct link_options link; /* how ssh is run; its arguments begin with
				   * -v */
	const struct suggest_option *given; /* culvert's options on the command
					     * line */
	size_t n_given;
	const char *tunnel;   /* of the configuration file; or NULL */
	const char *config;   /* that file, if -f names it; or NULL */
	const char *looked;   /* the file that has no such tunnel; or NULL */
	const char *nearest;  /* the most similar name there; or NULL, too */
	bool named;	      /* ... -f names that file */
	const char *user;     /* the user to become; or NULL */
	const char *ftp_user; /* or NULL */
	const char *netrc;    /* the file, or NULL: ~/.netrc */
	const char *login_file_why; /* it cannot be used; or NULL */
	bool json;
	uint64_t timeout_s; /* to wait for a connection; 0: the default */
};

/* Runs the whole check.  Returns enum check_status. */
int check_run(const struct check_options *options);

#endif
