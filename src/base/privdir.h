/*
 * The private directory: where the control socket of ssh and our own Unix
 * sockets stand, out of everybody else's reach.
 */
#ifndef BASE_PRIVDIR_H
#define BASE_PRIVDIR_H

#include <stddef.h>

/*
 * Unix socket paths are short (108 bytes, unix(7)), and ssh binds its control
 * socket under a name that is 17 bytes longer first.
 */
#define PRIVDIR_MAX 80

/*
 * Makes a new directory of mode 0700 in $XDG_RUNTIME_DIR, else $TMPDIR, else
 * /tmp (also when the first two are missing, not absolute or too long).
 * Returns 0 with its path in path, or a negative errno.
 */
int privdir_make(char path[PRIVDIR_MAX]);

/* Removes it and the files in it; an empty path is left alone. */
void privdir_remove(const char *path);

#endif
