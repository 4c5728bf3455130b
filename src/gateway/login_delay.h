/*
 * How long the reply to a login is delayed: by the recent failures from the
 * client's address.  Pure; times are of a monotonic clock, in milliseconds.
 */
#ifndef GATEWAY_LOGIN_DELAY_H
#define GATEWAY_LOGIN_DELAY_H

#include <stdint.h>

#include "base/addr.h"
#include "limits.h"

/* Zeroed: no failures.  When it is full, the address whose last failure is the
 * oldest is forgotten. */
struct login_delays {
	struct login_failures {
		struct addr client;
		unsigned n;    /* 0: unused */
		uint64_t last; /* the time of the last failure */
	} table[LIMIT_LOGIN_ADDRESSES];
};

/* A login from that address has failed.  The same for all of one host: the
 * loopback addresses, and an IPv6 network of 64 bits. */
void login_delay_note(struct login_delays *delays, const struct addr *client,
    uint64_t now);

/* How long the reply to a login from that address is delayed; 0 if none has
 * failed lately. */
uint64_t login_delay_get(const struct login_delays *delays,
    const struct addr *client, uint64_t now);

#endif
