/*
 * culvert status -w: the full-screen view.
 */
#ifndef CLIENT_VIEW_H
#define CLIENT_VIEW_H

#include <stdbool.h>

#include "client/instance.h"

/* Returns the status of one culvert, with only the tunnels that the user wants;
 * view_run() frees it.  Returns NULL with the reason in why if it does not
 * answer, or has none of these tunnels. */
typedef json_t *view_status_cb(void *ctx, struct instance *instance,
    char why[INSTANCE_WHY_MAX]);

/*
 * Shows the status of the n culverts, and refreshes it once a second, until q
 * is pressed, no culvert answers, or the terminal is gone.  It needs a
 * terminal.  Returns true if q was pressed; otherwise false with the reason in
 * why.
 */
bool view_run(struct instance *instances, size_t n, view_status_cb *status_of,
    void *ctx, char why[INSTANCE_WHY_MAX]);

#endif
