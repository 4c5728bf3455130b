/*
 * The output of ssh -G.
 */
#include "ssh/dump.h"

#include <errno.h>
#include <string.h>

int
dump_find(const char *text, size_t len, const char *key, char *value,
    size_t size)
{
	const char *end = text + len, *next, *line_end;
	size_t key_len = strlen(key), n;

	for (const char *line = text;
	     (line_end = memchr(line, '\n', (size_t)(end - line))) != NULL;
	     line = next) {
		next = line_end + 1;
		n = (size_t)(line_end - line);
		if (n <= key_len || memcmp(line, key, key_len) != 0 ||
		    line[key_len] != ' ')
			continue;
		line += key_len + 1;
		n -= key_len + 1;
		if (n >= size || memchr(line, '\0', n) != NULL)
			return -EINVAL;
		memcpy(value, line, n);
		value[n] = '\0';
		return 0;
	}
	return -ENOENT;
}
