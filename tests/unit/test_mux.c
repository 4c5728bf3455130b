/*
 * ssh/mux.c: golden bytes, every split point, bad lengths.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "helpers.h"
#include "limits.h"
#include "ssh/mux.h"
#include "base/wire.h"

/* One of each answer, and one of a type that nobody knows. */
static const uint8_t answers[] = {
	0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 4,    /* hello */
	0, 0, 0, 8, 0x80, 0, 0, 1, 0, 0, 0, 7, /* ok */
	0, 0, 0, 15, 0x80, 0, 0, 3, 0, 0, 0, 8, 0, 0, 0, 3, 'b', 'a', 'd', 0, 0,
	0, 12, 0x80, 0, 0, 2, 0, 0, 0, 9, 0, 0, 0, 0,		   /* denied */
	0, 0, 0, 12, 0x80, 0, 0, 5, 0, 0, 0, 10, 0, 0, 0xab, 0xcd, /* alive */
	0, 0, 0, 12, 0x80, 0, 0, 7, 0, 0, 0, 11, 0, 0, 0xff, 0xff, /* port */
	0, 0, 0, 8, 0x80, 0, 0, 15, 0, 0, 0, 12,		   /* proxy */
	0, 0, 0, 5, 0x80, 0, 0, 99, 1,				   /* unknown */
};

static const struct mux_message expected[] = {
	{ .type = MUX_MSG_HELLO, .version = 4 },
	{ .type = MUX_S_OK, .request_id = 7 },
	{ .type = MUX_S_FAILURE, .request_id = 8, .reason_len = 3 },
	{ .type = MUX_S_PERMISSION_DENIED, .request_id = 9 },
	{ .type = MUX_S_ALIVE, .request_id = 10, .value = 0xabcd },
	{ .type = MUX_S_REMOTE_PORT, .request_id = 11, .value = 0xffff },
	{ .type = MUX_S_PROXY, .request_id = 12 },
	{ .type = 0x80000063 },
};

#define N_EXPECTED (sizeof(expected) / sizeof(expected[0]))

static void
check_message(const struct mux_message *message, size_t i)
{
	assert_true(i < N_EXPECTED);
	assert_int_equal(message->type, expected[i].type);
	assert_int_equal(message->version, expected[i].version);
	assert_int_equal(message->request_id, expected[i].request_id);
	assert_int_equal(message->value, expected[i].value);
	assert_int_equal(message->reason_len, expected[i].reason_len);
	if (message->reason_len > 0)
		assert_memory_equal(message->reason, "bad", 3);
}

/* Parses what is whole in a copy of the very size; returns what it took. */
static size_t
parse_all(const uint8_t *bytes, size_t len, size_t *n)
{
	uint8_t *copy = malloc(len + (len == 0));
	size_t taken = 0;
	struct mux_message message;
	struct wire_in in;

	if (len > 0)
		memcpy(copy, bytes, len);
	while (wire_get_message(copy + taken, len - taken, &in) == 1) {
		assert_int_equal(mux_parse(in.bytes, in.len, &message), 0);
		check_message(&message, (*n)++);
		taken += 4 + in.len;
	}
	free(copy);
	return taken;
}

static void
test_split(void **state)
{
	(void)state;
	for (size_t at = 0; at <= sizeof(answers); at++) {
		size_t n = 0;
		size_t taken = parse_all(answers, at, &n);

		taken +=
		    parse_all(answers + taken, sizeof(answers) - taken, &n);
		assert_int_equal(taken, sizeof(answers));
		assert_int_equal(n, N_EXPECTED);
	}
}

static void
test_bad(void **state)
{
	static const uint8_t too_short[] = { 0, 0, 0 };
	static const uint8_t no_id[] = { 0x80, 0, 0, 1, 0, 0, 0 };
	static const uint8_t no_version[] = { 0, 0, 0, 1 };
	static const uint8_t reason[] = { 0x80, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2,
		'x' };
	static const uint8_t huge[] = { 0x80, 0, 0, 3, 0, 0, 0, 1, 0xff, 0xff,
		0xff, 0xff };
	uint8_t large[4] = { 0, 0, 0, 0 };
	struct mux_message message = { .type = 77 };
	struct wire_in in;

	(void)state;
	large[1] = (LIMIT_WIRE_MESSAGE + 1) >> 16 & 0xff;
	large[3] = (LIMIT_WIRE_MESSAGE + 1) & 0xff;
#define IS_BAD(bytes) \
	assert_int_equal(mux_parse(bytes, sizeof(bytes), &message), -EPROTO)
	IS_BAD(too_short);
	IS_BAD(no_id);
	IS_BAD(no_version);
	IS_BAD(reason);
	IS_BAD(huge);
	assert_int_equal(wire_get_message(large, sizeof(large), &in), -EPROTO);
	assert_int_equal(message.type, 77);
}

static void
test_put(void **state)
{
	static const uint8_t hello[] = { 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 4 };
	static const uint8_t alive[] = { 0, 0, 0, 8, 0x10, 0, 0, 4, 0, 0, 0,
		5 };
	static const uint8_t proxy[] = { 0, 0, 0, 8, 0x10, 0, 0, 15, 0, 0, 0,
		6 };
	uint8_t forward[] = { 0, 0, 0, 41, 0x10, 0, 0, 6, 0, 0, 0, 7, 0, 0, 0,
		2, 0, 0, 0, 9, 'l', 'o', 'c', 'a', 'l', 'h', 'o', 's', 't', 0,
		0, 0, 0, 0, 0, 0, 4, '/', 'a', '/', 'b', 0xff, 0xff, 0xff,
		0xfe };
	static const uint8_t fixed[] = { 0, 0, 0, 31, 0x10, 0, 0, 6, 0, 0, 0, 8,
		0, 0, 0, 2, 0, 0, 0, 1, '*', 0, 0, 0x08, 0x49, 0, 0, 0, 2, '/',
		'c', 0xff, 0xff, 0xff, 0xfe };

	(void)state;
	check_put(mux_put_hello(), hello, sizeof(hello));
	check_put(mux_put_request(MUX_C_ALIVE_CHECK, 5), alive, sizeof(alive));
	check_put(mux_put_request(MUX_C_PROXY, 6), proxy, sizeof(proxy));
	check_put(mux_put_forward(MUX_C_OPEN_FWD, 7, "localhost", 0, "/a/b"),
	    forward, sizeof(forward));
	forward[7] = 7;
	check_put(mux_put_forward(MUX_C_CLOSE_FWD, 7, "localhost", 0, "/a/b"),
	    forward, sizeof(forward));
	check_put(mux_put_forward(MUX_C_OPEN_FWD, 8, "*", 2121, "/c"), fixed,
	    sizeof(fixed));
}

static void
test_put_too_long(void **state)
{
	static char path[4096];

	(void)state;
	memset(path, 'x', sizeof(path) - 1);
	assert_int_equal(mux_put_forward(MUX_C_OPEN_FWD, 1, "localhost", 0,
			     path)
			     .len,
	    0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_put),
		cmocka_unit_test(test_put_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
