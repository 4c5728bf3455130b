/*
 * tunnel/record.c: when memory is short there is no record, rather than an
 * incomplete one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "tunnel/record.h"

/* Allocations of jansson until one fails. */
static size_t left;

static void *
failing_malloc(size_t size)
{
	return left-- == 0 ? NULL : malloc(size);
}

/* Each allocation fails once. */
static void
check_path(const char *path)
{
	const struct log_origin origin = { .session = 1, .peer = "[::1]:9" };
	const struct engine_report report = {
		.verb = VERB_RETR,
		.name = path,
		.user = "alice",
		.type = 'I',
	};
	const struct record record = {
		.origin = &origin,
		.report = &report,
		.sha256 = "aa",
	};
	char *whole, *text = NULL;
	size_t n = 0;

	json_set_alloc_funcs(malloc, free);
	whole = record_json(&record);
	assert_non_null(whole);
	assert_int_equal(strstr(whole, "path_hex") != NULL,
	    strchr(path, '\xff') != NULL);
	json_set_alloc_funcs(failing_malloc, free);
	for (; text == NULL; n++) {
		left = n;
		text = record_json(&record);
	}
	assert_string_equal(text, whole);
	assert_true(n > 20);
	json_set_alloc_funcs(malloc, free);
	free(text);
	free(whole);
}

static void
test_no_memory(void **state)
{
	check_path("plain");
	check_path("not UTF-8: \xff");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
