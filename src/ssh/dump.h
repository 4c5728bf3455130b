/*
 * What ssh -G prints: a line for each option, its name in small letters, a
 * space, and its value.  Text in, value out, no I/O.
 */
#ifndef SSH_DUMP_H
#define SSH_DUMP_H

#include <stddef.h>

/*
 * Copies the value of the first line for key in len bytes of text to value, of
 * size bytes.  0; -ENOENT when there is no such line that ends; -EINVAL when
 * the value is too long, or has a NUL in it.  value is untouched on failure.
 */
int dump_find(const char *text, size_t len, const char *key, char *value,
    size_t size);

#endif
