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
 * /tmp (also when the first two are missing, not absolute or too long), and
 * checks it.  One is passed over, too, where others could put something else in
 * its place: see privdir_check_parent().
 * Returns 0 with its path in path, or a negative errno.  why gets a sentence
 * when it fails, or when one was passed over because of others; else "".
 */
int privdir_make(char path[PRIVDIR_MAX], char *why, size_t size);

/*
 * Is that, itself and no symbolic link, a directory of mode 0700 of ours (the
 * effective user's)?  0, or a negative errno and why says what it is.
 */
int privdir_check(const char *path, char *why, size_t size);

/*
 * Can nobody but us and root rename or remove what we make in that directory?
 * It, and all above, must belong to us or root, and may be writable for others
 * only where the sticky bit keeps them from what is not theirs.
 * 0; -EPERM, and why says which; or another negative errno.
 */
int privdir_check_parent(const char *parent, char *why, size_t size);

/* Removes it and the files in it, and in the directories in it; an empty path
 * is left alone.  Follows no symbolic link. */
void privdir_remove(const char *path);

#endif
