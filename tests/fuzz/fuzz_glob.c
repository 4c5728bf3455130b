/*
 * Globs: a glob, a zero byte, a name.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "gateway/list.h"

/* A quoted name matches itself, and nothing shorter. */
static void
check_quoted(const struct sftp_string *name)
{
	char *glob = malloc(2 * name->len + 1);

	assert(glob != NULL);
	for (size_t i = 0; i < name->len; i++) {
		glob[2 * i] = '\\';
		glob[2 * i + 1] = (char)name->bytes[i];
	}
	glob[2 * name->len] = '?';
	assert(list_matches(glob, 2 * name->len, name));
	assert(!list_matches(glob, 2 * name->len + 1, name));
	free(glob);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const uint8_t *zero = len > 0 ? memchr(bytes, 0, len) : NULL;
	const char *glob = (const char *)bytes;
	struct sftp_string name;
	size_t glob_len;

	if (zero == NULL)
		return 0;
	glob_len = (size_t)(zero - bytes);
	name = (struct sftp_string) { zero + 1, len - glob_len - 1 };
	check_quoted(&name);
	/* What has no such character matches itself at most. */
	if (list_matches(glob, glob_len, &name) &&
	    !list_is_glob(glob, glob_len) && memchr(glob, '\\', len) == NULL)
		assert(glob_len == name.len &&
		    memcmp(glob, name.bytes, glob_len) == 0);
	return 0;
}
