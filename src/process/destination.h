/*
 * The structs are not opaque, so that status.c can read them, and up.c and
 * up_reload.c can find entries.  Only destination.c and entry.c write to them.
 */
#ifndef PROCESS_DESTINATION_H
#define PROCESS_DESTINATION_H

#include <stdbool.h>
#include <stddef.h>

#include "capture/router.h"
#include "conf/config.h"
#include "gateway/gateway.h"
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
	struct side *gateway; /* "sftp/"; else NULL */
	struct side *front;   /* --login ssh without "sftp/"; else NULL */
	struct side *socks;   /* "socks/"; else NULL */
	struct side *resume;  /* --survive; else NULL */
	struct gateway_config gateway_config;
	struct router
	    *router; /* of clients that choose their server; or NULL */
	bool listening;
	bool added; /* by entry_add() */
};

struct entry {
	TAILQ_ENTRY(entry) link;
	struct destination *destination;
	const struct config_tunnel *config;
	struct loaded *loaded; /* the owner of config; NULL: the command line */
	struct policy policy;
	TAILQ_HEAD(, listener) listeners; /* the listeners with a tunnel */
	size_t n_starting;		  /* listeners that are starting */
	bool leaving; /* ends as soon as it has no sessions */
};

struct destination {
	TAILQ_ENTRY(destination) link;
	struct shared *shared;
	const struct config_tunnel *config; /* its link options are used */
	struct loaded *loaded;		    /* as in struct entry */
	struct link_options first;	    /* of the first link */
	char directory[CMDLINE_DIRECTORY_MAX];
	struct reconnect *reconnect;
	struct links *links;	/* reconnect's */
	struct side *far;	/* toward servers: any link */
	struct side *far_first; /* toward clients: only the first link */
	TAILQ_HEAD(, entry) entries;
	enum {
		DESTINATION_NEW,
		DESTINATION_STARTED, /* its tunnels have been started */
		DESTINATION_LEAVING, /* its last entry has left */
		DESTINATION_ENDED,   /* no ssh of it runs or will run */
	} state;
};

/* Makes link options from options.  to: the number of the destination in the
 * monitor.  The caller must set directory, monitor and budget. */
struct link_options destination_link_options(const struct options *options,
    size_t to);

/*
 * Makes the destination with the monitor's number to, and adds it to shared.
 * Starts nothing.  config must stay valid until the destination is freed;
 * loaded, which owns config, is kept until then (loaded_keep()).  Returns NULL,
 * which has been logged, when out of memory.
 */
struct destination *destination_new(struct shared *shared, size_t to,
    const struct config_tunnel *config, struct loaded *loaded);

/* Connects, or with --on-demand waits for the first client.  Returns false if
 * the destination has ended; the reason has been logged. */
bool destination_start(struct destination *destination);

/*
 * Frees the entries that are leaving and have no sessions.  If then no entry is
 * left and ssh has ended, frees the destination.  Returns true if it must be
 * called again later.
 */
bool destination_sweep(struct destination *destination);

/* May entries be added?  False if its ssh will not run any more. */
bool destination_is_usable(const struct destination *destination);

/* Is its SSH connection up? */
bool destination_is_up(const struct destination *destination);

/* Do all its listeners listen?  Also true if a retry is planned, because the
 * first attempt to connect has failed or the SSH server has refused a -R. */
bool destination_is_settled(const struct destination *destination);

/* Do any of its clients come through the SSH connection (-R)? */
bool destination_is_remote(const struct destination *destination);

/* The number of destinations that have not ended. */
size_t destinations_running(const struct shared *shared);

/* Ends the session with that number; its client gets 421 with why.  Returns
 * false if there is no such session. */
bool destinations_end_session(const struct shared *shared, unsigned long number,
    const char *why);

/* Accepts no more clients, and ends each session as soon as that cuts no
 * transfer.  why: for the 421. */
void destination_drain(struct destination *destination, const char *why);

/* Ends all sessions; their clients get 421 with why.  ssh continues until
 * destination_disconnect(), because clients of -R get the 421 through it. */
void destination_stop(struct destination *destination, const char *why);

/* Does the gateway of one of them still need the link, to remove what cut
 * uploads have left? */
bool destinations_are_busy(const struct shared *shared);

/* Ends ssh.  The handler's ended() is called later, unless it has been called
 * already. */
void destination_disconnect(struct destination *destination);

/* Closes what keeps the loop running.  A second call does nothing. */
void destination_let_go(struct destination *destination);

/* Frees the destination.  It must have ended, or not have been started. */
void destination_free(struct destination *destination);

/* ---- entry.c ---- */

/*
 * Adds an entry: binds its near listeners, and accepts clients if the
 * destination has been started.  config and loaded: as for destination_new().
 * Returns NULL if it cannot; the reason has been logged.
 */
struct entry *entry_new(struct destination *destination,
    const struct config_tunnel *config, struct loaded *loaded);

/* Adds a listener to an entry that has been started: binds it and accepts
 * clients.  forward and policy are borrowed for as long as the entry exists.
 * Returns NULL if it cannot; the reason has been logged. */
const struct listener *entry_add(struct entry *entry,
    const struct forward *forward, const struct policy *policy);

/*
 * From now on the entry accepts no clients.  Its sessions end with 421 and why:
 * at once, or as soon as that cuts no transfer.  Then destination_sweep() frees
 * the entry.
 */
void entry_leave(struct entry *entry, bool at_once, const char *why);

bool entry_has_sessions(const struct entry *entry);

/* From now on logins are checked against the login file as shared->logins has
 * it. */
void entry_renew_logins(const struct entry *entry);

/* Only destination.c calls the following functions. */
/* Does a session at its gateway still need the link, even if its client has
 * gone? */
bool entry_is_busy(const struct entry *entry);
void entry_start(struct entry *entry);
void entry_drain(struct entry *entry, const char *why);
void entry_stop(struct entry *entry, const char *why);
void entry_let_go(struct entry *entry);
void entry_free(struct entry *entry);

/* Adds the counters of the entry to the listeners that have its name and
 * addresses now, because a counter must not go back. */
void entry_pass_counters(const struct entry *entry);

#endif
