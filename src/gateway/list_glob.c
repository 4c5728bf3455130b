/*
 * Globs, for names of one directory.  fnmatch(3) is not used: it depends on the
 * locale, and some patterns take it exponential time.
 */
#include <string.h>

#include "gateway/list.h"

struct glob {
	const uint8_t *text;
	size_t len;
	/* No [ from here on has its ].  Without it a glob of [ only would be
	 * read to its end for each of them. */
	size_t open;
};

/* A byte that stands for itself, which may be quoted; *at moves behind it.
 * false: the glob ends before. */
static bool
glob_byte(const struct glob *glob, size_t *at, uint8_t *ret)
{
	if (*at < glob->len && glob->text[*at] == '\\')
		++*at;
	if (*at >= glob->len)
		return false;
	*ret = glob->text[(*at)++];
	return true;
}

/*
 * Is the byte in the set whose [ is at *at?  Moves *at behind the set.  Returns
 * -1 if it has no end; then *at is untouched.
 */
static int
glob_set(struct glob *glob, size_t *at, uint8_t byte)
{
	const uint8_t *text = glob->text;
	size_t i = *at + 1, first;
	uint8_t low, high;
	bool negated = false, found = false;

	if (i < glob->len && (text[i] == '!' || text[i] == '^')) {
		negated = true;
		i++;
	}
	/* A ] that comes first is a member. */
	for (first = i; i < glob->len && (text[i] != ']' || i == first);) {
		if (!glob_byte(glob, &i, &low))
			break;
		high = low;
		/* A - that comes last is a member. */
		if (i + 1 < glob->len && text[i] == '-' && text[i + 1] != ']') {
			i++;
			if (!glob_byte(glob, &i, &high))
				break;
		}
		if (byte >= low && byte <= high)
			found = true;
	}
	if (i >= glob->len) {
		glob->open = *at;
		return -1;
	}
	*at = i + 1;
	return found != negated;
}

/* Does the byte match what is at *at of the glob, which is no star?  Moves *at
 * behind it, unless the glob ends before. */
static bool
glob_one(struct glob *glob, size_t *at, uint8_t byte)
{
	uint8_t member;
	int in_set;

	if (*at >= glob->len)
		return false;
	if (glob->text[*at] == '[' && *at < glob->open) {
		in_set = glob_set(glob, at, byte);
		if (in_set >= 0)
			return in_set == 1;
	}
	if (glob->text[*at] == '?') {
		++*at;
		return true;
	}
	/* A \ at the end quotes nothing and matches nothing. */
	return glob_byte(glob, at, &member) && member == byte;
}

/* A dot at the beginning is matched by itself only. */
static bool
glob_begins_with_dot(const struct glob *glob)
{
	size_t at = glob->len > 0 && glob->text[0] == '\\';

	return at < glob->len && glob->text[at] == '.';
}

bool
list_matches(const char *text, size_t glob_len, const struct sftp_string *name)
{
	struct glob glob = { (const uint8_t *)text, glob_len, glob_len };
	size_t at = 0, i = 0;
	size_t star = SIZE_MAX, tried = 0; /* behind the last star */

	if (name->len > 0 && name->bytes[0] == '.' &&
	    !glob_begins_with_dot(&glob))
		return false;
	/* Only the last star needs to be tried with more bytes: what matched
	 * before it has matched the shortest beginning. */
	while (i < name->len) {
		if (at < glob.len && glob.text[at] == '*') {
			star = ++at;
			tried = i;
		} else if (glob_one(&glob, &at, name->bytes[i])) {
			i++;
		} else if (star != SIZE_MAX) {
			at = star;
			i = ++tried;
		} else {
			return false;
		}
	}
	while (at < glob.len && glob.text[at] == '*')
		at++;
	return at == glob.len;
}

bool
list_is_glob(const char *text, size_t len)
{
	const char *open = memchr(text, '[', len);

	return memchr(text, '*', len) != NULL ||
	    memchr(text, '?', len) != NULL ||
	    (open != NULL &&
		memchr(open, ']', (size_t)(text + len - open)) != NULL);
}
