/*
 * The user that culvert becomes if it was started as root (--user).
 */
#ifndef BASE_USER_H
#define BASE_USER_H

#include <stdint.h>
#include <sys/types.h>

/* The texts are on the heap. */
struct user {
	uid_t uid;
	gid_t gid;
	char *name;
	char *home;
	char *shell;
};

/* Looks up a user by name or number.  Returns 0, -ENOENT if there is none, or
 * another negative errno.  Free *ret with user_free(). */
int user_find(const char *text, struct user *ret);

/* A zeroed struct is allowed. */
void user_free(struct user *user);

/*
 * Becomes that user permanently, with all groups of that user.  Sets HOME,
 * USER, LOGNAME and SHELL, and removes variables that name directories and the
 * login session of the old user.  keep: a mask of the capabilities to keep
 * (base/caps.h), or 0.  Succeeds only if the process cannot become the old user
 * again.  Returns 0 or a negative errno; after an error the process may have
 * changed only in part, and must end.
 */
int user_become(const struct user *user, uint64_t keep);

#endif
