/*
 * Why a client is not taken: the words for it, and the name under which it is
 * counted.
 */
#ifndef TUNNEL_REFUSAL_H
#define TUNNEL_REFUSAL_H

enum refusal {
	REFUSAL_ADDRESS,     /* --allow */
	REFUSAL_USER,	     /* over loopback, another local user */
	REFUSAL_LOOK_UP,     /* whose user cannot be looked up */
	REFUSAL_SESSIONS,    /* --max-sessions */
	REFUSAL_LOGINS,	     /* --max-logins */
	REFUSAL_PER_ADDRESS, /* --max-per-address */
	REFUSAL_LINK,	     /* the SSH connection is down */
	REFUSAL_MEMORY,
};

#define REFUSALS (REFUSAL_MEMORY + 1)

/* The reply to the client, 421 (RFC 959 section 5.4), with its line end; of
 * REFUSAL_LINK the beginning of one. */
const char *refusal_reply(enum refusal refusal);

/* "max_sessions": one word, for counters. */
const char *refusal_name(enum refusal refusal);

#endif
