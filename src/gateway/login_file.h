/*
 * The login file of the gateway: who may log in, and with which password.
 *
 *	# a comment
 *	user:hash[:directory[:rules]]
 *
 * The hash is as crypt(5) makes it: yescrypt ($y$), sha512crypt ($6$) or bcrypt
 * ($2a$, $2b$, $2y$).  A hash that begins with "*" or "!" matches no password.
 * rules is "read-only" or empty.  Text in, users out: no file, no log.
 */
#ifndef GATEWAY_LOGIN_FILE_H
#define GATEWAY_LOGIN_FILE_H

#include <stdbool.h>
#include <stddef.h>

struct login_user {
	const char *name;
	const char *hash;
	const char *directory; /* "": none is given */
	bool disabled;	       /* the hash matches no password */
	bool read_only;
	unsigned line; /* its number, from 1 */
	size_t at;     /* offset of the line in the text */
	size_t len;    /* of the line, without its LF */
};

/* Not changed once it is made.  Its users hold references, so that a reload can
 * replace it while a session uses it. */
struct login_file;

/* Longest reason of login_file_parse(), with its NUL. */
#define LOGIN_FILE_WHY_MAX 160

/*
 * Reads len bytes of text, which it copies; at most LIMIT_LOGIN_FILE.  Returns
 * a login file with one reference; or NULL with the reason in why, which begins
 * with "line N: " if the text is wrong.
 */
struct login_file *login_file_parse(const char *text, size_t len, char *why,
    size_t size);

/* Adds a reference.  Returns file. */
struct login_file *login_file_keep(struct login_file *file);

/* Drops a reference; the last one overwrites and frees the file.  NULL is
 * allowed. */
void login_file_free(struct login_file *file);

/* The user with that name, also if it is disabled; or NULL.  It is valid as
 * long as the file. */
const struct login_user *login_file_find(const struct login_file *file,
    const char *name);

/*
 * The hash of some user who is not disabled; the same one each time for the
 * same name.  For a name that is not in the file: to check a password against
 * this hash takes as long as for a name that is.  There is a constant hash for
 * a file without such users.
 */
const char *login_file_stand_in(const struct login_file *file,
    const char *name);

/* May text be a field of the file?  Not if it has a colon or a control
 * character. */
bool login_file_is_field(const char *text);

/* May text be a user?  Not if it is no field, is empty, begins or ends with a
 * blank, or begins with "#". */
bool login_file_is_user(const char *text);

#endif
