/*
 * The private directory, which no other user can access: it contains the
 * control sockets of ssh and culvert's own Unix sockets.
 */
#ifndef BASE_PRIVDIR_H
#define BASE_PRIVDIR_H

#include <stddef.h>

/*
 * The longest path of the directory, with its NUL.  The path of a Unix socket
 * has at most 108 bytes (unix(7)), and ssh first binds its control socket under
 * a name that is 17 bytes longer.
 */
#define PRIVDIR_MAX 79

/*
 * Makes a new directory of mode 0700 in the first of $XDG_RUNTIME_DIR, $TMPDIR
 * and /tmp that exists, is absolute and not too long, and is safe from other
 * users: it and all directories above it belong to this user or root, and
 * others have write permission only if the sticky bit is set.  Returns 0 with
 * the path in path, or a negative errno with "" in path.  If it fails, or if
 * one of the three was not used because it is not safe, why becomes the reason;
 * otherwise "".
 */
int privdir_make(char path[PRIVDIR_MAX], char *why, size_t size);

/*
 * Checks that path is a directory, not a symbolic link, of mode 0700, and
 * belongs to the effective user.  Returns 0, or a negative errno with the
 * reason in why.
 */
int privdir_check(const char *path, char *why, size_t size);

/* Removes the directory, its files, and two levels of directories in it.
 * Follows no symbolic link.  Does nothing if path is "". */
void privdir_remove(const char *path);

#endif
