/*
 * The links to one destination: up to so many SSH connections (--links).
 *
 * The first carries the control connections, and when it ends, all end; then
 * they may be started again.  The further ones carry data connections only.
 * One is opened when a data connection is wanted while each link that is up
 * carries one already; the one that wanted it does not wait.  So one data
 * connection at a time never opens a second link.
 *
 * A further link is opened in the background and asks nobody (BatchMode, and no
 * terminal: ssh does not hand BatchMode on to the one of its ProxyJump).  One
 * that fails, or is lost, is told to the log, and to the owners of its streams
 * and forwards; the others go on, and the next is not tried before a pause.  It
 * asks for the ciphers that the first has found out.
 */
#ifndef SSH_LINKS_H
#define SSH_LINKS_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "ssh/link.h"

struct links;

struct links_options {
	const struct link_options *link; /* of the first; the others are made
					  * below its directory */
	size_t max;	   /* 1 .. LIMIT_LINKS, the first included */
	uint64_t idle_ms;  /* LIMIT_LINK_IDLE_MS; a test has less time */
	uint64_t pause_ms; /* LIMIT_LINK_PAUSE_MS */
};

/*
 * Makes them; none is started.  options is copied, but what it points to
 * outlives them.  handler is the first link's (struct link_handler); when its
 * down() comes, the others are being stopped.  NULL when out of memory.
 */
struct links *links_new(uv_loop_t *loop, const struct links_options *options,
    const struct link_handler *handler, void *ctx);

/*
 * Starts the first; as link_start().  After its down() again, with a link that
 * is new: no pointer to the old one may be left.
 */
int links_start(struct links *links);

/* The first link keeps its session open from the next start on: see
 * link_keep_session(). */
void links_keep_session(struct links *links);

/* links_stop() is to come: no other one is opened, and the end of a further one
 * is no news any more. */
void links_expect_stop(struct links *links);

/* Stops all, also those that are being opened; no other one is opened. */
void links_stop(struct links *links);

/* Does no ssh of theirs run?  The first one may end before others. */
bool links_are_over(const struct links *links);

/*
 * Only when they are over, as is so once the loop has run dry; what keeps the
 * memory is left to the loop.  NULL is allowed.
 */
void links_free(struct links *links);

/* The first, up or not, until links_start(); its load counts data connections
 * only, too. */
struct link *links_first(const struct links *links);

/*
 * The link for a data connection that begins now: the least loaded of those
 * that are up; of several, a further one rather than the first, where it would
 * stand in the way of the control connections.  May begin to open one more.
 * NULL: none is up.
 */
struct link *links_choose(struct links *links);

/*
 * Data connections on a link: its streams for data count by themselves; one
 * that comes by a forward is there from links_hold() to links_release().  To be
 * released when the link is lost, at the latest when its forwards are told.
 */
void links_hold(struct links *links, const struct link *link);
void links_release(struct links *links, const struct link *link);
unsigned int links_load(const struct links *links, const struct link *link);

/* How many of the further ones are up. */
size_t links_further_up(const struct links *links);

#endif
