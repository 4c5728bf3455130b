/*
 * What culvert check prints: the step of each finding, how bad it is, and its
 * fixes, with the place to make them.  Facts in, texts out; pure.
 */
#ifndef CHECK_ADVICE_H
#define CHECK_ADVICE_H

#include <stddef.h>

#include "check/facts.h"
#include "check/suggest.h"

/* How bad it is. */
enum advice_status {
	ADVICE_OK,
	ADVICE_SKIPPED, /* not tried; transfers do not depend on it */
	ADVICE_NOTE,	/* transfers work nevertheless */
	ADVICE_UNTRIED, /* not tried; transfers may depend on it */
	ADVICE_WRONG,	/* transfers will fail */
};

/* In the order of their steps.  advice_rows.c and advice_rows_ftp.c have the
 * text of each. */
enum finding {
	/* the destination */
	NO_SUCH_TUNNEL,
	CONFIG_SLOW,
	NAME_OK,
	NAME_ADDRESS,
	NAME_PROXY,
	NAME_UNKNOWN,
	NAME_NO_TUNNEL,
	TCP_OK,
	TCP_PROXY,
	TCP_REFUSED,
	TCP_SILENT,
	TCP_FAILED,
	TCP_NO_WORD,
	TCP_FULL,
	TCP_NOT_SSH,
	/* ssh */
	HOST_KEY_OK,
	HOST_KEY_TAKEN,
	HOST_KEY_IGNORED,
	HOST_KEY_REVOKED,
	HOST_KEY_CHANGED,
	HOST_KEY_UNKNOWN,
	HOST_KEY_NONE_COMMON,
	LOGIN_OK,
	LOGIN_DENIED,
	LOGIN_PASSWORD_ONLY,
	LOGIN_PASSWORD_WRONG,
	LOGIN_NO_KEYS,
	LOGIN_MORE,
	LOGIN_KEY_LOCKED,
	LOGIN_REFUSED,
	LOGIN_KEY_OLD,
	LOGIN_TOO_MANY,
	LOGIN_KEY_OPEN,
	LOGIN_CLOSED,
	KEX_NONE_COMMON,
	CIPHER_NONE_COMMON,
	MAC_NONE_COMMON,
	PROXY_FAILED,
	SSH_CONFIG_WRONG,
	SSH_FAILED,
	SSH_LOST,
	SSH_CANNOT_RUN,
	KEX_OK,
	KEX_OLD,
	CIPHER_OK,
	CIPHER_OLD,
	NAGLE_NEVER,
	NAGLE_OK,
	NAGLE_LEFT_ON,
	NAGLE_NO_SESSION,
	NAGLE_NO_SFTP,
	NAGLE_UNKNOWN,
	/* where clients connect */
	LISTEN_OK,
	LISTEN_OWN,
	LISTEN_TAKEN,
	LISTEN_WRONG,
	LISTEN_ALLOW,
	LISTEN_ADDRESS,
	/* sshd: to the FTP server */
	CONNECT_OK,
	CONNECT_FORBIDDEN_ALL,
	CONNECT_FORBIDDEN,
	CONNECT_FORBIDDEN_KEY,
	CONNECT_FORBIDDEN_KEY_OPEN,
	CONNECT_EXPIRED,
	CONNECT_REFUSED,
	CONNECT_UNKNOWN,
	CONNECT_FAILED,
	/* sshd: listening */
	FORWARD_OK,
	FORWARD_NEVER,
	FORWARD_NOTHING,
	FORWARD_FORBIDDEN,
	FORWARD_FORBIDDEN_LISTEN,
	FORWARD_NOT_THERE,
	FORWARD_NOT_OWN,
	FORWARD_FORBIDDEN_KEY_LISTEN,
	FORWARD_GATEWAY,
	FORWARD_TAKEN,
	FORWARD_EXPIRED,
	FORWARD_DEAF,
	FORWARD_DEAF_REMOTE,
	FORWARD_FAILED,
	/* -R: clients beyond sshd */
	CLIENT_PASSIVE_OK,
	CLIENT_PASSIVE_EITHER,
	CLIENT_PASSIVE_WRONG,
	CLIENT_PASSIVE_DEAF,
	CLIENT_ACTIVE_OK,
	CLIENT_ACTIVE_FORBIDDEN,
	CLIENT_ACTIVE_FAILED,
	/* the FTP server */
	GREETING_OK,
	GREETING_REFUSED,
	GREETING_FULL,
	GREETING_TLS,
	GREETING_NOT_FTP,
	GREETING_ENDED,
	GREETING_SILENT,
	FEAT_OK,
	FEAT_NONE,
	TLS_NONE,
	TLS_OFFERED,
	TLS_DEMANDED,
	TLS_DEMANDED_DATA,
	NETRC_WRONG,
	NETRC_OPEN,
	USER_OK,
	USER_NOT_GIVEN,
	USER_NO_PASSWORD,
	USER_DENIED,
	USER_DENIED_ANONYMOUS,
	USER_FULL,
	USER_ACCOUNT,
	SERVER_LOST,
	MODE_OK,
	MODE_NOT_TRIED,
	MODE_NOT_USED,
	MODE_OTHER_FAMILY,
	MODE_REFUSED_PASSIVE,
	MODE_REFUSED_ACTIVE,
	MODE_REFUSED_VERB,
	MODE_REFUSED_APART,
	MODE_NO_PORT,
	MODE_FORBIDDEN,
	MODE_FORBIDDEN_KEY,
	MODE_NO_LISTENER,
	MODE_CONNECT_FAILED,
	MODE_CONNECT_REPLY,
	MODE_NOT_COME,
	MODE_PEER,
	MODE_CUT,
	MODE_CUT_PASSIVE,
	MODE_TLS,
	MODE_NO_LISTING,
	MODE_UNSEEN,
	ADDRESS_OK,
	ADDRESS_FAR,
	ADDRESS_WRONG,
	ADDRESS_WRONG_USED,
	ROUND_TRIP,
	FINDINGS,
};

/* A place, the line to put there, and a remark.  The line or the remark may be
 * empty. */
struct advice_fix {
	char place[FACT_MAX];
	char put[2 * FACT_MAX];
	char remark[FACT_MAX];
};

#define ADVICE_FIXES 5

struct advice {
	char step[32]; /* "host key" */
	enum advice_status status;
	char text[4 * FACT_MAX];
	struct advice_fix fixes[ADVICE_FIXES];
	size_t n_fixes; /* alternatives; the likeliest comes first */
};

/* Makes the texts of a finding; its status is that of advice_worst(). */
void advice_make(enum finding finding, const struct facts *facts,
    struct advice *ret);

/* How bad the finding is when culvert has no other way. */
enum advice_status advice_worst(enum finding finding);

/* What to change in the suggested culvert command when that finding is WRONG;
 * the member forward is 0. */
struct suggest_change advice_change(enum finding finding);

/* "ok", "note", "WRONG", ... */
const char *advice_status_name(enum advice_status status);

#endif
