/*
 * culvert status -w: the full-screen view.
 */
#ifndef CLIENT_VIEW_H
#define CLIENT_VIEW_H

#include <stdbool.h>

#include "client/instance.h"

/* Asks one of them, and takes the caller's choice of tunnels.  NULL with why.
 */
typedef json_t *view_status_cb(void *ctx, struct instance *instance,
    char why[INSTANCE_WHY_MAX]);

/*
 * Shows what they do, once a second, until q, or none of them answers any more,
 * or the terminal has gone.  Needs a terminal.  True when q was pressed; else
 * why says what ended it.
 */
bool view_run(struct instance *instances, size_t n, view_status_cb *status_of,
    void *ctx, char why[INSTANCE_WHY_MAX]);

#endif
