/*
 * culvert status -w: the full-screen view.
 */
#ifndef CLIENT_VIEW_H
#define CLIENT_VIEW_H

#include <stdbool.h>

#include "client/ask.h"

/* Asks all of them; one answer for each, NULL for one that does not.  For the
 * caller's choice of tunnels. */
typedef json_t *view_ask_cb(void *ctx, struct asked *asked);

/*
 * Shows what they do, once a second, until q or the last of them has ended.
 * Needs a terminal.  True when q was pressed; else why says what ended it.
 */
bool view_run(struct asked *asked, size_t n, view_ask_cb *ask_one, void *ctx,
    char why[ASK_WHY_MAX]);

#endif
