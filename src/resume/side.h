/*
 * A side for tunnels with --survive: the far side, whose sessions outlive its
 * link.  Connecting for control makes a session of its own between the engine
 * and the FTP server (resume/resume.h); side_for_data() then gives the side of
 * that session.  The engine sees one control connection, and data connections
 * that stand still while the link is made again.
 */
#ifndef RESUME_SIDE_H
#define RESUME_SIDE_H

#include <uv.h>

#include "tunnel/side.h"

struct links;

struct resume_side_options {
	uv_loop_t *loop;
	struct side *far;
	struct links *links;  /* of that side */
	uint64_t survive_ms;  /* how long a session waits for the link */
	uint64_t memory;      /* bytes, for uploads */
	const char *log_name; /* of the tunnel; or NULL */
};

/* options is copied, what it points to is borrowed.  NULL when out of memory.
 */
struct side *resume_side_new(const struct resume_side_options *options);

#endif
