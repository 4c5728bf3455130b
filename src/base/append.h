/*
 * Files to which lines are only appended: logs that other programs rotate.
 */
#ifndef BASE_APPEND_H
#define BASE_APPEND_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Opens a file to append to it, and creates it (mode 0640, reduced by the
 * umask) if it does not exist.  Fails for a directory, and for a FIFO without a
 * reader. Returns the descriptor, close-on-exec, which the caller owns, or a
 * negative errno.
 */
int append_open(const char *path);

/*
 * Appends a line of len bytes.  If the disk is full or the file would become
 * too large, it writes nothing.  Only where space cannot be reserved
 * (fallocate(2): some file systems, a FIFO) it may write a part of the line;
 * then it sets *torn, and the next call begins with a newline.  *torn must be
 * false before the first call.  Returns 0 or a negative errno.
 */
int append_write(int fd, const char *bytes, size_t len, bool *torn);

#endif
