/*
 * Paths of FTP commands, as a policy must see them: absolute, in one spelling,
 * matched against globs.  The server is thought of as one with Unix's paths; a
 * spelling that others read in another way is not taken (path_is_plain()).
 *
 * A glob has fnmatch(3)'s *, ?, [a-z], [!a-z] and \; * and ? match slashes,
 * too:
 * "/pub/" and a star is all that is below /pub.
 */
#ifndef FTP_PATH_H
#define FTP_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the longest path that is looked at, with its NUL (Linux has the
 * same). */
#define PATH_TEXT_MAX 4096

/*
 * Is there one way to read the len bytes at text as a path?  False, with what
 * is in the way in *ret_why, for those that are empty, begin with a blank, a
 * quote or a drive ("C:"), have a backslash, a control character, a byte 255,
 * or a component that begins with "~", ends with a blank or goes up behind a
 * name
 * ("a/.."; a may be a symbolic link).
 */
bool path_is_plain(const uint8_t *text, size_t len, const char **ret_why);

/* Does a plain one lead above the directory that it is relative to? */
bool path_goes_up(const uint8_t *text, size_t len);

/*
 * The path that text means where cwd, an absolute one, is the working directory
 * (NULL when text begins with a slash): without ".", "..", doubled and trailing
 * slashes.  ".." at the root is the root.  Returns 0 or -ENAMETOOLONG.
 */
int path_resolve(const char *cwd, const uint8_t *text, size_t len,
    char ret[PATH_TEXT_MAX]);

/* The absolute path in a line of a 257 reply to PWD (RFC 959 appendix II), in
 * the spelling of path_resolve(): 0 or -EINVAL. */
int path_parse_257(const uint8_t *line, size_t len, char ret[PATH_TEXT_MAX]);

/* any_case: a to z match A to Z. */
bool path_matches(const char *glob, const char *path, bool any_case);

/* Does it match, or as a directory, with a slash behind it? */
bool path_matches_directory(const char *glob, const char *path, bool any_case);

/* Does it match, or a directory above it?  In any case. */
bool path_is_within(const char *glob, const char *path);

/* May something below that directory match?  In any case.  False only when
 * that is certain. */
bool path_may_match_below(const char *glob, const char *path);

/* Does everything below that directory match?  True only when that is
 * certain. */
bool path_matches_below(const char *glob, const char *path);

#endif
