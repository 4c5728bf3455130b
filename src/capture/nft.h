/*
 * The rules of nft(8) that send connections to a tunnel with "capture".
 */
#ifndef CAPTURE_NFT_H
#define CAPTURE_NFT_H

#include <stdio.h>

#include "conf/config.h"

/*
 * The mark of packets that are for culvert although their address is not, and
 * the routing table that such packets need (tproxy).
 */
#define NFT_MARK "0x2121"
#define NFT_TABLE "2121"

/*
 * Writes a file for "nft -f", which replaces the table inet culvert-NAME as a
 * whole.  It captures what the hosts and ports of the n rules match: of every
 * rule, also of those that refuse, since what is not captured would go past
 * culvert.  A rule without ports captures port 21.
 */
void nft_write(FILE *to, const struct config_tunnel *tunnel,
    const struct rule *rules, size_t n);

#endif
