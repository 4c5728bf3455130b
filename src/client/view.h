/*
 * culvert status -w: the full-screen view.
 */
#ifndef CLIENT_VIEW_H
#define CLIENT_VIEW_H

#include <stdbool.h>

#include "client/instance.h"

/* Returns the status of one, reduced to the tunnels that the user wants.
 * NULL with why. */
typedef json_t *view_status_cb(void *ctx, struct instance *instance,
    char why[INSTANCE_WHY_MAX]);

/*
 * Shows them, and refreshes once a second, until q is pressed, none of them
 * answers, or the terminal is gone.  Needs a terminal.  True when q was
 * pressed; else why says what happened.
 */
bool view_run(struct instance *instances, size_t n, view_status_cb *status_of,
    void *ctx, char why[INSTANCE_WHY_MAX]);

#endif
