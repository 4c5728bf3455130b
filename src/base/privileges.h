/*
 * Drops all privileges that the main process does not need: it becomes another
 * user (base/user.h) and performs the stages of base/confine.h.  With -v each
 * step is logged.
 */
#ifndef BASE_PRIVILEGES_H
#define BASE_PRIVILEGES_H

#include <stdbool.h>

#include "base/user.h"

struct privileges {
	const struct user *user; /* the user to become, or NULL */
	const char *directory;	 /* as in struct confine_options */
	bool low_ports;		 /* as in struct confine_options */
	bool foreign;		 /* the same */
	bool no_filters;	 /* neither Landlock nor seccomp */
};

/*
 * Performs the stages of base/confine.h that must precede uv_loop_init().  Call
 * it after the monitor was forked, without threads.  no_filters leaves out
 * CONFINE_RINGS.  Returns false, with the reason logged, if the process must
 * end.
 */
bool privileges_prepare(bool no_filters);

/*
 * Looks up the user with that name or number; free *ret with user_free().  If
 * name is NULL, *ret is unchanged, and a warning is logged if this process is
 * root.  Returns false, with the reason logged, if there is no such user, if it
 * is root, or if this process is not root.
 */
bool privileges_find_user(const char *name, struct user *ret);

/*
 * Drops the privileges permanently.  Call it after privileges_prepare(), before
 * anything is read from a peer, with one thread.  Returns false, with the
 * reason logged, if the process must end.
 */
bool privileges_drop(const struct privileges *privileges);

#endif
