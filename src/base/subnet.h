/*
 * Networks: an address and the length of its prefix (RFC 4632, RFC 4291 section
 * 2.3).
 */
#ifndef BASE_SUBNET_H
#define BASE_SUBNET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"

struct subnet {
	struct addr addr; /* no port, no scope; zero after the prefix */
	unsigned bits;	  /* 0 to 32 or 128 */
};

/*
 * Reads "192.0.2.0/24", "2001:db8::/32", or a single address, which is a
 * network of one.  A netmask ("/255.255.255.0") and a scope are errors.  Bits
 * after the prefix are cleared ("192.0.2.7/24" is 192.0.2.0/24), as in nft(8).
 * The prefix of an IPv4-mapped address counts from the start of the IPv6
 * address: 10.0.0.0/8 is also "::ffff:10.0.0.0/104", and a length below 96 is
 * an error.  Returns 0 or -EINVAL; *ret is untouched on failure.
 */
int subnet_parse(const char *text, struct subnet *ret);

/* Is the address in the network?  Its scope is ignored.  An IPv4-mapped address
 * is IPv4. */
bool subnet_has(const struct subnet *subnet, const struct addr *addr);

/* Is the address in one of the n networks? */
bool subnets_have(const struct subnet *subnets, size_t n,
    const struct addr *addr);

#endif
