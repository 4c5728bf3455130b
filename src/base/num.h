/*
 * Strict numbers: decimal digits only, bounded, nothing before or after.
 * strtoul and sscanf take signs, blanks and overflow; peers send them.
 */
#ifndef BASE_NUM_H
#define BASE_NUM_H

#include <stddef.h>
#include <stdint.h>

/*
 * Reads the len characters at text, all of which must be digits, as a number
 * from 0 to max.  Leading zeros are decimal ("010" is 10).
 * Returns 0 and sets *ret; -EINVAL when empty or when anything but a digit is
 * there, -ERANGE when the number is above max.  *ret is untouched on failure.
 */
int num_parse(const char *text, size_t len, uint64_t max, uint64_t *ret);

/* The same for a whole C string. */
int num_parse_text(const char *text, uint64_t max, uint64_t *ret);

/*
 * The same for a size in bytes: "512", or with a letter of 1024, of its square
 * or of its cube behind: "64K", "64M", "2G", and in small letters.
 */
int num_parse_size(const char *text, uint64_t max, uint64_t *ret);

#endif
