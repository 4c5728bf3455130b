/*
 * Tests of base/buf.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"

static void
test_empty(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 10);
	assert_int_equal(buf_len(&buf), 0);
	buf_consume(&buf, 0);
	assert_int_equal(buf_append(&buf, NULL, 0), 0);
	assert_int_equal(buf_len(&buf), 0);
	buf_free(&buf);
	buf_free(&buf);
}

static void
test_maximum(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 10);
	assert_int_equal(buf_append(&buf, "0123456", 7), 0);
	assert_int_equal(buf_append(&buf, "789a", 4), -ENOBUFS);
	assert_int_equal(buf_len(&buf), 7);
	assert_memory_equal(buf_bytes(&buf), "0123456", 7);
	assert_int_equal(buf_append(&buf, "789", 3), 0);
	assert_int_equal(buf_append(&buf, "a", 1), -ENOBUFS);
	assert_int_equal(buf_append(&buf, "a", SIZE_MAX), -ENOBUFS);
	buf_consume(&buf, 4);
	assert_int_equal(buf_append(&buf, "abcd", 4), 0);
	assert_int_equal(buf_append(&buf, "e", 1), -ENOBUFS);
	assert_memory_equal(buf_bytes(&buf), "456789abcd", 10);
	assert_true(buf.size <= 10);
	buf_free(&buf);
	assert_int_equal(buf_len(&buf), 0);
	assert_int_equal(buf_append(&buf, "0123456789", 10), 0);
	buf_free(&buf);
}

static void
test_gives_back(void **state)
{
	static const uint8_t large[8 * 1024 * 1024];
	struct buf buf;

	(void)state;
	buf_init(&buf, sizeof(large));
	assert_int_equal(buf_append(&buf, large, sizeof(large)), 0);
	buf_consume(&buf, sizeof(large) - 1);
	assert_int_equal(buf_len(&buf), 1);
	buf_consume(&buf, 1);
	assert_int_equal(buf.size, 0);
	assert_null(buf.bytes);
	/* A small buffer keeps its memory. */
	assert_int_equal(buf_append(&buf, large, 100), 0);
	buf_consume(&buf, 100);
	assert_true(buf.size >= 100);
	buf_free(&buf);
}

/* Random appends and consumes against two counters: byte n is a hash of n. */
static void
test_random(void **state)
{
	static uint8_t piece[6000];
	const size_t max = 20000;
	struct buf buf;
	size_t in = 0, out = 0;
	unsigned int refused = 0;

	(void)state;
	srand(1);
	buf_init(&buf, max);
	for (int round = 0; round < 20000; round++) {
		size_t n = (size_t)rand() % sizeof(piece);
		int err;

		for (size_t i = 0; i < n; i++)
			piece[i] = (uint8_t)((in + i) * 2654435761U >> 11);
		err = buf_append(&buf, piece, n);
		if (n > max - (in - out)) {
			assert_int_equal(err, -ENOBUFS);
			refused++;
		} else {
			assert_int_equal(err, 0);
			in += n;
		}
		assert_int_equal(buf_len(&buf), in - out);
		assert_true(buf.size <= max);
		n = (size_t)rand() % 5800;
		if (n > in - out)
			n = in - out;
		for (size_t i = 0; i < n; i++)
			assert_int_equal(buf_bytes(&buf)[i],
			    (uint8_t)((out + i) * 2654435761U >> 11));
		buf_consume(&buf, n);
		out += n;
	}
	assert_true(refused > 0);
	buf_free(&buf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_maximum),
		cmocka_unit_test(test_gives_back),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
