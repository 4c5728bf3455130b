/*
 * The property of every push parser: the same result however the bytes were
 * split.  Here for the line reader with the reply reader and the command
 * parser behind it.
 */
#ifndef UNIT_SPLIT_H
#define UNIT_SPLIT_H

#include <stddef.h>
#include <stdint.h>

/* Inputs up to this length are cut at every pair of places as well. */
#define SPLIT_PAIRS_MAX 160

/*
 * Feeds len bytes in one piece, byte by byte and cut in two at every place to
 * readers of lines up to max bytes.  Fails the running cmocka test unless the
 * lines with their places, codes and verbs are the same each time, and all of
 * them together are the input.
 */
void split_check(const uint8_t *bytes, size_t len, size_t max);

#endif
