/*
 * A destination: the links to it, the two sides on them, and the tunnels that
 * go there.  main.c and command_up.c make them, app.c has them.
 */
#ifndef DESTINATION_H
#define DESTINATION_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/options.h"
#include "ssh/link.h"

struct app;
struct destination;

/* A tunnel of the configuration file, or what one command line says: any number
 * of -L and -R. */
struct destination_tunnel {
	const char *prefix; /* of its log lines, "NAME: "; NULL: none, since it
			     * is the command line's */
	const struct options *options;
};

/* What goes to one destination; for the options that all of them must agree on
 * the first's count. */
struct destination_plan {
	const struct destination_tunnel *tunnels;
	size_t n;
};

/* How ssh is to be run for that plan, which is number to of the monitor's.
 * directory and monitor are still to be filled in. */
struct link_options
destination_link_options(const struct destination_plan *plan, size_t to);

/* Both are borrowed; link is as the monitor has it, with its directory.  NULL
 * when out of memory. */
struct destination *destination_new(struct app *app,
    const struct destination_plan *plan, const struct link_options *link);

/* Makes its parts, and binds the near listeners.  False: why has been logged.
 */
bool destination_prepare(struct destination *destination);

/* Connects, or waits for the first client (--on-demand).  False: why has been
 * logged. */
bool destination_start(struct destination *destination);

/* Do any of its clients come by the SSH connection (-R)? */
bool destination_is_remote(const struct destination *destination);

/* Nobody new comes; sessions end as soon as that cuts no transfer. */
void destination_drain(struct destination *destination, const char *why);

/* Sessions end with 421 and why.  ssh is left until destination_disconnect(),
 * for those whose clients are on the far side. */
void destination_stop(struct destination *destination, const char *why);

/* Ends ssh.  app_destination_ended() follows, unless it has come. */
void destination_disconnect(struct destination *destination);

/* Lets go of what would keep the loop from running dry; for one that has not
 * been started.  Twice is allowed. */
void destination_let_go(struct destination *destination);

/* When the loop has run dry.  NULL is allowed. */
void destination_free(struct destination *destination);

#endif
