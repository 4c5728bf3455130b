/*
 * A destination: the links to it, the far sides on them, and the entries that
 * use them.  An entry is a tunnel of the configuration file, or a command line:
 * any number of -L and -R with one set of options.  Each -L or -R is a
 * listener.
 *
 * The structs are open so that status.c can read them, and
 * up.c and up_reload.c can find entries; only destination.c and entry.c write
 * to them.
 */
#ifndef PROCESS_DESTINATION_H
#define PROCESS_DESTINATION_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/config.h"
#include "process/loaded.h"
#include "process/shared.h"
#include "ssh/cmdline.h"
#include "ssh/link.h"
#include "ssh/links.h"
#include "ssh/reconnect.h"
#include "tunnel/policy.h"
#include "tunnel/tunnel.h"

struct listener {
	TAILQ_ENTRY(listener) link;
	struct entry *entry;
	const struct forward *forward;
	struct tunnel *tunnel;
	bool listening;
};

struct entry {
	TAILQ_ENTRY(entry) link;
	struct destination *destination;
	const struct config_tunnel *config;
	struct loaded *loaded; /* has config; NULL: the command line's */
	struct policy policy;
	struct listener *memory;	  /* of all listeners */
	TAILQ_HEAD(, listener) listeners; /* those that have a tunnel */
	size_t n_starting;		  /* of them */
	bool leaving; /* ends as soon as it has no sessions */
};

struct destination {
	TAILQ_ENTRY(destination) link;
	struct shared *shared;
	const struct config_tunnel *config; /* its options of links count */
	struct loaded *loaded;		    /* as in struct entry */
	struct link_options first;	    /* of the first link */
	char directory[CMDLINE_DIRECTORY_MAX];
	struct reconnect *reconnect;
	struct links *links;	/* reconnect's */
	struct side *far;	/* for servers: any link */
	struct side *far_first; /* for clients: the first link only */
	TAILQ_HEAD(, entry) entries;
	bool started; /* its tunnels have been */
	bool leaving; /* its last entry has left */
	bool ended;   /* no ssh of it runs or will run */
};

/* The link options that these options say, for destination number to of the
 * monitor's; directory, monitor and budget are left out. */
struct link_options destination_link_options(const struct options *options,
    size_t to);

/*
 * Makes number to of the monitor's destinations and adds it to shared; nothing
 * is started.  config is borrowed, and loaded is kept, until it is freed.
 * Returns NULL, which has been logged, when out of memory.
 */
struct destination *destination_new(struct shared *shared, size_t to,
    const struct config_tunnel *config, struct loaded *loaded);

/* Connects, or with --on-demand waits for the first client.  False: the reason
 * has been logged, and it has ended. */
bool destination_start(struct destination *destination);

/*
 * Frees the entries that are leaving and have no sessions, and, when it had no
 * others and its ssh has ended, the destination.  True: call it again later.
 */
bool destination_sweep(struct destination *destination);

/* May entries be added?  Not if no ssh of it will run any more. */
bool destination_is_usable(const struct destination *destination);

/* Is its SSH connection up? */
bool destination_is_up(const struct destination *destination);

/* Do all its listeners listen?  Also true where this is being retried: the
 * first attempt to connect has failed, or the SSH server has refused a -R. */
bool destination_is_settled(const struct destination *destination);

/* Do any of its clients come through the SSH connection (-R)? */
bool destination_is_remote(const struct destination *destination);

/* How many have not ended. */
size_t destinations_running(const struct shared *shared);

/* Ends the session with that number with 421 and why.  False: there is none. */
bool destinations_end_session(const struct shared *shared, unsigned long number,
    const char *why);

/* Accepts no more clients; sessions end as soon as that cuts no transfer. */
void destination_drain(struct destination *destination, const char *why);

/* Ends sessions with 421 and why.  ssh continues until
 * destination_disconnect(), because clients of -R get the 421 through it. */
void destination_stop(struct destination *destination, const char *why);

/* Ends ssh.  The handler's ended() follows, unless it was called before. */
void destination_disconnect(struct destination *destination);

/* Frees what would keep the loop running.  A second call does nothing. */
void destination_let_go(struct destination *destination);

/* When it has ended, or was not started. */
void destination_free(struct destination *destination);

/* ---- entry.c ---- */

/*
 * Adds an entry: binds its near listeners, and accepts clients if the
 * destination has been started.  config and loaded as for destination_new().
 * Returns NULL; the reason has been logged.
 */
struct entry *entry_new(struct destination *destination,
    const struct config_tunnel *config, struct loaded *loaded);

/*
 * The entry accepts no more clients, and its sessions end with 421 and why: at
 * once, or as soon as that cuts no transfer.  Then destination_sweep() frees
 * it.
 */
void entry_leave(struct entry *entry, bool at_once, const char *why);

bool entry_has_sessions(const struct entry *entry);

/* The rest is called by destination.c only. */
void entry_start(struct entry *entry);
void entry_drain(struct entry *entry, const char *why);
void entry_stop(struct entry *entry, const char *why);
void entry_let_go(struct entry *entry);
void entry_free(struct entry *entry);

/* What it has counted passes to the listeners that have its name and addresses
 * now: a counter must not go back. */
void entry_pass_counters(const struct entry *entry);

#endif
