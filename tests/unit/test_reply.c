/*
 * Tests of ftp/reply.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "ftp/reply.h"
#include "split.h"

struct expectation {
	const char *line;
	enum reply_place place;
	unsigned code;
};

static void
check(const struct expectation *wanted, size_t count)
{
	struct reply_reader reader = { 0 };
	unsigned code = 999;

	for (size_t i = 0; i < count; i++) {
		const char *line = wanted[i].line;

		assert_int_equal(reply_next(&reader, (const uint8_t *)line,
				     strlen(line), &code),
		    wanted[i].place);
		assert_int_equal(code, wanted[i].code);
	}
	assert_int_equal(reader.code, 0);
}

#define CHECK(table) check(table, sizeof(table) / sizeof((table)[0]))

static void
single_lines(void **state)
{
	static const struct expectation lines[] = {
		{ "220 Ready.\r\n", REPLY_ONLY, 220 },
		{ "220 Ready.\n", REPLY_ONLY, 220 },
		{ "150 Here it comes", REPLY_ONLY, 150 },
		{ "226 \r\n", REPLY_ONLY, 226 },
		{ "331\r\n", REPLY_ONLY, 331 },
		{ "331", REPLY_ONLY, 331 },
		{ "631 protected\r\n", REPLY_ONLY, 631 },
		{ "\xff\xfb\x01\xff\xf1"
		  "220 Telnet\r\n",
		    REPLY_ONLY, 220 },
		{ "", REPLY_STRAY, 0 },
		{ "\r\n", REPLY_STRAY, 0 },
		{ "22\r\n", REPLY_STRAY, 0 },
		{ "2200 no\r\n", REPLY_STRAY, 0 },
		{ "220:yes\r\n", REPLY_ONLY, 220 },
		{ "220\tyes\r\n", REPLY_ONLY, 220 },
		{ "220yes\r\n", REPLY_ONLY, 220 },
		{ " 220 no\r\n", REPLY_STRAY, 0 },
		{ "020 no\r\n", REPLY_STRAY, 0 },
		{ "720 no\r\n", REPLY_STRAY, 0 },
		{ "22x no\r\n", REPLY_STRAY, 0 },
		{ "+OK no\r\n", REPLY_STRAY, 0 },
		{ "\xff\xff"
		  "220 a data byte\r\n",
		    REPLY_STRAY, 0 },
		{ "\xff\n", REPLY_STRAY, 0 },
	};

	(void)state;
	CHECK(lines);
}

static void
many_lines(void **state)
{
	static const struct expectation lines[] = {
		{ "211-Features:\r\n", REPLY_FIRST, 211 },
		{ " EPSV\r\n", REPLY_INNER, 211 },
		{ "MDTM\r\n", REPLY_INNER, 211 },
		{ "227 Entering Passive Mode (1,2,3,4,5,6)\r\n", REPLY_INNER,
		    211 },
		{ "227-Entering\r\n", REPLY_INNER, 211 },
		{ "211-Features:\r\n", REPLY_INNER, 211 },
		{ "2110 bytes\r\n", REPLY_INNER, 211 },
		{ " 211 indented\r\n", REPLY_INNER, 211 },
		{ "\r\n", REPLY_INNER, 211 },
		{ "211 End\r\n", REPLY_LAST, 211 },
		{ "211 End\r\n", REPLY_ONLY, 211 },
		{ "220-\r\n", REPLY_FIRST, 220 },
		{ "\xff\xf1"
		  "220 \n",
		    REPLY_LAST, 220 },
		{ "226-Done\r\n", REPLY_FIRST, 226 },
		{ "226\r\n", REPLY_LAST, 226 },
		{ "nothing\r\n", REPLY_STRAY, 0 },
	};

	(void)state;
	CHECK(lines);
}

static void
split(void **state)
{
	static const char *const inputs[] = {
		"220-a\r\n220 b\r\n331\r\n\r\n230 c\n",
		"211-Features:\r\n UTF8\r\n211 \r\n\xff\xfb\n200 x\r\n22",
		"227-listen socket created\r\n227 (127,0,0,1,154,21)\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++)
		split_check((const uint8_t *)inputs[i], strlen(inputs[i]), 512);
}

static void
tls_features(void **state)
{
	static const char *const offers[] = { " AUTH TLS\r\n", " PBSZ\r\n",
		" prot\n", "211-AUTH SSL\r\n", "\tCCC" };
	static const char *const others[] = { " UTF8\r\n", " AUTHORS\r\n",
		"211-PASV\r\n", " PRO", "", "211-" };

	(void)state;
	for (size_t i = 0; i < sizeof(offers) / sizeof(offers[0]); i++)
		assert_true(reply_is_tls_feature((const uint8_t *)offers[i],
		    strlen(offers[i])));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(reply_is_tls_feature((const uint8_t *)others[i],
		    strlen(others[i])));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(single_lines),
		cmocka_unit_test(many_lines),
		cmocka_unit_test(split),
		cmocka_unit_test(tls_features),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
