/*
 * Listings: attributes, then what is an argument of LIST, a time and a list of
 * facts at the same time, a zero byte, and a name.
 */
#include <assert.h>
#include <string.h>

#include "fuzz.h"
#include "gateway/list.h"

/* A line has one end, and no other byte that could be one. */
static void
check_lines(const struct list_entry *entry, int64_t now)
{
	static char line[LIST_LINE_MAX];
	size_t len;

	for (enum list_style style = LIST_LONG; style <= LIST_FACTS; style++) {
		len = list_line(style, entry, now, (unsigned)now, line);
		assert((len == 0) == (entry->name.len == 0));
		for (size_t i = 0; i + 2 < len; i++)
			assert(memchr("\r\n", line[i], 3) == NULL);
		assert(len == 0 || memcmp(line + len - 2, "\r\n", 2) == 0);
	}
}

static void
check_text(const char *text, size_t len)
{
	char facts[LIST_FACTS_MAX], again[LIST_TIME_MAX];
	struct list_options options;
	int64_t seconds;
	size_t rest_len;
	const char *rest = list_read_options(text, len, &options, &rest_len);
	unsigned read = list_read_facts(text, len);

	assert(rest >= text && rest + rest_len == text + len);
	assert(!options.all || !options.almost);
	list_write_facts(read, 0, false, facts);
	assert(list_read_facts(facts, strlen(facts)) == read);
	/* A leap second becomes the next one. */
	if (list_parse_time(text, len, &seconds) == 0) {
		list_format_time(seconds, again);
		assert(memcmp(again, text, 14) == 0 ||
		    memcmp(text + 12, "60", 2) == 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct list_entry entry = { .type = NULL };
	const uint8_t *text, *zero;
	int64_t now;

	if (len < sizeof(now) + sizeof(entry.attrs))
		return 0;
	memcpy(&now, bytes, sizeof(now));
	memcpy(&entry.attrs, bytes + sizeof(now), sizeof(entry.attrs));
	text = bytes + sizeof(now) + sizeof(entry.attrs);
	zero = memchr(text, 0, (size_t)(bytes + len - text));
	if (zero == NULL)
		return 0;
	check_text((const char *)text, (size_t)(zero - text));
	entry.name.bytes = zero + 1;
	entry.name.len = (size_t)(bytes + len - zero) - 1;
	check_lines(&entry, now);
	entry.target = entry.name;
	check_lines(&entry, now);
	return 0;
}
