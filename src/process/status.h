/*
 * What culvert is doing, as JSON: the answer to "status" (control.h).
 * culvert-status(1) explains the keys.
 */
#ifndef PROCESS_STATUS_H
#define PROCESS_STATUS_H

#include "process/shared.h"

/* Returns the answer, one line with its newline, as heap memory that the caller
 * frees; NULL when out of memory. */
char *status_text(const struct shared *shared);

#endif
