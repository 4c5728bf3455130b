/*
 * Tests of base/addr.
 */
#include <errno.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/addr.h"

static struct addr
parse(const char *text)
{
	struct addr addr = { .family = AF_UNSPEC };

	assert_int_equal(addr_parse_ip(text, &addr), 0);
	return addr;
}

static void
test_parse(void **state)
{
	static const struct {
		const char *text;
		sa_family_t family;
		const char *ip;
		const char *with_port;
	} good[] = {
		{ "192.0.2.1", AF_INET, "192.0.2.1", "192.0.2.1:21" },
		{ "0.0.0.0", AF_INET, "0.0.0.0", "0.0.0.0:21" },
		{ "::", AF_INET6, "::", "[::]:21" },
		{ "::1", AF_INET6, "::1", "[::1]:21" },
		{ "2001:DB8:0:0:1:0:0:1", AF_INET6, "2001:db8::1:0:0:1",
		    "[2001:db8::1:0:0:1]:21" },
		{ "2001:db8:0:1:1:1:1:1", AF_INET6, "2001:db8:0:1:1:1:1:1",
		    "[2001:db8:0:1:1:1:1:1]:21" },
		{ "::ffff:192.0.2.1", AF_INET, "192.0.2.1", "192.0.2.1:21" },
		{ "::ffff:c000:201", AF_INET, "192.0.2.1", "192.0.2.1:21" },
		{ "fe80::1%4294967295", AF_INET6, "fe80::1%4294967295",
		    "[fe80::1%4294967295]:21" },
		{ "fe80::1%lo", AF_INET6, "fe80::1%lo", "[fe80::1%lo]:21" },
	};
	char text[ADDR_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct addr addr = parse(good[i].text);

		assert_int_equal(addr.family, good[i].family);
		assert_int_equal(addr.port, 0);
		addr.port = 21;
		assert_string_equal(addr_format_ip(&addr, text), good[i].ip);
		assert_string_equal(addr_format(&addr, text),
		    good[i].with_port);
	}
	assert_int_equal(parse("fe80::1%lo").scope, if_nametoindex("lo"));
}

static void
test_parse_bad(void **state)
{
	static const char *const bad[] = { "", " ", "1", "1.2.3", "1.2.3.4.5",
		"256.1.1.1", "01.2.3.4", "1.2.3.4 ", " 1.2.3.4", "1.2.3.4:21",
		"1.2.3.4%1", "[::1]", ":::", "::1 ", "fe80::1%", "fe80::1%0",
		"fe80::1%4294967296", "fe80::1%no-such-if", "fe80::1%+1",
		"localhost", "0x7f.1",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999",
		"1111:2222:3333:4444:5555:6666:255.255.255.255.255.255.255" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct addr addr = { .family = 99 };

		assert_int_equal(addr_parse_ip(bad[i], &addr), -EINVAL);
		assert_int_equal(addr.family, 99);
	}
}

static void
test_longest_text(void **state)
{
	struct addr addr = { .family = AF_INET6,
		.scope = UINT32_MAX,
		.port = 65535 };
	char text[ADDR_TEXT_MAX];

	(void)state;
	memset(addr.ip, 0xff, sizeof(addr.ip));
	assert_string_equal(addr_format(&addr, text),
	    "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535");
	addr.family = AF_UNSPEC;
	assert_string_equal(addr_format_ip(&addr, text), "none");
}

static void
test_sockaddr(void **state)
{
	static const char *const texts[] = { "192.0.2.1", "2001:db8::1",
		"fe80::1%7" };
	struct sockaddr_storage sa;
	struct sockaddr_in6 mapped = { .sin6_family = AF_INET6,
		.sin6_port = htons(21),
		.sin6_scope_id = 3 };
	struct sockaddr other = { .sa_family = AF_UNIX };
	struct addr back;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct addr addr = parse(texts[i]);
		socklen_t len;

		addr.port = 0x1234;
		len = addr_to_sockaddr(&addr, &sa);
		assert_int_equal(len,
		    addr.family == AF_INET ? sizeof(struct sockaddr_in) :
					     sizeof(struct sockaddr_in6));
		assert_int_equal(sa.ss_family, addr.family);
		assert_int_equal(addr_from_sockaddr((struct sockaddr *)&sa,
				     &back),
		    0);
		assert_true(addr_same_ip(&addr, &back));
		assert_int_equal(back.port, 0x1234);
		assert_int_equal(back.scope, addr.scope);
	}
	mapped.sin6_addr.s6_addr[10] = 0xff;
	mapped.sin6_addr.s6_addr[11] = 0xff;
	mapped.sin6_addr.s6_addr[12] = 10;
	assert_int_equal(addr_from_sockaddr((struct sockaddr *)&mapped, &back),
	    0);
	assert_int_equal(back.family, AF_INET);
	assert_int_equal(back.port, 21);
	assert_int_equal(back.scope, 0);
	assert_int_equal(back.ip[0], 10);
	assert_int_equal(addr_from_sockaddr(&other, &back), -EAFNOSUPPORT);
	assert_int_equal(back.port, 21);
}

static void
test_same_ip(void **state)
{
	static const struct {
		const char *a;
		const char *b;
		bool same;
	} pairs[] = {
		{ "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1", "192.0.2.2", false },
		{ "192.0.2.1", "::ffff:192.0.2.1", true },
		{ "::1", "0:0:0:0:0:0:0:1", true },
		{ "::1", "127.0.0.1", false },
		{ "102:304::", "1.2.3.4", false },
		{ "fe80::1", "fe80::2", false },
		{ "fe80::1%3", "fe80::1%3", true },
		{ "fe80::1%3", "fe80::1%4", false },
		{ "fe80::1", "fe80::1%4", true },
	};
	struct addr none = { .family = AF_UNSPEC };

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct addr a = parse(pairs[i].a);
		struct addr b = parse(pairs[i].b);

		b.port = 9;
		assert_int_equal(addr_same_ip(&a, &b), pairs[i].same);
		assert_int_equal(addr_same_ip(&b, &a), pairs[i].same);
	}
	assert_false(addr_same_ip(&none, &none));
}

static void
test_kinds(void **state)
{
	static const struct {
		const char *text;
		bool loopback;
		bool local;
		bool any;
	} kinds[] = {
		{ "127.0.0.1", true, true, false },
		{ "127.255.255.254", true, true, false },
		{ "128.0.0.1", false, false, false },
		{ "::1", true, true, false },
		{ "::ffff:127.0.0.1", true, true, false },
		{ "::2", false, false, false },
		{ "7f00::1", false, false, false },
		{ "169.254.0.1", false, true, false },
		{ "169.255.0.1", false, false, false },
		{ "168.254.0.1", false, false, false },
		{ "fe80::1", false, true, false },
		{ "febf:ffff::1", false, true, false },
		{ "fec0::1", false, false, false },
		{ "a9fe::", false, false, false },
		{ "0.0.0.0", false, false, true },
		{ "::", false, false, true },
		{ "0.0.0.1", false, false, false },
		{ "8000::", false, false, false },
	};
	struct addr none = { .family = AF_UNSPEC };
	struct addr loopback = addr_loopback(AF_INET6, 21);
	char text[ADDR_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct addr addr = parse(kinds[i].text);

		assert_int_equal(addr_is_loopback(&addr), kinds[i].loopback);
		assert_int_equal(addr_is_local(&addr), kinds[i].local);
		assert_int_equal(addr_is_any(&addr), kinds[i].any);
	}
	assert_false(addr_is_loopback(&none));
	assert_false(addr_is_local(&none));
	assert_false(addr_is_any(&none));
	assert_string_equal(addr_format(&loopback, text), "[::1]:21");
	loopback = addr_loopback(AF_INET, 21);
	assert_string_equal(addr_format(&loopback, text), "127.0.0.1:21");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_parse_bad),
		cmocka_unit_test(test_longest_text),
		cmocka_unit_test(test_sockaddr),
		cmocka_unit_test(test_same_ip),
		cmocka_unit_test(test_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
