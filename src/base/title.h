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
 * Makes this process appear as title in "ps -o args" (proc(5),
 * /proc/PID/cmdline) and, cut to 15 characters, in "ps -o comm".  The arguments
 * that the kernel gave to the process are overwritten, and its environment
 * where they are shorter; environ is moved to the heap before.  So the caller
 * must use no pointer to the original argv, nor one that getenv() returned
 * earlier. Without /proc, or out of memory, only comm changes.
 */
void title_set(const char *title);

#endif
