/*
 * One FTP server, asked all that there is to ask: its greeting, FEAT, the
 * login, a listing in each variant, and how long a command and its reply take.
 */
#ifndef CHECK_PROBE_H
#define CHECK_PROBE_H

#include <stdbool.h>
#include <uv.h>

#include "base/addr.h"
#include "check/facts.h"
#include "check/netrc.h"
#include "check/trial.h"
#include "conf/options.h"
#include "tunnel/side.h"

/* The variants that are tried, in this order. */
enum probe_variant {
	PROBE_PASV,
	PROBE_EPSV,
	PROBE_PORT,
	PROBE_EPRT,
	PROBE_VARIANTS,
};

struct probe_options {
	uv_loop_t *loop;
	const struct check_timeouts *timeouts;
	struct side *side; /* toward the server */
	const char *host;
	uint16_t port;
	const char *at;		/* --far-address; NULL: where servers find us */
	enum options_mode mode; /* leaves out the other one */
	bool believe_reply;	/* --server-data-host reply */
	const struct netrc_login *login; /* or NULL */
};

enum probe_login {
	PROBE_NO_LOGIN,
	PROBE_IN,
	PROBE_DENIED,
	PROBE_ACCOUNT,
};

struct probe_outcome {
	/* The connection. */
	bool opened;
	int err; /* why it did not, or what it ended by */
	char why[FACT_MAX];

	/* Its first word; code 0: none came, see err. */
	unsigned greeting_code;
	char greeting[FACT_MAX];
	enum server_kind kind;

	unsigned feat_code;
	char feat_reply[FACT_MAX];
	char feat[FACT_MAX]; /* their names */
	bool offers_tls;

	enum probe_login login;
	char login_reply[FACT_MAX];

	struct {
		enum {
			PROBE_NOT_TRIED,
			PROBE_NOT_USED,	    /* mode */
			PROBE_OTHER_FAMILY, /* PORT, of a server on IPv6 */
			PROBE_TRIED,
		} state;
		bool ipv6;
		struct trial_outcome trial;
	} variants[PROBE_VARIANTS];

	struct addr peer; /* the server, AF_UNSPEC where it is not known */
	bool lost;	  /* in the middle; err and why */
	double rtt_ms;	  /* median */
	unsigned n_rtt;	  /* of so many; 0: none */
};

struct probe;

/* Called from the loop, once; the probe may be freed in it. */
typedef void probe_cb(void *ctx, const struct probe_outcome *outcome);

/* options is copied, but not what it points to.  NULL when out of memory. */
struct probe *probe_start(const struct probe_options *options, probe_cb *done,
    void *ctx);

/* Ends it where it is.  NULL is allowed; the loop frees it. */
void probe_free(struct probe *probe);

/* The verb of a variant, "PASV". */
const char *probe_verb(enum probe_variant variant);

#endif
