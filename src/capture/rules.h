/*
 * Which rule of the configuration file applies to a connection.  No I/O.
 */
#ifndef CAPTURE_RULES_H
#define CAPTURE_RULES_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "conf/rule.h"

struct rules_request {
	const char *host; /* the FTP server, as the client has named it: an
			   * address, or (SOCKS) a name */
	uint16_t port;
	const char *user; /* the FTP login; NULL: not known yet */
};

enum rules_answer {
	RULES_FOUND,	  /* *ret is the first rule that matches */
	RULES_NEEDS_USER, /* that depends on the user */
	RULES_NONE,	  /* none matches: refuse */
};

/*
 * Finds the first of n rules that matches.  Networks match addresses only.
 * Patterns are compared with the host as it was named, regardless of case:
 * nothing is looked up.  Patterns of users are compared exactly.  The globs are
 * those of path_matches().
 */
enum rules_answer rules_match(const struct rule *rules, size_t n,
    const struct rules_request *request, const struct rule **ret);

#endif
