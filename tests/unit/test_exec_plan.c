/*
 * Tests of capture/exec: what is captured.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "capture/exec.h"
#include "helpers.h"

static bool
captures(const struct exec_plan *plan, const char *ip, uint16_t port)
{
	struct addr addr;

	assert_int_equal(addr_parse_ip(ip, &addr), 0);
	addr.port = port;
	return exec_plan_captures(plan, &addr);
}

static void
capture(struct exec_plan *plan, const char *text)
{
	char why[200];

	assert_int_equal(exec_plan_capture(plan, text, why, sizeof(why)), 0);
}

static void
test_ftp_port(void **state)
{
	const struct exec_plan plan = { .n_maps = 0 };

	assert_true(captures(&plan, "192.0.2.1", 21));
	assert_true(captures(&plan, "2001:db8::1", 21));
	assert_false(captures(&plan, "192.0.2.1", 22));
	/* A server of this host is nobody's far away. */
	assert_false(captures(&plan, "127.0.0.1", 21));
	assert_false(captures(&plan, "127.121.0.1", 21));
	assert_false(captures(&plan, "::1", 21));
}

static void
test_patterns(void **state)
{
	struct exec_plan plan = { .n_maps = 0 };

	capture(&plan, "192.0.2.7:2121");
	capture(&plan, "[2001:db8::7]:2122");
	capture(&plan, "10.0.0.0/8:2123");
	capture(&plan, "*:2124");
	capture(&plan, "127.0.0.1");
	capture(&plan, "::1");
	assert_int_equal(plan.n_patterns, 6);
	assert_true(captures(&plan, "192.0.2.7", 2121));
	assert_true(captures(&plan, "::ffff:192.0.2.7", 2121));
	assert_false(captures(&plan, "192.0.2.8", 2121));
	assert_false(captures(&plan, "192.0.2.7", 2122));
	assert_true(captures(&plan, "2001:db8::7", 2122));
	assert_true(captures(&plan, "10.255.0.1", 2123));
	assert_false(captures(&plan, "11.0.0.1", 2123));
	assert_true(captures(&plan, "198.51.100.1", 2124));
	assert_true(captures(&plan, "2001:db8::9", 2124));
	assert_false(captures(&plan, "127.0.0.1", 2124));
	assert_true(captures(&plan, "127.0.0.1", 21));
	assert_true(captures(&plan, "::1", 21));
}

static void
test_maps(void **state)
{
	struct exec_plan plan = { .n_maps = 0 };
	struct addr second = exec_map_address(1), other = exec_map_address(2);
	char why[200];

	assert_int_equal(exec_plan_map(&plan, "one", why, sizeof(why)), 0);
	assert_int_equal(exec_plan_map(&plan, "two.test=2001:db8::7", why,
			     sizeof(why)),
	    0);
	capture(&plan, "TWO.test:2121");
	assert_string_equal(plan.maps[0].host, "one");
	assert_string_equal(exec_plan_mapped(&plan, &second)->host,
	    "2001:db8::7");
	assert_null(exec_plan_mapped(&plan, &other));
	assert_true(captures(&plan, "127.121.0.1", 21));
	assert_true(captures(&plan, "127.121.0.2", 21));
	assert_true(captures(&plan, "127.121.0.2", 2121));
	assert_false(captures(&plan, "127.121.0.1", 2121));
	assert_false(captures(&plan, "127.121.0.3", 21));
	capture(&plan, "*:2122");
	assert_true(captures(&plan, "127.121.0.1", 2122));
	assert_false(captures(&plan, "127.121.0.3", 2122));
}

static void
test_bad(void **state)
{
	static const char *const maps[] = { "", "=", "a=", "=a", "-a", "a=-b",
		"a b", "a=b c", "a\n", "1.2.3.4", "::1", "a:1", "twice" };
	static const char *const captures_bad[] = { "", ":", ":21", "[::1",
		"[::1]21", "[::1]:", "a:0", "a:65536", "a:21x", "*:x", "a/8",
		"10.0.0.0/33", "-a", "a b" };
	struct exec_plan plan = { .n_maps = 0 };
	char why[200], name[300];

	assert_int_equal(exec_plan_map(&plan, "Twice", why, sizeof(why)), 0);
	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++)
		assert_int_equal(exec_plan_map(&plan, maps[i], why,
				     sizeof(why)),
		    -EINVAL);
	for (size_t i = 0; i < sizeof(captures_bad) / sizeof(captures_bad[0]);
	     i++)
		assert_int_equal(exec_plan_capture(&plan, captures_bad[i], why,
				     sizeof(why)),
		    -EINVAL);
	assert_int_equal(plan.n_maps, 1);
	assert_int_equal(plan.n_patterns, 0);
	memset(name, 'a', sizeof(name));
	name[EXEC_HOST_MAX] = '\0';
	assert_int_equal(exec_plan_map(&plan, name, why, sizeof(why)), -EINVAL);
	name[EXEC_HOST_MAX - 1] = '\0';
	assert_int_equal(exec_plan_map(&plan, name, why, sizeof(why)), 0);
}

static void
test_most(void **state)
{
	struct exec_plan plan = { .n_maps = 0 };
	char why[200], text[40];

	for (int i = 0; i < LIMIT_EXEC_MAPS; i++) {
		snprintf(text, sizeof(text), "name%d", i);
		assert_int_equal(exec_plan_map(&plan, text, why, sizeof(why)),
		    0);
	}
	assert_int_equal(exec_plan_map(&plan, "more", why, sizeof(why)),
	    -EINVAL);
	for (int i = 0; i < LIMIT_EXEC_PATTERNS; i++)
		capture(&plan, "192.0.2.7:2121");
	assert_int_equal(exec_plan_capture(&plan, "192.0.2.7", why,
			     sizeof(why)),
	    -EINVAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ftp_port),
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_maps),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
