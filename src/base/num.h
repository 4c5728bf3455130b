/*
 * Strict numbers: decimal digits only, within bounds, nothing before or after.
 * strtoul() and sscanf() accept signs, blanks and overflow, and peers send
 * them.
 */
#ifndef BASE_NUM_H
#define BASE_NUM_H

#include <stddef.h>
#include <stdint.h>

/*
 * Reads the len characters at text, all of which must be digits, as a number
 * from 0 to max.  Leading zeros are permitted and do not make it octal ("010"
 * is 10).  Returns 0 and sets *ret; -EINVAL if there is no character, or one
 * that is not a digit; -ERANGE if the number is above max.  *ret is untouched
 * on failure.
 */
int num_parse(const char *text, size_t len, uint64_t max, uint64_t *ret);

/* The same for a whole C string. */
int num_parse_text(const char *text, uint64_t max, uint64_t *ret);

/*
 * The same for a size in bytes, such as "512", "64K", "64M" or "2G": K, M and
 * G, in either case, stand for powers of 1024.
 */
int num_parse_size(const char *text, uint64_t max, uint64_t *ret);

#endif
