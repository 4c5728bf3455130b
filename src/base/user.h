/*
 * Another user, whom root becomes for good.
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

/* Looks up a name, or a number.  0, -ENOENT when there is none, or another
 * negative errno.  To be freed by user_free(). */
int user_find(const char *text, struct user *ret);

/* What is all zero is allowed. */
void user_free(struct user *user);

/*
 * Becomes that user, with all his groups, in the environment as well (HOME,
 * USER, LOGNAME, SHELL; what names places and the session of the old one goes).
 * keep: capabilities that stay (base/caps.h), 0 for none.  The working
 * directory stays.  Then tries to go back; that it cannot is part of success.
 * 0 or a negative errno; then the process is neither this nor that, and must
 * end.
 */
int user_become(const struct user *user, uint64_t keep);

#endif
