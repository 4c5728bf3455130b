/*
 * One listing: a data connection in one variant (PASV, EPSV, PORT, EPRT), and
 * LIST, up to the end of the data and the final reply.
 */
#ifndef CHECK_TRIAL_H
#define CHECK_TRIAL_H

#include <stdint.h>

#include "base/addr.h"
#include "check/ftp.h"
#include "ftp/command.h"
#include "tunnel/side.h"

struct trial_options {
	struct ftp *ftp;    /* logged in */
	struct side *side;  /* toward the server */
	enum verb verb;	    /* one of the four */
	const char *host;   /* passive: to connect to; NULL: the reply's */
	struct addr from;   /* passive: to connect from; or AF_UNSPEC */
	const char *at;	    /* active: to listen on */
	sa_family_t family; /* active: of the announced address */
};

struct trial_outcome {
	/*
	 * MODE_OK, or what went wrong, as far as the trial can tell:
	 * MODE_REFUSED_VERB, MODE_NO_PORT, MODE_FORBIDDEN, MODE_CONNECT_FAILED,
	 * MODE_NO_LISTENER, MODE_NO_CONNECTION, MODE_NO_LISTING, MODE_UNTESTED
	 * (LIST is refused before the server connects) or MODE_CUT;
	 * SERVER_LOST: the control connection was lost.  reply and why tell
	 * more.
	 */
	enum finding finding;
	char reply[FACT_MAX]; /* the last reply */
	char why[FACT_MAX];
	/* The address that the server announced, or that was announced to it;
	 * AF_UNSPEC if none, or if it is a 229. */
	struct addr announced;
	uint16_t port; /* the port announced */
	uint64_t bytes;
	bool hangs; /* the server still tries to connect: send no more */
};

/* Runs it to its end.  ret is 0 before the call. */
void trial_run(const struct trial_options *options, struct trial_outcome *ret);

#endif
