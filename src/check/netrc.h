/*
 * The file ~/.netrc (ftp(1)): text in, a login out.  Pure.
 */
#ifndef CHECK_NETRC_H
#define CHECK_NETRC_H

#include <stddef.h>

/* Bytes of a word, its NUL included. */
#define NETRC_WORD_MAX 256

struct netrc_login {
	char user[NETRC_WORD_MAX];
	char password[NETRC_WORD_MAX];
};

/*
 * What len bytes of text say of that machine, for that user; without one (NULL)
 * what the machine's own entry says, and "default" does not count.  An entry
 * without a login is any user's.  Words may stand in double quotes, with a
 * backslash before the next letter; "macdef" ends with an empty line; "#"
 * begins a comment in place of a word.
 * 0; -ENOENT when there is none that has a password; -EINVAL for a word that is
 * too long, or not known where "machine" might stand.  *ret is untouched on
 * failure.
 */
int netrc_find(const char *text, size_t len, const char *machine,
    const char *user, struct netrc_login *ret);

#endif
