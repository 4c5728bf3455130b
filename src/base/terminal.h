/*
 * Questions to the user on the terminal.  They block: for start-up and for
 * commands that end soon.
 */
#ifndef BASE_TERMINAL_H
#define BASE_TERMINAL_H

#include <stddef.h>

/*
 * Asks for a password; what the user types is not shown.  Returns 0; -ENXIO or
 * similar if there is no terminal; -E2BIG for more than size - 1 letters;
 * -EINVAL for a NUL; -EINTR after a signal, which has been raised again for its
 * former handler.  After an error, overwrite text as after success.
 */
int terminal_prompt(const char *prompt, char *text, size_t size);

/* Reads a line, without its end, from a descriptor that need not be a terminal;
 * no byte behind it.  Returns 0 or a negative errno, as above. */
int terminal_read_line(int fd, char *text, size_t size);

#endif
