/*
 * Tests of base/subnet.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/subnet.h"
#include "helpers.h"

static struct subnet
parse(const char *text)
{
	struct subnet subnet = { .bits = 0 };

	assert_int_equal(subnet_parse(text, &subnet), 0);
	return subnet;
}

static void
test_parse(void **state)
{
	static const struct {
		const char *text;
		sa_family_t family;
		unsigned bits;
		const char *address;
	} good[] = {
		{ "192.0.2.0/24", AF_INET, 24, "192.0.2.0" },
		{ "192.0.2.7/24", AF_INET, 24, "192.0.2.0" },
		{ "192.0.2.255/25", AF_INET, 25, "192.0.2.128" },
		{ "10.255.255.255/9", AF_INET, 9, "10.128.0.0" },
		{ "192.0.2.7", AF_INET, 32, "192.0.2.7" },
		{ "192.0.2.7/32", AF_INET, 32, "192.0.2.7" },
		{ "192.0.2.7/31", AF_INET, 31, "192.0.2.6" },
		{ "192.0.2.7/0", AF_INET, 0, "0.0.0.0" },
		{ "2001:db8:ffff::1/33", AF_INET6, 33, "2001:db8:8000::" },
		{ "2001:DB8::/32", AF_INET6, 32, "2001:db8::" },
		{ "::1", AF_INET6, 128, "::1" },
		{ "::1/128", AF_INET6, 128, "::1" },
		{ "::1/127", AF_INET6, 127, "::" },
		{ "::/0", AF_INET6, 0, "::" },
		{ "fe80::/10", AF_INET6, 10, "fe80::" },
		/* The prefix is counted as it was written. */
		{ "::ffff:10.1.2.3/104", AF_INET, 8, "10.0.0.0" },
		{ "::ffff:10.0.0.0/96", AF_INET, 0, "0.0.0.0" },
		{ "::ffff:10.1.2.3/128", AF_INET, 32, "10.1.2.3" },
		{ "::ffff:10.1.2.3", AF_INET, 32, "10.1.2.3" },
	};
	char text[ADDR_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct subnet subnet = parse(good[i].text);

		assert_int_equal(subnet.addr.family, good[i].family);
		assert_int_equal(subnet.addr.port, 0);
		assert_int_equal(subnet.addr.scope, 0);
		assert_int_equal(subnet.bits, good[i].bits);
		assert_string_equal(addr_format_ip(&subnet.addr, text),
		    good[i].address);
	}
}

static void
test_bad(void **state)
{
	static const char *const bad[] = { "", "/", "/8", "10.0.0.0/",
		"10.0.0.0/33", "10.0.0.0/+8", "10.0.0.0/ 8", "10.0.0.0/8 ",
		" 10.0.0.0/8", "10.0.0.0/-1", "10.0.0.0/8/8", "10.0.0.0//8",
		"10.0.0.0/a", "10.0.0.0/4294967304", "10.0.0.0/255.0.0.0",
		"10.0.0/8", "10/8", "10.0.0.256/8", "::/129", "::/", "[::]/0",
		"[::1]", "localhost", "localhost/8", "*", "*/0", "fe80::1%lo",
		"fe80::1%lo/64", "fe80::%1/10", "fe80::/10%lo",
		"::ffff:10.0.0.0/95", "::ffff:10.0.0.0/8",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999/64",
		"0000000000000000000000000000000000000000000000000000::/64" };
	struct subnet subnet, before;

	(void)state;
	memset(&subnet, 0x5a, sizeof(subnet));
	memcpy(&before, &subnet, sizeof(subnet));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(subnet_parse(bad[i], &subnet), -EINVAL);
		assert_memory_equal(&subnet, &before, sizeof(subnet));
	}
}

static void
test_has(void **state)
{
	static const struct {
		const char *subnet;
		const char *addr;
		bool has;
	} cases[] = {
		{ "192.0.2.0/24", "192.0.2.0", true },
		{ "192.0.2.0/24", "192.0.2.255", true },
		{ "192.0.2.0/24", "192.0.3.0", false },
		{ "192.0.2.0/24", "192.0.1.255", false },
		{ "192.0.2.0/24", "::ffff:192.0.2.9", true },
		{ "192.0.2.7", "192.0.2.7", true },
		{ "192.0.2.7", "192.0.2.6", false },
		{ "10.128.0.0/9", "10.127.255.255", false },
		{ "10.128.0.0/9", "10.255.0.1", true },
		{ "0.0.0.0/0", "255.255.255.255", true },
		{ "0.0.0.0/0", "::1", false },
		{ "::/0", "ffff::1", true },
		{ "::/0", "127.0.0.1", false },
		{ "::/0", "::ffff:127.0.0.1", false },
		{ "::ffff:127.0.0.0/104", "127.0.0.1", true },
		{ "2001:db8:8000::/33", "2001:db8:ffff::1", true },
		{ "2001:db8:8000::/33", "2001:db8:7fff::1", false },
		{ "2001:db8::1", "2001:db8::1", true },
		{ "2001:db8::1", "2001:db8::2", false },
		{ "fe80::/10", "fe80::1%lo", true },
		{ "::/127", "::1", true },
		{ "::/127", "::2", false },
	};
	struct addr none = { .family = AF_UNSPEC };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct subnet subnet = parse(cases[i].subnet);
		struct addr addr = address(cases[i].addr);

		addr.port = 21;
		assert_int_equal(subnet_has(&subnet, &addr), cases[i].has);
		assert_false(subnet_has(&subnet, &none));
	}
}

static void
test_several(void **state)
{
	struct subnet subnets[] = { parse("10.0.0.0/8"), parse("::1") };
	struct addr v4 = address("10.1.2.3"), v6 = address("::1");

	(void)state;
	assert_true(subnets_have(subnets, 2, &v4));
	assert_true(subnets_have(subnets, 2, &v6));
	assert_false(subnets_have(subnets, 1, &v6));
	assert_false(subnets_have(subnets, 0, &v4));
	assert_false(subnets_have(NULL, 0, &v4));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_has),
		cmocka_unit_test(test_several),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
