/*
 * What the tests of several modules share.
 */
#include "helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct addr
address(const char *text)
{
	struct addr addr;

	assert_int_equal(addr_parse_ip(text, &addr), 0);
	return addr;
}

void
check_put(struct wire_message message, const void *golden, size_t len)
{
	assert_int_equal(message.len, len);
	assert_memory_equal(message.bytes, golden, len);
}

void
remove_directory(const char *path)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", path);
	assert_int_equal(system(command), 0);
}
