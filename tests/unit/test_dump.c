/*
 * ssh/dump: the values that ssh -G prints.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ssh/dump.h"

#define SIZE 8

static const struct {
	const char *text;
	int err;
	const char *value;
} texts[] = {
	{ "port 22\n", 0, "22" },
	{ "user root\nport 22\nciphers a\n", 0, "22" },
	{ "port 1\nport 2\n", 0, "1" },
	{ "port \n", 0, "" },
	{ "port a b\n", 0, "a b" },
	{ "port 1234567\n", 0, "1234567" },
	{ "port 12345678\n", -EINVAL, NULL },
	{ "", -ENOENT, NULL },
	{ "\n", -ENOENT, NULL },
	{ "port 22", -ENOENT, NULL }, /* cut short */
	{ "port\n", -ENOENT, NULL },
	{ "ports 22\n", -ENOENT, NULL },
	{ " port 22\n", -ENOENT, NULL },
	{ "Port 22\n", -ENOENT, NULL },
	{ "xport 22\nuser port 22\n", -ENOENT, NULL },
};

/* In a copy of the very size, so that reading past its end shows. */
static void
check(const char *text, size_t len, int err, const char *expected)
{
	char *copy = malloc(len + (len == 0)), value[SIZE] = "as was";

	memcpy(copy, text, len);
	assert_int_equal(dump_find(copy, len, "port", value, sizeof(value)),
	    err);
	assert_string_equal(value, expected != NULL ? expected : "as was");
	free(copy);
}

static void
test_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		check(texts[i].text, strlen(texts[i].text), texts[i].err,
		    texts[i].value);
}

static void
test_nul(void **state)
{
	(void)state;
	check("port 2\0002\n", 9, -EINVAL, NULL);
	check("po\0rt 22\nport 7\n", 16, 0, "7");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_nul),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
