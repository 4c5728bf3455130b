/*
 * Does ssh accept its options?
 */
#ifndef SSH_TRY_H
#define SSH_TRY_H

#include <stddef.h>

#include "ssh/link.h"

/*
 * Runs "ssh -G" with the options of a first link and waits for its end, at most
 * LIMIT_SSH_TRY_MS.  It needs no monitor, and does not touch other children.
 * 0, and where has the host, the port and the proxy that ssh would use: the
 * same text for the same server.  Or a negative errno, and why has the name of
 * the program and its last line, escaped.
 */
int ssh_try(const struct link_options *options, char *where, size_t where_size,
    char *why, size_t why_size);

#endif
