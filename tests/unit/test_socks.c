/*
 * Tests of capture/socks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "capture/socks.h"

#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1

/* The method "none", as the server answers. */
#define CHOSEN "\x05\x00"

struct outcome {
	enum socks_result result;
	size_t taken;
	uint8_t out[SOCKS_OUT_MAX];
	size_t out_len;
	const char *why;
	struct socks socks;
};

/* Feeds the first cut bytes, then the others. */
static struct outcome
feed(const uint8_t *bytes, size_t len, size_t cut)
{
	struct outcome o = { .result = SOCKS_MORE };
	struct socks_out out;
	size_t taken, end[2] = { cut, len };

	for (int i = 0; i < 2 && o.result == SOCKS_MORE; i++) {
		o.result = socks_feed(&o.socks, bytes + o.taken,
		    end[i] - o.taken, &taken, &out);
		o.taken += taken;
		assert_true(o.out_len + out.len <= sizeof(o.out));
		memcpy(o.out + o.out_len, out.bytes, out.len);
		o.out_len += out.len;
		o.why = out.why;
	}
	return o;
}

static void
test_requests(void **state)
{
	static const struct {
		const uint8_t *bytes;
		size_t len;
		enum socks_command command;
		const char *host;
		uint16_t port;
	} good[] = {
		{ BYTES("\x05\x01\x00\x05\x01\x00\x01\x0a\x01\x00\x09\x00\x15"),
		    SOCKS_CONNECT, "10.1.0.9", 21 },
		{ BYTES("\x05\x02\x02\x00\x05\x02\x00\x01\x0a\x01\x00\x09\x00"
			"\x00"),
		    SOCKS_BIND, "10.1.0.9", 0 },
		{ BYTES("\x05\x01\x00\x05\x01\x00\x04"
			"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\xee\x48"),
		    SOCKS_CONNECT, "2001:db8::1", 61000 },
		{ BYTES("\x05\x01\x00\x05\x01\x00\x03\x07"
			"ftp.far\x00\x15"),
		    SOCKS_CONNECT, "ftp.far", 21 },
		{ BYTES("\x04\x01\x00\x15\x0a\x01\x00\x09\x00"), SOCKS_CONNECT,
		    "10.1.0.9", 21 },
		{ BYTES("\x04\x02\x00\x00\x0a\x01\x00\x09"
			"alice\x00"),
		    SOCKS_BIND, "10.1.0.9", 0 },
		{ BYTES("\x04\x01\x00\x15\x00\x00\x00\x01"
			"alice\x00"
			"ftp.far\x00"),
		    SOCKS_CONNECT, "ftp.far", 21 },
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		for (size_t cut = 0; cut <= good[i].len; cut++) {
			struct outcome o =
			    feed(good[i].bytes, good[i].len, cut);

			assert_int_equal(o.result, SOCKS_READY);
			assert_int_equal(o.taken, good[i].len);
			assert_int_equal(o.socks.request.command,
			    good[i].command);
			assert_string_equal(o.socks.request.host, good[i].host);
			assert_int_equal(o.socks.request.port, good[i].port);
			assert_int_equal(o.out_len,
			    o.socks.version == 5 ? 2 : 0);
			assert_memory_equal(o.out, CHOSEN, o.out_len);
		}
}

/* What follows the request is not taken. */
static void
test_more(void **state)
{
	static const char bytes[] = "\x04\x01\x00\x15\x0a\x01\x00\x09\x00USER";
	struct outcome o =
	    feed((const uint8_t *)bytes, sizeof(bytes) - 1, sizeof(bytes) - 1);

	assert_int_equal(o.result, SOCKS_READY);
	assert_int_equal(o.taken, 9);
}

static void
test_wrong(void **state)
{
	static const struct {
		const uint8_t *bytes;
		size_t len;
		const uint8_t *out;
		size_t out_len;
	} wrong[] = {
		/* FTP, HTTP, TLS */
		{ BYTES("USER"), BYTES("") },
		{ BYTES("\x16\x03"), BYTES("") },
		/* password only; nothing offered */
		{ BYTES("\x05\x01\x02"), BYTES("\x05\xff") },
		{ BYTES("\x05\x00"), BYTES("\x05\xff") },
		/* UDP ASSOCIATE; an unknown command */
		{ BYTES("\x05\x01\x00\x05\x03\x00\x01\0\0\0\0\0\0"),
		    BYTES(CHOSEN "\x05\x07\x00\x01\0\0\0\0\0\0") },
		{ BYTES("\x04\x09\x00\x15\x0a\x01\x00\x09\x00"),
		    BYTES("\x00\x5b\0\0\0\0\0\0") },
		/* an unknown type of address; no name, an odd one */
		{ BYTES("\x05\x01\x00\x05\x01\x00\x02\x00"),
		    BYTES(CHOSEN "\x05\x08\x00\x01\0\0\0\0\0\0") },
		{ BYTES("\x05\x01\x00\x05\x01\x00\x03\x00\x00\x15"),
		    BYTES(CHOSEN "\x05\x08\x00\x01\0\0\0\0\0\0") },
		{ BYTES("\x05\x01\x00\x05\x01\x00\x03\x03"
			"a\x00z\x00\x15"),
		    BYTES(CHOSEN "\x05\x08\x00\x01\0\0\0\0\0\0") },
		{ BYTES("\x05\x01\x00\x05\x01\x00\x03\x03"
			"a\nz\x00\x15"),
		    BYTES(CHOSEN "\x05\x08\x00\x01\0\0\0\0\0\0") },
		{ BYTES("\x05\x01\x00\x05\x01\x00\x03\x03"
			"-oz\x00\x15"),
		    BYTES(CHOSEN "\x05\x08\x00\x01\0\0\0\0\0\0") },
		{ BYTES("\x04\x01\x00\x15\x00\x00\x00\x01\x00\x00"),
		    BYTES("\x00\x5b\0\0\0\0\0\0") },
		/* the greeting and the request differ */
		{ BYTES("\x05\x01\x00\x04\x01\x00\x01\x0a\x01\x00\x09\x00\x15"),
		    BYTES(CHOSEN "\x05\x01\x00\x01\0\0\0\0\0\0") },
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		for (size_t cut = 0; cut <= wrong[i].len; cut++) {
			struct outcome o =
			    feed(wrong[i].bytes, wrong[i].len, cut);

			assert_int_equal(o.result, SOCKS_WRONG);
			assert_non_null(o.why);
			assert_int_equal(o.out_len, wrong[i].out_len);
			assert_memory_equal(o.out, wrong[i].out, o.out_len);
		}
}

/* A user of SOCKS 4 without an end. */
static void
test_long(void **state)
{
	static const uint8_t begin[] = "\x04\x01\x00\x15\x0a\x01\x00\x09";
	struct socks socks = { .version = 0 };
	struct socks_out out;
	size_t taken, n = 0;

	assert_int_equal(socks_feed(&socks, begin, sizeof(begin) - 1, &taken,
			     &out),
	    SOCKS_MORE);
	while (socks_feed(&socks, (const uint8_t *)"u", 1, &taken, &out) ==
	    SOCKS_MORE)
		assert_true(++n < LIMIT_SOCKS_MESSAGE);
	assert_string_equal(out.why, "its request is too long");
	assert_memory_equal(out.bytes, "\x00\x5b", 2);
}

static void
test_replies(void **state)
{
	struct addr v4 = addr_loopback(AF_INET, 61000);
	struct addr v6 = addr_loopback(AF_INET6, 61001);
	const struct addr none = { .family = AF_UNSPEC };
	const struct socks five = { .version = 5 }, four = { .version = 4 };
	uint8_t out[SOCKS_REPLY_MAX];

	assert_int_equal(socks_reply(&five, SOCKS_GRANTED, &v4, out), 10);
	assert_memory_equal(out, "\x05\x00\x00\x01\x7f\x00\x00\x01\xee\x48",
	    10);
	assert_int_equal(socks_reply(&five, SOCKS_GRANTED, &v6, out), 22);
	assert_memory_equal(out,
	    "\x05\x00\x00\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\xee\x49", 22);
	assert_int_equal(socks_reply(&five, SOCKS_REFUSED, &none, out), 10);
	assert_memory_equal(out, "\x05\x05\x00\x01\0\0\0\0\0\0", 10);
	assert_int_equal(socks_reply(&four, SOCKS_GRANTED, &v4, out), 8);
	assert_memory_equal(out, "\x00\x5a\xee\x48\x7f\x00\x00\x01", 8);
	assert_int_equal(socks_reply(&four, SOCKS_GRANTED, &v6, out), 8);
	assert_memory_equal(out, "\x00\x5a\xee\x49\0\0\0\0", 8);
	assert_int_equal(socks_reply(&four, SOCKS_REFUSED, &none, out), 8);
	assert_memory_equal(out, "\x00\x5b\0\0\0\0\0\0", 8);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_more),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_replies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
