/*
 * Asks for a password on the terminal.
 */
#ifndef CHECK_TERMINAL_H
#define CHECK_TERMINAL_H

#include <stddef.h>

/*
 * Blocks; what is typed is not shown.  0; -ENXIO or the like where there is no
 * terminal; -E2BIG for more than size - 1 letters.  A signal that ends the
 * wait is raised again, for whoever handled it before, once the terminal is as
 * it was; then -EINTR.
 */
int terminal_prompt(const char *prompt, char *text, size_t size);

#endif
