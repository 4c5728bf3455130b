/*
 * What ps(1) shows as the command of this process.
 */
#ifndef BASE_TITLE_H
#define BASE_TITLE_H

/*
 * Copies the arguments, so that title_set() may overwrite the originals.
 * Returns one block of heap memory, the caller's to free, or NULL when out of
 * memory.
 */
char **title_copy_arguments(int argc, char *const *argv);

/*
 * Sets what "ps -o args" shows for this process (/proc/PID/cmdline in proc(5)),
 * and the first 15 characters for "ps -o comm".  It overwrites the original
 * arguments, and the original environment if the arguments are too short; it
 * moves environ to the heap before.  So the caller must not use pointers into
 * the original argv, or pointers that getenv() has returned earlier.  Without
 * /proc, or out of memory, only comm changes.
 */
void title_set(const char *title);

#endif
