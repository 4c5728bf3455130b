/*
 * Strict decimal numbers.
 */
#include "base/num.h"

#include <errno.h>
#include <string.h>

int
num_parse(const char *text, size_t len, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;
	int err = 0;

	if (len == 0)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;

		uint64_t digit = (uint64_t)(text[i] - '0');

		/* The number is already too large, but a character that is no
		 * digit may follow. */
		if (err != 0)
			continue;
		if (digit > max || value > (max - digit) / 10)
			err = -ERANGE;
		else
			value = value * 10 + digit;
	}
	if (err == 0)
		*ret = value;
	return err;
}

int
num_parse_text(const char *text, uint64_t max, uint64_t *ret)
{
	return num_parse(text, strlen(text), max, ret);
}

int
num_parse_size(const char *text, uint64_t max, uint64_t *ret)
{
	static const char letters[] = "kKmMgG";
	size_t len = strlen(text);
	const char *letter = len > 0 ? strchr(letters, text[len - 1]) : NULL;
	unsigned shift = 0;
	uint64_t value;
	int err;

	if (letter != NULL) {
		shift = 10 * (1 + (unsigned)(letter - letters) / 2);
		len--;
	}
	err = num_parse(text, len, max >> shift, &value);
	if (err == 0)
		*ret = value << shift;
	return err;
}
