/*
 * Paths in FTP commands, for --allow-path and --deny-path: they are made
 * absolute, in one spelling, and matched against globs.  Paths are read as on
 * Unix; a path that other servers may read in another way is rejected
 * (path_is_plain()).
 *
 * A glob has *, ?, [a-z], [!a-z] and \ as in fnmatch(3).  Unlike there, * and ?
 * also match slashes: a glob that is "/pub/" with a star after it matches
 * everything below /pub.
 */
#ifndef FTP_PATH_H
#define FTP_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest path, with its NUL (PATH_MAX on Linux). */
#define PATH_TEXT_MAX 4096

/*
 * Do all servers read the len bytes at text as the same path?  False, with the
 * reason in *ret_why, if it is empty; begins with a blank, a quote or a drive
 * ("C:"); has a backslash, a control character or a byte 255; or has a
 * component that begins with "~", ends with a blank, or is ".." after a name
 * ("a/..": a may be a symbolic link).
 */
bool path_is_plain(const uint8_t *text, size_t len, const char **ret_why);

/* Does a plain path begin with ".."? */
bool path_goes_up(const uint8_t *text, size_t len);

/*
 * Makes the path text absolute, and removes ".", "..", and doubled or trailing
 * slashes; ".." at the root is the root.  cwd is the absolute working
 * directory; it may be NULL if text begins with a slash.  Returns 0 or
 * -ENAMETOOLONG.
 */
int path_resolve(const char *cwd, const uint8_t *text, size_t len,
    char ret[PATH_TEXT_MAX]);

/* Reads the absolute path in a 257 reply to PWD (RFC 959 appendix II), and
 * returns it in the spelling of path_resolve().  Returns 0 or -EINVAL. */
int path_parse_257(const uint8_t *line, size_t len, char ret[PATH_TEXT_MAX]);

/* Does the glob match the whole path?  any_case: upper and lower case are the
 * same. */
bool path_matches(const char *glob, const char *path, bool any_case);

/* Does the glob match the path, or the path with a slash after it? */
bool path_matches_directory(const char *glob, const char *path, bool any_case);

/* Does the glob match the path, or a directory above it, regardless of case? */
bool path_is_within(const char *glob, const char *path);

/* Can the glob match anything below the directory path, regardless of case?
 * False only if that is certain. */
bool path_may_match_below(const char *glob, const char *path);

/* Does the glob match everything below the directory path?  True only if that
 * is certain. */
bool path_matches_below(const char *glob, const char *path);

#endif
