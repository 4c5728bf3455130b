/*
 * Unix sockets with a path.
 */
#ifndef BASE_SOCKFILE_H
#define BASE_SOCKFILE_H

/* Removes the socket at path if no process listens on it.  Removes nothing
 * else. */
void sockfile_remove_stale(const char *path);

#endif
