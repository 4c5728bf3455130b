/*
 * base/login_delay: it grows, has a maximum, expires, and knows hosts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/login_delay.h"
#include "helpers.h"

#define T0 ((uint64_t)1000)

static uint64_t
delay_of(const struct login_delays *delays, const char *client, uint64_t now)
{
	const struct addr addr = address(client);
	char text[ADDR_TEXT_MAX];

	return login_delay_get(delays, login_delay_client(&addr, text), now);
}

static void
fail_of(struct login_delays *delays, const char *client, uint64_t now)
{
	const struct addr addr = address(client);
	char text[ADDR_TEXT_MAX];

	login_delay_note(delays, login_delay_client(&addr, text), now);
}

static void
test_growth(void **state)
{
	static const uint64_t expected[] = { 0, 500, 1000, 2000, 4000, 8000,
		8000, 8000 };
	struct login_delays *delays = calloc(1, sizeof(*delays));

	for (size_t i = 0; i < 8; i++) {
		assert_int_equal(delay_of(delays, "192.0.2.1", T0 + i),
		    expected[i]);
		fail_of(delays, "192.0.2.1", T0 + i);
	}
	for (unsigned i = 0; i < 100; i++)
		fail_of(delays, "192.0.2.1", T0 + 10);
	assert_int_equal(delay_of(delays, "192.0.2.1", T0 + 10), 8000);
	assert_int_equal(delay_of(delays, "192.0.2.2", T0 + 10), 0);
	free(delays);
}

static void
test_expiry(void **state)
{
	struct login_delays *delays = calloc(1, sizeof(*delays));
	uint64_t now = T0;

	fail_of(delays, "192.0.2.1", now);
	now += LIMIT_LOGIN_FORGET_MS - 1;
	assert_int_equal(delay_of(delays, "192.0.2.1", now), 500);
	/* The time counts from the last one. */
	fail_of(delays, "192.0.2.1", now);
	now += LIMIT_LOGIN_FORGET_MS - 1;
	assert_int_equal(delay_of(delays, "192.0.2.1", now), 1000);
	now++;
	assert_int_equal(delay_of(delays, "192.0.2.1", now), 0);
	fail_of(delays, "192.0.2.1", now);
	assert_int_equal(delay_of(delays, "192.0.2.1", now), 500);
	free(delays);
}

static void
test_hosts(void **state)
{
	struct login_delays *delays = calloc(1, sizeof(*delays));

	fail_of(delays, "2001:db8:1:2::1", T0);
	fail_of(delays, "127.0.0.1", T0);
	assert_int_equal(delay_of(delays, "2001:db8:1:2:ffff::5", T0), 500);
	assert_int_equal(delay_of(delays, "2001:db8:1:3::1", T0), 0);
	assert_int_equal(delay_of(delays, "127.3.2.1", T0), 500);
	assert_int_equal(delay_of(delays, "::1", T0), 500);
	assert_int_equal(delay_of(delays, "::2", T0), 0);
	assert_int_equal(delay_of(delays, "32.1.13.184", T0), 0);
	free(delays);
}

/* The table is full: the oldest is forgotten. */
static void
test_full(void **state)
{
	struct login_delays *delays = calloc(1, sizeof(*delays));
	char text[32];

	for (unsigned i = 0; i < LIMIT_LOGIN_ADDRESSES; i++) {
		snprintf(text, sizeof(text), "10.0.%u.%u", i / 256, i % 256);
		fail_of(delays, text, T0 + i);
	}
	fail_of(delays, "10.0.0.0", T0 + 1000);
	fail_of(delays, "192.0.2.1", T0 + 1001);
	assert_int_equal(delay_of(delays, "192.0.2.1", T0 + 1001), 500);
	assert_int_equal(delay_of(delays, "10.0.0.0", T0 + 1001), 1000);
	assert_int_equal(delay_of(delays, "10.0.0.1", T0 + 1001), 0);
	assert_int_equal(delay_of(delays, "10.0.0.2", T0 + 1001), 500);
	free(delays);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
