/*
 * What the tests of several modules share.  If one of these functions fails, so
 * does the running cmocka test.
 */
#ifndef UNIT_HELPERS_H
#define UNIT_HELPERS_H

#include <stddef.h>

#include "base/addr.h"
#include "base/wire.h"

/* addr_parse_ip() of a valid address. */
struct addr address(const char *text);

/* The message must consist of these bytes. */
void check_put(struct wire_message message, const void *golden, size_t len);

/* Removes a directory with all that it contains. */
void remove_directory(const char *path);

#endif
