/*
 * Checks one FTP server: its greeting, FEAT, the login, a listing in each
 * variant, and the round-trip time of a command.
 */
#ifndef CHECK_PROBE_H
#define CHECK_PROBE_H

#include <stdbool.h>

#include "base/addr.h"
#include "check/facts.h"
#include "check/netrc.h"
#include "check/trial.h"
#include "conf/options.h"
#include "tunnel/side.h"

/* The variants, in the order in which they are tried. */
enum probe_variant {
	PROBE_PASV,
	PROBE_EPSV,
	PROBE_PORT,
	PROBE_EPRT,
	PROBE_VARIANTS,
};

struct probe_options {
	struct wait *wait;
	struct side *side; /* toward the server */
	const char *host;
	uint16_t port;
	const char *at;		/* --far-address; NULL: where servers find us */
	enum options_mode mode; /* the other mode is not tried */
	bool believe_reply;	/* --server-data-host reply */
	const struct netrc_login *login; /* or NULL */
};

struct probe_tried {
	bool ipv6;		    /* active: it announced an IPv6 address */
	struct trial_outcome trial; /* MODE_NOT_TRIED, MODE_NOT_USED,
				     * MODE_OTHER_FAMILY, or a listing's */
};

struct probe_outcome {
	/* The connection. */
	bool opened;
	int err; /* why it did not, or what it ended by */
	char why[FACT_MAX];

	/* The greeting; code 0: none came, see err. */
	unsigned greeting_code;
	char greeting[FACT_MAX];
	enum server_kind kind;

	unsigned feat_code;
	char feat_reply[FACT_MAX];
	char feat[FACT_MAX]; /* names of the features */
	bool offers_tls;

	enum finding login; /* USER_OK, USER_DENIED, USER_ACCOUNT, or
			     * USER_NOT_GIVEN: not tried */
	char login_reply[FACT_MAX];

	struct probe_tried variants[PROBE_VARIANTS];

	struct addr peer; /* the server; AF_UNSPEC if unknown */
	bool lost;	  /* the connection was; see err and why */
	double rtt_ms;	  /* median */
	unsigned n_rtt;	  /* round trips measured */
};

/* Runs it to its end.  ret is 0 before the call. */
void probe_run(const struct probe_options *options, struct probe_outcome *ret);

/* Was a listing tried? */
bool probe_was_tried(const struct probe_tried *tried);

/* Is the variant one of active mode? */
bool probe_is_active(enum probe_variant variant);

/* The verb of a variant, such as "PASV". */
const char *probe_verb(enum probe_variant variant);

#endif
