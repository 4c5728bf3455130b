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
 * Finds the login for that machine and user in len bytes of text.  Without a
 * user (NULL) only an entry of the machine itself counts, not "default".  An
 * entry without a login is for any user.  Words may be in double quotes; a
 * backslash quotes the next letter; "macdef" ends with an empty line; "#" in
 * place of a keyword begins a comment.
 * Returns 0; -ENOENT if there is no entry with a password; -EINVAL for a word
 * that is too long, or for an unknown keyword.  *ret is untouched on failure.
 */
int netrc_find(const char *text, size_t len, const char *machine,
    const char *user, struct netrc_login *ret);

#endif
