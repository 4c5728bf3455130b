/*
 * Why a client is refused; and how many sessions there may be: in all, of one
 * client address, and those in which nobody has logged in yet.  All tunnels of
 * the process count together.
 */
#ifndef TUNNEL_ADMISSION_H
#define TUNNEL_ADMISSION_H

#include <stddef.h>

#include "base/addr.h"

enum refusal {
	REFUSAL_ADDRESS,     /* --allow */
	REFUSAL_USER,	     /* over loopback, another local user */
	REFUSAL_LOOK_UP,     /* whose user cannot be looked up */
	REFUSAL_SESSIONS,    /* --max-sessions */
	REFUSAL_LOGINS,	     /* --max-logins */
	REFUSAL_PER_ADDRESS, /* --max-per-address */
	REFUSAL_LINK,	     /* the SSH connection is down */
	REFUSAL_RULE,	     /* [rule NAME], or none */
	REFUSAL_MEMORY,
};

#define REFUSALS (REFUSAL_MEMORY + 1)

/* The reply to the client, 421 (RFC 959 section 5.4), with its line end; of
 * REFUSAL_LINK and REFUSAL_RULE the beginning of one. */
const char *refusal_reply(enum refusal refusal);

/* "max_sessions": one word, for counters. */
const char *refusal_name(enum refusal refusal);

struct admission_limits {
	size_t sessions;    /* --max-sessions */
	size_t per_address; /* --max-per-address; 0: as many as in all */
	size_t logins;	    /* --max-logins; 0: the same */
};

struct admission;

/* The place of one session, or of a client that waits for the link. */
struct admission_place;

/* limits is copied.  NULL when out of memory. */
struct admission *admission_new(const struct admission_limits *limits);

/* Every place must have been left before.  NULL is allowed. */
void admission_free(struct admission *admission);

/*
 * Takes a place for a client at *peer, whose port does not count; AF_UNSPEC:
 * the address is not known, and only the other two limits count. Returns the
 * place, or NULL: then *ret_refusal and why, a text for people of why_size
 * bytes, say which limit was reached, or that memory is short.
 */
struct admission_place *admission_enter(struct admission *admission,
    const struct addr *peer, char *why, size_t why_size,
    enum refusal *ret_refusal);

/* Somebody has logged in in that session.  Calling it twice is allowed. */
void admission_logged_in(struct admission_place *place);

/* Gives the place back; it is freed. */
void admission_leave(struct admission_place *place);

/* How many places are taken now. */
size_t admission_count(const struct admission *admission);

#endif
