/*
 * Files that are only ever appended to, a line at a time: logs that other
 * programs rotate.
 */
#ifndef BASE_APPEND_H
#define BASE_APPEND_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Opens one to append to it, and makes it (mode 0640, less the umask) where
 * there is none.  A directory, or a FIFO that nobody reads, cannot be had.
 * Returns the descriptor, close-on-exec and the caller's, or a negative errno.
 */
int append_open(const char *path);

/*
 * Writes len bytes; what has been written of them when that fails stays there.
 * *torn: so it was at the last time (at first false): a newline comes first
 * then. 0 or a negative errno.
 */
int append_write(int fd, const char *bytes, size_t len, bool *torn);

#endif
