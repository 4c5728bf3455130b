/*
 * A netrc file: a login that is found is complete, whatever the file contains.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "check/netrc.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static const char *const users[] = { NULL, "a" };

	for (size_t i = 0; i < 2; i++) {
		struct netrc_login found = { .user = "none" };
		int err =
		    netrc_find((const char *)bytes, len, "h", users[i], &found);

		assert(err == 0 || err == -ENOENT || err == -EINVAL);
		if (err != 0)
			assert(strcmp(found.user, "none") == 0);
		else if (users[i] != NULL)
			assert(strcmp(found.user, users[i]) == 0);
		assert(memchr(found.user, '\0', sizeof(found.user)) != NULL);
		assert(memchr(found.password, '\0', sizeof(found.password)) !=
		    NULL);
	}
	return 0;
}
