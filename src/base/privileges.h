/*
 * From root, or whoever started culvert, to a process that may do next to
 * nothing: the user (base/user.h), then the stages of base/confine.h, each of
 * them said at -v.
 */
#ifndef BASE_PRIVILEGES_H
#define BASE_PRIVILEGES_H

#include <stdbool.h>

#include "base/user.h"

struct privileges {
	const struct user *user; /* to become, or NULL */
	const char *directory;	 /* where files may be made; NULL: nowhere */
	bool low_ports;		 /* ports below 1024 are still to be bound */
	bool no_filters;	 /* neither Landlock nor seccomp */
};

/*
 * Takes from this process, and so from its libuv, io_uring and new privileges
 * (base/confine.h).  Before uv_loop_init(), after the monitor was forked; no
 * threads.  no_filters: as below.  False, after saying why: then it must end.
 */
bool privileges_prepare(bool no_filters);

/*
 * Looks up the user of that name or number; NULL: none, *ret is left alone, and
 * root is warned.  False, after saying why, when he cannot be had: there is
 * none, it is root, or we are not.
 */
bool privileges_find_user(const char *name, struct user *ret);

/*
 * Drops them, for good, after privileges_prepare(), before anything of a peer
 * is read, and from a process with one thread.  False, after saying why: then
 * it must end.
 */
bool privileges_drop(const struct privileges *privileges);

#endif
