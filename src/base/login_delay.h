/*
 * How long a login is delayed, by the recent failures of the same client, or of
 * the same account.  Pure; times are of a monotonic clock, in milliseconds.
 */
#ifndef BASE_LOGIN_DELAY_H
#define BASE_LOGIN_DELAY_H

#include <stdint.h>

#include "base/addr.h"
#include "limits.h"

/* Longest name of whose failures are counted, with its NUL.  Of a longer one,
 * the beginning counts. */
#define LOGIN_DELAY_NAME_MAX 400

/* Zeroed: no failures.  When it is full, the one whose last failure is the
 * oldest is forgotten. */
struct login_delays {
	struct login_failures {
		char of[LOGIN_DELAY_NAME_MAX];
		unsigned n;    /* 0: unused */
		uint64_t last; /* the time of the last failure */
	} table[LIMIT_LOGIN_ADDRESSES];
};

/* The name of a client: all loopback addresses are one host, and so are those
 * of an IPv6 network of 64 bits.  Returns text. */
const char *login_delay_client(const struct addr *client,
    char text[ADDR_TEXT_MAX]);

/* Notes that a login has failed. */
void login_delay_note(struct login_delays *delays, const char *of,
    uint64_t now);

/* How long the next one is delayed; 0 if none has failed lately. */
uint64_t login_delay_get(const struct login_delays *delays, const char *of,
    uint64_t now);

#endif
