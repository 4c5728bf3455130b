/*
 * Networks: an address and the length of its prefix.
 */
#include "base/subnet.h"

#include <errno.h>
#include <string.h>

#include "base/num.h"

/* Bits before the IPv4 address in an IPv4-mapped address (RFC 4291 section
 * 2.5.5.2). */
#define MAPPED_BITS 96

static unsigned
bits_of(sa_family_t family)
{
	return family == AF_INET ? 32 : 128;
}

/* The bits of byte number i that belong to the prefix. */
static uint8_t
mask_of(unsigned bits, unsigned i)
{
	if (bits >= 8 * (i + 1))
		return 0xff;
	if (bits <= 8 * i)
		return 0;
	return (uint8_t)(0xff00U >> (bits - 8 * i));
}

int
subnet_parse(const char *text, struct subnet *ret)
{
	char host[INET6_ADDRSTRLEN];
	size_t len = strcspn(text, "/");
	struct subnet subnet;
	unsigned before = 0;
	uint64_t bits;

	if (len >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, len);
	host[len] = '\0';
	/* A scope is an interface of one host; a network has none. */
	if (strchr(host, '%') != NULL || addr_parse_ip(host, &subnet.addr) != 0)
		return -EINVAL;
	if (subnet.addr.family == AF_INET && strchr(host, ':') != NULL)
		before = MAPPED_BITS;
	bits = before + bits_of(subnet.addr.family);
	if (text[len] == '/' &&
	    (num_parse_text(text + len + 1, bits, &bits) != 0 || bits < before))
		return -EINVAL;
	subnet.bits = (unsigned)bits - before;
	for (unsigned i = 0; i < sizeof(subnet.addr.ip); i++)
		subnet.addr.ip[i] &= mask_of(subnet.bits, i);
	*ret = subnet;
	return 0;
}

bool
subnet_has(const struct subnet *subnet, const struct addr *addr)
{
	if (addr->family != subnet->addr.family)
		return false;
	for (unsigned i = 0; i < sizeof(addr->ip); i++)
		if ((addr->ip[i] & mask_of(subnet->bits, i)) !=
		    subnet->addr.ip[i])
			return false;
	return true;
}

bool
subnets_have(const struct subnet *subnets, size_t n, const struct addr *addr)
{
	for (size_t i = 0; i < n; i++)
		if (subnet_has(&subnets[i], addr))
			return true;
	return false;
}
