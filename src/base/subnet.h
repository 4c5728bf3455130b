/*
 * Networks: an address and how many of its first bits count (RFC 4632, RFC
 * 4291 section 2.3).
 */
#ifndef BASE_SUBNET_H
#define BASE_SUBNET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"

struct subnet {
	struct addr addr; /* no port, no scope; bits behind are zero */
	unsigned bits;	  /* 0 to 32 or 128 */
};

/*
 * Reads "192.0.2.0/24", "2001:db8::/32", or an address alone, which is a
 * network of one.  A mask of dots is not taken.  Bits set behind the prefix
 * are dropped ("192.0.2.7/24" is 192.0.2.0/24), as nft(8) does.  A scope is
 * not taken.  The bits of a mapped IPv4 address count as they are written:
 * "::ffff:10.0.0.0/104" is 10.0.0.0/8, and less than 96 is an error.
 * Returns 0 or -EINVAL; *ret is untouched on failure.
 */
int subnet_parse(const char *text, struct subnet *ret);

/* Is the address in it?  Its scope does not count.  Never across families;
 * mapped IPv4 is IPv4. */
bool subnet_has(const struct subnet *subnet, const struct addr *addr);

/* ... in one of n? */
bool subnets_have(const struct subnet *subnets, size_t n,
    const struct addr *addr);

#endif
