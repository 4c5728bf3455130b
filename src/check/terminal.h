/*
 * Asks for a password on the terminal.
 */
#ifndef CHECK_TERMINAL_H
#define CHECK_TERMINAL_H

#include <stddef.h>

/*
 * Blocks; what the user types is not shown.  Returns 0; -ENXIO or similar if
 * there is no terminal; -E2BIG for more than size - 1 letters; -EINTR after a
 * signal, which is raised again, for its former handler, once the terminal has
 * been restored.
 */
int terminal_prompt(const char *prompt, char *text, size_t size);

#endif
