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

enum trial_result {
	TRIAL_OK,
	TRIAL_REFUSED,	      /* the server refuses the verb; see reply */
	TRIAL_NO_PORT,	      /* the reply to the verb has no port */
	TRIAL_FORBIDDEN,      /* sshd does not permit to connect */
	TRIAL_CONNECT_FAILED, /* see why */
	TRIAL_NO_LISTENER,    /* see why */
	TRIAL_NOT_COME,	      /* the server does not connect; see reply */
	TRIAL_LIST_REFUSED,   /* connected, but LIST is refused; see reply */
	TRIAL_UNSEEN,	      /* LIST is refused before the server connects */
	TRIAL_CUT,	      /* the listing is incomplete; see why */
	TRIAL_LOST,	      /* the control connection was lost; see why */
};

struct trial_outcome {
	enum trial_result result;
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
