/*
 * How many sessions there may be: in all, of one client address, and such in
 * which nobody has logged in yet.  Counts over all tunnels of the process.
 */
#ifndef TUNNEL_ADMISSION_H
#define TUNNEL_ADMISSION_H

#include <stddef.h>

#include "base/addr.h"
#include "tunnel/refusal.h"

struct admission_limits {
	size_t sessions;    /* --max-sessions */
	size_t per_address; /* --max-per-address; 0: as many as in all */
	size_t logins;	    /* --max-logins; 0: the same */
};

struct admission;

/* The place of one session, or of a client that waits to be one. */
struct admission_place;

/* limits is copied.  NULL when out of memory. */
struct admission *admission_new(const struct admission_limits *limits);

/* Every place has been left.  NULL is allowed. */
void admission_free(struct admission *admission);

/*
 * Takes a place for a client at *peer, whose port does not count; where it is
 * AF_UNSPEC the address is not known, and only the other two limits count.
 * Returns the place, or NULL: then why, of why_size bytes, says to people which
 * limit was reached.
 */
struct admission_place *admission_enter(struct admission *admission,
    const struct addr *peer, char *why, size_t why_size,
    enum refusal *ret_refusal);

/* Somebody has logged in there.  Twice is allowed. */
void admission_logged_in(struct admission_place *place);

/* The place is free again, and dead. */
void admission_leave(struct admission_place *place);

/* How many places are taken now. */
size_t admission_count(const struct admission *admission);

#endif
