/*
 * Unix sockets that have a name in the file system.
 */
#ifndef BASE_SOCKFILE_H
#define BASE_SOCKFILE_H

/* Removes the one at path if nobody listens there any more; whatever else is
 * there stays. */
void sockfile_remove_stale(const char *path);

#endif
