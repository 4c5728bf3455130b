/*
 * Paths: one spelling of each, and globs that agree with each other.  The bytes
 * are a glob, a NUL, and a path.
 */
#include <assert.h>
#include <string.h>

#include "ftp/path.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const uint8_t *nul = len > 0 ? memchr(bytes, '\0', len) : NULL;
	const char *glob = (const char *)bytes, *why;
	char path[PATH_TEXT_MAX], again[PATH_TEXT_MAX];
	const uint8_t *text;

	if (nul == NULL)
		return 0;
	text = nul + 1;
	len -= (size_t)(text - bytes);
	if (path_parse_257(text, len, path) == 0)
		assert(path[0] == '/' && strstr(path, "//") == NULL);
	if (!path_is_plain(text, len, &why) ||
	    path_resolve("/a/b", text, len, path) != 0)
		return 0;
	assert(path[0] == '/' && strstr(path, "//") == NULL);
	assert(path_resolve(NULL, (const uint8_t *)path, strlen(path), again) ==
	    0);
	assert(strcmp(path, again) == 0);
	if (path_matches(glob, path, false)) {
		assert(path_matches(glob, path, true));
		assert(path_matches_directory(glob, path, false));
		assert(path_is_within(glob, path));
	}
	assert(!path_matches_below(glob, path) ||
	    path_may_match_below(glob, path));
	return 0;
}
