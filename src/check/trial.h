/*
 * One listing, for real: a data connection in one variant (PASV, EPSV, PORT,
 * EPRT), and LIST, to the end of the data and the final reply.
 */
#ifndef CHECK_TRIAL_H
#define CHECK_TRIAL_H

#include <stdint.h>
#include <uv.h>

#include "base/addr.h"
#include "check/ftp.h"
#include "ftp/command.h"
#include "tunnel/side.h"

struct trial_options {
	uv_loop_t *loop;
	const struct check_timeouts *timeouts;
	struct ftp *ftp;    /* logged in; nobody waits for a reply of it */
	struct side *side;  /* toward the server */
	enum verb verb;	    /* of the four */
	const char *host;   /* to dial, in passive mode; NULL: the reply's */
	struct addr from;   /* to dial from, or AF_UNSPEC */
	const char *at;	    /* to listen at, in active mode */
	sa_family_t family; /* of the address that is announced */
};

enum trial_result {
	TRIAL_OK,
	TRIAL_REFUSED,	      /* reply: to the verb */
	TRIAL_NO_PORT,	      /* there is none in the reply */
	TRIAL_FORBIDDEN,      /* by sshd, to dial */
	TRIAL_CONNECT_FAILED, /* why */
	TRIAL_NO_LISTENER,    /* why */
	TRIAL_NOT_COME,	      /* nobody has connected; reply: to LIST */
	TRIAL_LIST_REFUSED,   /* reply: to LIST, and the connection stands */
	TRIAL_UNSEEN,	      /* the same, before anybody has connected */
	TRIAL_CUT,	      /* why: no end, or no final reply that is good */
	TRIAL_LOST,	      /* the control connection; why */
};

struct trial_outcome {
	enum trial_result result;
	int err; /* of TRIAL_NO_LISTENER, as side_listener_handler.failed */
	unsigned code;
	char reply[FACT_MAX];
	char why[FACT_MAX];
	struct addr announced; /* by the server (of 229 only the port), or to
				* it; AF_UNSPEC: none */
	uint16_t port;	       /* the same's */
	uint64_t bytes;
	bool hangs; /* the server still tries to connect: ask it no more */
};

struct trial;

/* Called from the loop, once; the trial may be freed in it. */
typedef void trial_cb(void *ctx, const struct trial_outcome *outcome);

/* NULL when out of memory. */
struct trial *trial_start(const struct trial_options *options, trial_cb *done,
    void *ctx);

/* Ends it where it is.  NULL is allowed; the loop frees it. */
void trial_free(struct trial *trial);

#endif
