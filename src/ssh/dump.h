/*
 * What ssh -G prints: a line for each option, with its name in lower case, a
 * space, and its value.  No I/O.
 */
#ifndef SSH_DUMP_H
#define SSH_DUMP_H

#include <stddef.h>

/*
 * Copies the value of the first line for key in len bytes of text to value,
 * which has size bytes.  0; -ENOENT if there is no such complete line; -EINVAL
 * if the value is too long or contains a NUL.  value is untouched after an
 * error.
 */
int dump_find(const char *text, size_t len, const char *key, char *value,
    size_t size);

#endif
