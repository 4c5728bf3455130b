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
 * Appends a line of len bytes.  When the disk is full or the file would become
 * too large, nothing is written.  Only where the room cannot be reserved
 * (fallocate(2): some file systems, a FIFO) a part may be written; *torn, false
 * at first, is then true, and the next call begins with a newline.  0 or a
 * negative errno.
 */
int append_write(int fd, const char *bytes, size_t len, bool *torn);

#endif
