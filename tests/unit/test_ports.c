/*
 * Tests of tunnel/ports.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tunnel/ports.h"

/* Each once, then none. */
static void
test_all(void **state)
{
	static const uint16_t ranges[][2] = { { 50000, 50009 }, { 1, 65535 },
		{ 65535, 65535 }, { 1, 1 }, { 1, 3 } };

	(void)state;
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		uint16_t low = ranges[i][0], high = ranges[i][1];
		struct ports *ports = ports_new(low, high);

		assert_non_null(ports);
		assert_int_equal(ports_low(ports), low);
		assert_int_equal(ports_high(ports), high);
		for (uint32_t port = low; port <= high; port++)
			assert_int_equal(ports_take(ports), port);
		assert_int_equal(ports_take(ports), 0);
		ports_give(ports, high);
		assert_int_equal(ports_take(ports), high);
		assert_int_equal(ports_take(ports), 0);
		for (uint32_t port = high; port >= low; port--)
			ports_give(ports, (uint16_t)port);
		for (uint32_t port = high; port >= low; port--)
			assert_int_equal(ports_take(ports), port);
		assert_int_equal(ports_take(ports), 0);
		ports_free(ports);
	}
	ports_free(NULL);
}

/* The one that has been free for the longest comes first. */
static void
test_order(void **state)
{
	struct ports *ports = ports_new(10, 13);

	(void)state;
	assert_int_equal(ports_take(ports), 10);
	ports_give(ports, 10);
	assert_int_equal(ports_take(ports), 11);
	assert_int_equal(ports_take(ports), 12);
	ports_give(ports, 12);
	ports_give(ports, 11);
	assert_int_equal(ports_take(ports), 13);
	assert_int_equal(ports_take(ports), 10);
	assert_int_equal(ports_take(ports), 12);
	assert_int_equal(ports_take(ports), 11);
	assert_int_equal(ports_take(ports), 0);
	ports_free(ports);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
