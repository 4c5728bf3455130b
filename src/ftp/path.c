/*
 * Paths of FTP commands, and globs.
 */
#include "ftp/path.h"

#include <errno.h>
#include <string.h>

#include "ftp/line.h"

/* ---- spellings ---- */

static bool
is_letter(uint8_t byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

static bool
is_up(const uint8_t *text, size_t len)
{
	return len == 2 && text[0] == '.' && text[1] == '.';
}

/* Returns what is wrong with a byte of the path, or NULL. */
static const char *
bad_byte(const uint8_t *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] < ' ' || text[i] == 0x7f || text[i] == 0xff)
			return "it contains a control character";
		if (text[i] == '\\')
			return "a backslash is in it";
	}
	return NULL;
}

/* Returns what is wrong with a component of the path, or NULL. */
static const char *
bad_component(const uint8_t *text, size_t len)
{
	bool named = false;
	size_t n;

	for (size_t at = 0; at < len; at += n + 1) {
		const uint8_t *slash = memchr(text + at, '/', len - at);

		n = slash != NULL ? (size_t)(slash - text) - at : len - at;
		if (n > 0 && text[at] == '~')
			return "a component of the path begins with ~";
		if (n > 0 && text[at + n - 1] == ' ')
			return "a component of the path ends with a space";
		if (named && is_up(text + at, n))
			return "the path contains \"..\" after a name";
		if (n > 0 && !(n == 1 && text[at] == '.') &&
		    !is_up(text + at, n))
			named = true;
	}
	return NULL;
}

bool
path_is_plain(const uint8_t *text, size_t len, const char **ret_why)
{
	size_t first = len > 0 && text[0] == '/' ? 1 : 0;
	const char *why = NULL;

	if (len == 0)
		why = "there is none";
	else if (text[0] == ' ')
		why = "the path begins with a space";
	else if (text[0] == '"' || text[0] == '\'')
		why = "the path begins with a quotation mark";
	else if (len >= first + 2 && is_letter(text[first]) &&
	    text[first + 1] == ':')
		why = "the path begins with a drive letter";
	if (why == NULL)
		why = bad_byte(text, len);
	if (why == NULL)
		why = bad_component(text, len);
	if (why != NULL)
		*ret_why = why;
	return why == NULL;
}

bool
path_goes_up(const uint8_t *text, size_t len)
{
	size_t n;

	/* In a plain path, only "." can precede "..". */
	for (size_t at = 0; at < len && text[0] != '/'; at += n + 1) {
		const uint8_t *slash = memchr(text + at, '/', len - at);

		n = slash != NULL ? (size_t)(slash - text) - at : len - at;
		if (is_up(text + at, n))
			return true;
	}
	return false;
}

/* Returns the length without the last component; 0 for the root. */
static size_t
parent_len(const char *path, size_t len)
{
	while (len > 0 && path[len - 1] != '/')
		len--;
	return len > 0 ? len - 1 : 0;
}

/* Appends the components of text to a path of *len bytes, 0 for the root. */
static int
path_append(char ret[PATH_TEXT_MAX], size_t *len, const uint8_t *text,
    size_t text_len)
{
	size_t n;

	for (size_t at = 0; at < text_len; at += n + 1) {
		const uint8_t *slash = memchr(text + at, '/', text_len - at);

		n = slash != NULL ? (size_t)(slash - text) - at : text_len - at;
		if (n == 0 || (n == 1 && text[at] == '.'))
			continue;
		if (is_up(text + at, n)) {
			*len = parent_len(ret, *len);
			continue;
		}
		/* The component, its slash, and a NUL. */
		if (n + 2 > PATH_TEXT_MAX - *len)
			return -ENAMETOOLONG;
		ret[(*len)++] = '/';
		memcpy(ret + *len, text + at, n);
		*len += n;
	}
	return 0;
}

int
path_resolve(const char *cwd, const uint8_t *text, size_t len,
    char ret[PATH_TEXT_MAX])
{
	size_t ret_len = 0;
	int err = 0;

	if (cwd != NULL && (len == 0 || text[0] != '/'))
		err = path_append(ret, &ret_len, (const uint8_t *)cwd,
		    strlen(cwd));
	if (err == 0)
		err = path_append(ret, &ret_len, text, len);
	if (err != 0)
		return err;
	if (ret_len == 0)
		ret[ret_len++] = '/';
	ret[ret_len] = '\0';
	return 0;
}

int
path_parse_257(const uint8_t *line, size_t len, char ret[PATH_TEXT_MAX])
{
	uint8_t path[PATH_TEXT_MAX] = { 0 };
	size_t end = line_text_len(line, len), n = 0, at = 5;
	bool closed = false;

	if (end < at || memcmp(line, "257 \"", at) != 0)
		return -EINVAL;
	while (at < end && n < sizeof(path) && !closed) {
		/* A quote in the path is doubled; a single one ends the path.
		 */
		if (line[at] == '"' && (++at == end || line[at] != '"'))
			closed = true;
		else
			path[n++] = line[at++];
	}
	/* If another quote follows, the server does not double the quotes in a
	 * path. */
	if (!closed || (at < end && line[at] != ' ') ||
	    memchr(line + at, '"', end - at) != NULL || n == 0 ||
	    path[0] != '/' || bad_byte(path, n) != NULL)
		return -EINVAL;
	return path_resolve(NULL, path, n, ret) == 0 ? 0 : -EINVAL;
}

/* ---- globs ---- */

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool
same(char one, char other, bool any_case)
{
	return one == other || (any_case && lower(one) == lower(other));
}

static bool
in_range(char low, char high, char c)
{
	return (unsigned char)low <= (unsigned char)c &&
	    (unsigned char)c <= (unsigned char)high;
}

static char
upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* Is c in the set that begins after "["?  Sets *ret_end to the byte after "]".
 * Sets it to NULL and returns false if there is no "]".  With any_case a set
 * matches more characters, never fewer. */
static bool
set_has(const char *set, char c, bool any_case, const char **ret_end)
{
	bool negated = *set == '!' || *set == '^', found = false;
	const char *at = set + negated;
	char low, high;

	*ret_end = NULL;
	do {
		if (*at == '\\' && at[1] != '\0')
			at++;
		if (*at == '\0')
			return false;
		low = high = *at++;
		if (*at == '-' && at[1] != ']' && at[1] != '\0') {
			at += at[1] == '\\' && at[2] != '\0' ? 2 : 1;
			high = *at++;
		}
		found = found || in_range(low, high, c) ||
		    (any_case && !negated &&
			(in_range(low, high, lower(c)) ||
			    in_range(low, high, upper(c))));
	} while (*at != ']');
	*ret_end = at + 1;
	return found != negated;
}

/* Does c match the first part of the glob, which is not a star?  *ret_next
 * becomes the next part. */
static bool
part_matches(const char *glob, char c, bool any_case, const char **ret_next)
{
	const char *end;
	bool has;

	if (*glob == '[') {
		has = set_has(glob + 1, c, any_case, &end);
		if (end != NULL) {
			*ret_next = end;
			return has;
		}
	}
	if (*glob == '\\' && glob[1] != '\0')
		glob++;
	else if (*glob == '?') {
		*ret_next = glob + 1;
		return true;
	}
	*ret_next = glob + 1;
	return *glob != '\0' && same(*glob, c, any_case);
}

/* Is this the end of a directory, before or after its slash? */
static bool
is_boundary(const char *path, size_t at)
{
	return path[at] == '/' || (at > 0 && path[at - 1] == '/');
}

static bool
is_stars(const char *glob)
{
	return glob[strspn(glob, "*")] == '\0';
}

/* within: it is enough if a directory above matches.  Only the last star is
 * tried again, so the time is at most proportional to the product of both
 * lengths. */
static bool
matches(const char *glob, const char *path, size_t len, bool any_case,
    bool within)
{
	const char *star = NULL, *next;
	size_t at = 0, tried = 0;

	while (at < len) {
		if (within && is_stars(glob) && is_boundary(path, at))
			return true;
		if (*glob == '*') {
			star = ++glob;
			tried = at;
		} else if (part_matches(glob, path[at], any_case, &next)) {
			glob = next;
			at++;
		} else if (star != NULL) {
			glob = star;
			at = ++tried;
		} else {
			return false;
		}
	}
	return is_stars(glob);
}

bool
path_matches(const char *glob, const char *path, bool any_case)
{
	return matches(glob, path, strlen(path), any_case, false);
}

bool
path_matches_directory(const char *glob, const char *path, bool any_case)
{
	char with_slash[PATH_TEXT_MAX + 1];
	size_t len = strlen(path);

	if (path_matches(glob, path, any_case))
		return true;
	if (len == 0 || len >= PATH_TEXT_MAX || path[len - 1] == '/')
		return false;
	memcpy(with_slash, path, len);
	with_slash[len++] = '/';
	return matches(glob, with_slash, len, any_case, false);
}

bool
path_is_within(const char *glob, const char *path)
{
	return matches(glob, path, strlen(path), true, true);
}

/* Returns the length of the beginning of the glob that has no special
 * characters. */
static size_t
literal_len(const char *glob)
{
	return strcspn(glob, "*?[\\");
}

/* Is the shorter one of the texts the beginning of the longer one? */
static bool
begin_alike(const char *one, size_t len, const char *other, size_t other_len,
    bool any_case)
{
	for (size_t i = 0; i < len && i < other_len; i++)
		if (!same(one[i], other[i], any_case))
			return false;
	return true;
}

bool
path_may_match_below(const char *glob, const char *path)
{
	size_t literal = literal_len(glob), len = strlen(path);

	if (!begin_alike(glob, literal, path, len, true))
		return false;
	/* A slash must follow the directory. */
	return literal <= len || len == 1 || glob[len] == '/';
}

bool
path_matches_below(const char *glob, const char *path)
{
	size_t literal = literal_len(glob), len = strlen(path);

	if (strcmp(glob + literal, "*") != 0)
		return false;
	if (literal <= len)
		return begin_alike(glob, literal, path, len, false);
	/* "/pub/" and a star matches everything below "/pub". */
	return literal == len + 1 && glob[len] == '/' &&
	    begin_alike(glob, len, path, len, false);
}
