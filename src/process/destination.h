/*
 * A destination: the links to it, the two sides on them, and the entries that
 * go there.  An entry is a tunnel of the configuration file, or all that one
 * command line says: any number of -L and -R with one set of options.
 */
#ifndef PROCESS_DESTINATION_H
#define PROCESS_DESTINATION_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/options.h"
#include "ssh/link.h"
#include "ssh/reconnect.h"
#include "tunnel/tunnel.h"

struct app;
struct destination;
struct entry;

/* Options that somebody else has the memory of. */
struct options_ref {
	const struct options *options;
	void (*gone)(void *ctx); /* they are needed no longer; or NULL */
	void *ctx;
};

/* What an entry is made of. */
struct entry_plan {
	const char *name; /* the tunnel's, as long as the options; NULL: it has
			   * none, it is the command line's */
	struct options_ref options;
};

/* How ssh is to be run for that one, as number to of the monitor's; without the
 * directory, the monitor and the budget. */
struct link_options destination_link_options(const struct options *options,
    size_t to);

/*
 * Makes it; nothing is started.  Of the options those of the links count; link,
 * as the monitor has it, is borrowed.  NULL when out of memory; then, too, the
 * options are not needed any longer.
 */
struct destination *destination_new(struct app *app,
    const struct options_ref *options, const struct link_options *link);

/*
 * One more entry: binds its near listeners, and where the destination has been
 * started, lets clients come.  plan is copied.  NULL: why has been logged;
 * then, too, the options are not needed any longer.
 */
struct entry *destination_add(struct destination *destination,
    const struct entry_plan *plan);

/* Nobody new comes by it, and its sessions end as soon as that cuts no
 * transfer; then it goes, and the last one's destination, too. */
void destination_remove(struct entry *entry, const char *why);

/* The same, at once: its sessions end with 421 and why. */
void destination_cut(struct entry *entry, const char *why);

/* The same for those of that name that are removed and have sessions left.
 * False: there are none. */
bool destination_cut_leaving(struct destination *destination, const char *name,
    const char *why);

/* Connects, or waits for the first client (--on-demand).  False: why has been
 * logged. */
bool destination_start(struct destination *destination);

/* What is to be seen of it from outside. */
struct destination_info {
	const char *destination; /* as it was given */
	bool leaving;		 /* nobody wants it any more */
	struct reconnect_info link;
};

void destination_describe(const struct destination *destination,
    struct destination_info *ret);

/* One -L or -R. */
struct listener_info {
	const char *name; /* of its tunnel, or NULL */
	const struct forward *forward;
	const struct tunnel *tunnel;
	bool listening;
	bool leaving;
};

/* Calls each for each of its -L and -R; info is valid in the call. */
typedef void destination_tunnel_cb(void *ctx, const struct listener_info *info);
void destination_each_tunnel(const struct destination *destination,
    destination_tunnel_cb *each, void *ctx);

/* Ends that session.  False: it is not one of its. */
bool destination_end_session(struct destination *destination,
    unsigned long number, const char *why);

/* Does its SSH connection stand? */
bool destination_is_up(const struct destination *destination);

/* Do all its listeners listen?  Also true where what is missing is retried: the
 * first attempt to connect has failed, or the SSH server has refused a -R. */
bool destination_is_settled(const struct destination *destination);

/* May more be added?  Not when no ssh of it will run again. */
bool destination_is_usable(const struct destination *destination);

/* Lets go of entries whose last session has ended.  Returns whether something
 * is still to go. */
bool destination_sweep(struct destination *destination);

/* Has it ended, with no entry and no ssh left?  Then it is to be freed. */
bool destination_is_gone(const struct destination *destination);

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

/* After its end, or when it was not started; what keeps the memory is left to
 * the loop.  NULL is allowed. */
void destination_free(struct destination *destination);

#endif
