/*
 * What destination.c and destination_info.c share.  Nobody else includes it.
 */
#ifndef PROCESS_DESTINATION_PRIV_H
#define PROCESS_DESTINATION_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "process/destination.h"
#include "ssh/links.h"
#include "ssh/reconnect.h"
#include "tunnel/policy.h"

/* One -L or -R. */
struct listener {
	struct entry *entry;
	const struct forward *forward;
	struct tunnel *tunnel; /* NULL: it has gone */
	bool listening;
};

struct entry {
	TAILQ_ENTRY(entry) link;
	struct destination *destination;
	struct entry_plan plan;
	struct policy policy;
	struct listener *listeners;
	size_t n_listeners;
	size_t n_starting; /* of them, still */
	bool leaving;
};

struct destination {
	struct app *app;
	struct options_ref ref;
	const struct options *options; /* ref's, of the links */
	const struct link_options *link;
	struct reconnect *reconnect;
	struct links *links;	/* its own */
	struct side *far;	/* of servers */
	struct side *far_first; /* of clients: the first link only */
	TAILQ_HEAD(, entry) entries;
	bool started; /* so were the tunnels, once */
	bool leaving; /* nobody wants it any more */
	bool ended;
};

/* destination_info.c: what it has counted is the same tunnel's, as the
 * configuration file has it now: a counter must not go back. */
void destination_pass_on(const struct listener *listener);

bool entry_has_sessions(const struct entry *entry);

#endif
