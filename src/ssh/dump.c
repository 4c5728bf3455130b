/*
 * What ssh -G prints.
 */
#include "ssh/dump.h"

#include <errno.h>
#include <string.h>

/* Where the value begins in a line, if it is that key's; else NULL. */
static const char *
dump_value(const char *line, size_t len, const char *key)
{
	size_t key_len = strlen(key);

	if (len <= key_len || memcmp(line, key, key_len) != 0 ||
	    line[key_len] != ' ')
		return NULL;
	return line + key_len + 1;
}

int
dump_find(const char *text, size_t len, const char *key, char *value,
    size_t size)
{
	for (;;) {
		const char *end = memchr(text, '\n', len);
		const char *found;

		if (end == NULL)
			return -ENOENT;
		found = dump_value(text, (size_t)(end - text), key);
		if (found != NULL) {
			size_t found_len = (size_t)(end - found);

			if (found_len >= size ||
			    memchr(found, '\0', found_len) != NULL)
				return -EINVAL;
			memcpy(value, found, found_len);
			value[found_len] = '\0';
			return 0;
		}
		len -= (size_t)(end - text) + 1;
		text = end + 1;
	}
}
