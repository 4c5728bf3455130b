/*
 * What culvert status prints for people: the answer to "status"
 * (process/status.h) as lines of text.
 */
#ifndef CLIENT_SHOW_H
#define CLIENT_SHOW_H

#include <jansson.h>
#include <stdbool.h>

/* One line.  session: the number of the session that begins with it, or 0.
 * text is escaped. */
typedef void show_line_cb(void *ctx, long session, const char *text);

struct show_options {
	/* An earlier answer of the same culvert: rates are averages since
	 * then.  NULL: averages since each transfer began. */
	const json_t *before;
	unsigned columns; /* of the screen */

	/*
	 * Leaves out tunnels without sessions, and destinations with only
	 * such tunnels whose SSH connection is in order.  A last line says
	 * how many tunnels are hidden.
	 */
	bool hide_idle;
};

/* Calls line for each line of text.  status is an answer to "status". */
void show_status(const json_t *status, const struct show_options *options,
    show_line_cb *line, void *ctx);

#endif
