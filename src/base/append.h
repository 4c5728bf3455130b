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
 * reader.  Returns a close-on-exec descriptor, which the caller owns, or a
 * negative errno.
 */
int append_open(const char *path);

/*
 * Appends a line of len bytes, which includes the newline.  Reserves the space
 * first, so that it writes nothing if the disk is full or the file would become
 * too large.  Where space cannot be reserved (a FIFO, some file systems:
 * fallocate(2)), it may write only a part of the line; it then sets *torn, and
 * the next call begins with a newline.  *torn must be false before the first
 * call.  Returns 0 or a negative errno.
 */
int append_write(int fd, const char *bytes, size_t len, bool *torn);

#endif
