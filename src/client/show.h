/*
 * What culvert status says to people: lines of text, of its JSON (status.h).
 */
#ifndef CLIENT_SHOW_H
#define CLIENT_SHOW_H

#include <jansson.h>
#include <stdbool.h>

/* One line; session: the number of the one that it begins, or 0.  text has been
 * escaped. */
typedef void show_line_cb(void *ctx, long session, const char *text);

struct show_options {
	/* An earlier answer of the same culvert: rates are of the time since
	 * then.  NULL: rates are of the time since each transfer began. */
	const json_t *before;
	unsigned columns; /* of the screen */

	/* Leaves out tunnels without a session, and destinations that have no
	 * other tunnel and whose SSH connection is as it should be; and says
	 * how many tunnels were left out. */
	bool hide_idle;
};

/* Calls line for each line of what status, the answer to "status", says. */
void show_status(const json_t *status, const struct show_options *options,
    show_line_cb *line, void *ctx);

#endif
