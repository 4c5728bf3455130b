/*
 * The links to one destination, at most --links.
 *
 * The first one carries the control connections.  When it ends, all end; then
 * they can be started again.  The further ones carry data connections only. One
 * is opened when a data connection begins and each link that is up already
 * carries one; that data connection does not wait for it.  So a second link is
 * never opened for one data connection at a time.
 *
 * A further link is opened in the background and asks nothing (BatchMode, and
 * no terminal, because ssh does not pass BatchMode on to the ssh of its
 * ProxyJump). If it fails or is lost, that is logged, and the owners of its
 * streams and forwards hear of it; the other links continue, and the next is
 * opened after a pause at the earliest.
 */
#ifndef SSH_LINKS_H
#define SSH_LINKS_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "ssh/link.h"

struct links;

struct links_options {
	/* Of the first; the others have directories below its directory. */
	const struct link_options *link;
	size_t max;	   /* 1 .. LIMIT_LINKS, the first included */
	uint64_t idle_ms;  /* LIMIT_LINK_IDLE_MS; less in tests */
	uint64_t pause_ms; /* LIMIT_LINK_PAUSE_MS */
};

/*
 * options is copied, but what it points to outlives the links.  handler: of the
 * first link; when its down() comes, the others are being stopped.  NULL when
 * out of memory.
 */
struct links *links_new(uv_loop_t *loop, const struct links_options *options,
    const struct link_handler *handler, void *ctx);

/* Starts the first, as link_start().  After its down(), again, with a new link:
 * no pointer to the old one may be left. */
int links_start(struct links *links, bool keep_session);

/* links_stop() will follow: no link is opened any more, and the end of a
 * further one is not logged. */
void links_expect_stop(struct links *links);

/* Stops all, also those that are being opened. */
void links_stop(struct links *links);

/* Does no ssh run?  The first link may end before others. */
bool links_are_over(const struct links *links);

/* Only when they are over; the loop frees it.  NULL is allowed. */
void links_free(struct links *links);

/* The first, up or not; valid until the next links_start(). */
struct link *links_first(const struct links *links);

/*
 * The link for a new data connection: one that carries the fewest; a further
 * link rather than the first, where the control connections are.  May begin to
 * open another.  NULL: none is up.
 */
struct link *links_choose(struct links *links);

/*
 * The number of data connections on a link.  Streams for data count by
 * themselves; a connection by a forward counts from links_hold() to
 * links_release(), which must come, if the link is lost, before done() of its
 * forward returns.
 */
unsigned int links_load(const struct links *links, const struct link *link);
void links_hold(struct links *links, const struct link *link);
void links_release(struct links *links, const struct link *link);

/* The number of further links that are up. */
size_t links_further_up(const struct links *links);

#endif
