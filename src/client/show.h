/*
 * What culvert status says to people: lines of text, of its JSON (status.h).
 */
#ifndef CLIENT_SHOW_H
#define CLIENT_SHOW_H

#include <jansson.h>

/* One line; session: the number of the one that it begins, or 0.  text has been
 * escaped. */
typedef void show_line_cb(void *ctx, long session, const char *text);

/*
 * Says it all, with transfers in so many columns.  before: what was said so
 * many seconds ago, of which the rates are made, or NULL: then they are
 * averages.
 */
void show_status(const json_t *status, const json_t *before, double seconds,
    unsigned columns, show_line_cb *line, void *ctx);

#endif
