/*
 * Tests of base/num.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/num.h"

static void
test_good(void **state)
{
	static const struct {
		const char *text;
		uint64_t max;
		uint64_t value;
	} good[] = {
		{ "0", 0, 0 },
		{ "0", 9, 0 },
		{ "21", 65535, 21 },
		{ "010", 65535, 10 },
		{ "65535", 65535, 65535 },
		{ "00000000000000000000000000065535", 65535, 65535 },
		{ "255", 255, 255 },
		{ "18446744073709551615", UINT64_MAX, UINT64_MAX },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		uint64_t value = 77;

		assert_int_equal(num_parse_text(good[i].text, good[i].max,
				     &value),
		    0);
		assert_int_equal(value, good[i].value);
	}
}

static void
test_bad(void **state)
{
	static const struct {
		const char *text;
		uint64_t max;
		int err;
	} bad[] = {
		{ "", 65535, -EINVAL },
		{ " 1", 65535, -EINVAL },
		{ "1 ", 65535, -EINVAL },
		{ "+5", 65535, -EINVAL },
		{ "-5", 65535, -EINVAL },
		{ "0x10", 65535, -EINVAL },
		{ "1\n", 65535, -EINVAL },
		{ "\xb2", 65535, -EINVAL },
		{ "99999x", 65535, -EINVAL },
		{ "1", 0, -ERANGE },
		{ "65536", 65535, -ERANGE },
		{ "65540", 65535, -ERANGE },
		{ "256", 255, -ERANGE },
		{ "4294967297", 65535, -ERANGE },
		{ "18446744073709551616", UINT64_MAX, -ERANGE },
		{ "18446744073709551620", UINT64_MAX, -ERANGE },
		{ "99999999999999999999999999", UINT64_MAX, -ERANGE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint64_t value = 77;

		assert_int_equal(num_parse_text(bad[i].text, bad[i].max,
				     &value),
		    bad[i].err);
		assert_int_equal(value, 77);
	}
}

static void
test_length(void **state)
{
	uint64_t value = 77;

	(void)state;
	assert_int_equal(num_parse("1234", 2, 99, &value), 0);
	assert_int_equal(value, 12);
	assert_int_equal(num_parse("1\0", 2, 99, &value), -EINVAL);
	assert_int_equal(num_parse("1", 0, 99, &value), -EINVAL);
}

/* Every number around every maximum of a small range. */
static void
test_all_small(void **state)
{
	(void)state;
	for (uint64_t max = 0; max <= 120; max++) {
		for (uint64_t n = 0; n <= 1300; n++) {
			char text[8];
			size_t len = 0;
			uint64_t value = 7777;
			int err;

			for (uint64_t rest = n; rest > 0 || len == 0;
			     rest /= 10) {
				for (size_t i = len; i > 0; i--)
					text[i] = text[i - 1];
				text[0] = (char)('0' + rest % 10);
				len++;
			}
			err = num_parse(text, len, max, &value);
			assert_int_equal(err, n <= max ? 0 : -ERANGE);
			assert_int_equal(value, n <= max ? n : 7777);
		}
	}
}

static void
test_size(void **state)
{
	static const struct {
		const char *text;
		uint64_t max, value;
		int err;
	} sizes[] = {
		{ "0", 0, 0, 0 },
		{ "512", 512, 512, 0 },
		{ "513", 512, 0, -ERANGE },
		{ "64K", 65536, 65536, 0 },
		{ "64k", 65535, 0, -ERANGE },
		{ "1M", UINT64_MAX, 1 << 20, 0 },
		{ "3m", 4 << 20, 3 << 20, 0 },
		{ "2G", UINT64_MAX, 2ULL << 30, 0 },
		{ "17179869183G", UINT64_MAX, 17179869183ULL << 30, 0 },
		{ "17179869184G", UINT64_MAX, 0, -ERANGE },
		{ "", 9, 0, -EINVAL },
		{ "K", 9999, 0, -EINVAL },
		{ "1KB", 9999, 0, -EINVAL },
		{ "1 K", 9999, 0, -EINVAL },
		{ "1.5M", UINT64_MAX, 0, -EINVAL },
		{ "-1K", 9999, 0, -EINVAL },
		{ "1T", UINT64_MAX, 0, -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t value = 77;

		assert_int_equal(num_parse_size(sizes[i].text, sizes[i].max,
				     &value),
		    sizes[i].err);
		assert_int_equal(value,
		    sizes[i].err == 0 ? sizes[i].value : 77);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_all_small),
		cmocka_unit_test(test_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
