/*
 * What ps(1) shows as the command of this process.
 */
#ifndef BASE_TITLE_H
#define BASE_TITLE_H

/*
 * Copies the arguments, so that title_set() may overwrite the originals.
 * Returns the copy, one block of heap memory that the caller frees, or NULL
 * when out of memory.
 */
char **title_copy_arguments(int argc, char *const *argv);

/*
 * Sets what "ps -o args" shows for this process (/proc/PID/cmdline in proc(5)),
 * and its first 15 characters for "ps -o comm".  It moves the environment
 * (environ) to the heap, and then overwrites the original arguments and
 * environment.  So the caller must not use pointers into the original argv, or
 * pointers that getenv() has returned earlier.  Without /proc, or when out of
 * memory, only comm changes.
 */
void title_set(const char *title);

#endif
