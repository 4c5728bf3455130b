/*
 * gateway/newline: line ends of TYPE A, the same however the bytes are split.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/newline.h"

#define ROOM 4096

/* What a transfer has written. */
struct written {
	struct newline_state state;
	uint8_t bytes[ROOM];
	size_t len;
};

static void
start(struct written *written, enum newline newline, enum newline_to to)
{
	newline_init(&written->state, newline, to);
	written->len = 0;
}

/* Each piece comes and goes in a block of its very size: a sanitizer sees what
 * is read or written beyond it. */
static void
convert(struct written *written, const uint8_t *bytes, size_t len)
{
	uint8_t *in = malloc(len), *out = malloc(newline_room(len));
	size_t n;

	assert_true((in != NULL || len == 0) && out != NULL);
	if (len > 0)
		memcpy(in, bytes, len);
	n = newline_convert(&written->state, in, len, out);
	assert_true(n <= newline_room(len) && written->len + n < ROOM);
	memcpy(written->bytes + written->len, out, n);
	written->len += n;
	free(in);
	free(out);
}

static void
end(struct written *written)
{
	uint8_t byte[1];
	size_t n = newline_end(&written->state, byte);

	assert_true(n <= 1 && written->len + n < ROOM);
	memcpy(written->bytes + written->len, byte, n);
	written->len += n;
	/* Only once. */
	assert_int_equal(newline_end(&written->state, byte), 0);
}

static void
check_written(const struct written *written, const char *expected, size_t len)
{
	assert_int_equal(written->len, len);
	assert_memory_equal(written->bytes, expected, len);
}

/* In one piece, byte by byte, and split at each two places. */
static void
check(enum newline newline, enum newline_to to, const char *text, size_t len,
    const char *expected, size_t expected_len)
{
	const uint8_t *bytes = (const uint8_t *)text;
	struct written written;

	start(&written, newline, to);
	for (size_t i = 0; i < len; i++)
		convert(&written, bytes + i, 1);
	end(&written);
	check_written(&written, expected, expected_len);
	for (size_t i = 0; i <= len; i++)
		for (size_t j = i; j <= len; j++) {
			start(&written, newline, to);
			convert(&written, bytes, i);
			convert(&written, bytes + i, j - i);
			convert(&written, bytes + j, len - j);
			end(&written);
			check_written(&written, expected, expected_len);
		}
}

struct example {
	const char *from, *to;
};

static void
check_examples(enum newline newline, enum newline_to to,
    const struct example *examples, size_t n)
{
	for (size_t i = 0; i < n; i++)
		check(newline, to, examples[i].from, strlen(examples[i].from),
		    examples[i].to, strlen(examples[i].to));
	check(newline, to, "a\0b", 3, "a\0b", 3);
}

#define CHECK_EXAMPLES(newline, to, examples) \
	check_examples(newline, to, examples, \
	    sizeof(examples) / sizeof(*(examples)))

static void
test_lf_upload(void **state)
{
	static const struct example examples[] = {
		{ "", "" },
		{ "a\r\nb\r\n", "a\nb\n" },
		{ "\r\n\r\n", "\n\n" },
		{ "\r\r\n", "\r\n" },
		{ "a\rb\r", "a\rb\r" },
		{ "\r\r\r", "\r\r\r" },
		{ "a\nb\n\r", "a\nb\n\r" },
		{ "\n\r\n", "\n\n" },
		{ "\xff\r\n\xfe\r\xfd", "\xff\n\xfe\r\xfd" },
	};

	(void)state;
	CHECK_EXAMPLES(NEWLINE_LF, NEWLINE_TO_FILE, examples);
}

static void
test_lf_download(void **state)
{
	static const struct example examples[] = {
		{ "", "" },
		{ "a\nb\n", "a\r\nb\r\n" },
		{ "\n\n", "\r\n\r\n" },
		{ "a\r\nb", "a\r\r\nb" },
		{ "a\rb\r", "a\rb\r" },
	};

	(void)state;
	CHECK_EXAMPLES(NEWLINE_LF, NEWLINE_TO_NETWORK, examples);
}

static void
test_crlf(void **state)
{
	static const struct example examples[] = {
		{ "", "" },
		{ "a\r\nb\r\n", "a\r\nb\r\n" },
		{ "a\nb\n", "a\r\nb\r\n" },
		{ "\n\r\n\n", "\r\n\r\n\r\n" },
		{ "\r\r\n\r", "\r\r\n\r" },
		{ "\ra\n", "\ra\r\n" },
	};

	(void)state;
	CHECK_EXAMPLES(NEWLINE_CRLF, NEWLINE_TO_FILE, examples);
	CHECK_EXAMPLES(NEWLINE_CRLF, NEWLINE_TO_NETWORK, examples);
}

static void
test_none(void **state)
{
	static const struct example examples[] = {
		{ "", "" },
		{ "a\r\nb\nc\rd\r", "a\r\nb\nc\rd\r" },
	};

	(void)state;
	CHECK_EXAMPLES(NEWLINE_NONE, NEWLINE_TO_FILE, examples);
	CHECK_EXAMPLES(NEWLINE_NONE, NEWLINE_TO_NETWORK, examples);
}

/* Each text of up to seven bytes of these: what is downloaded and uploaded is
 * the same file, if it has such line ends; and each LF of it has a CR on the
 * network. */
static void
test_again(void **state)
{
	static const char alphabet[] = "\r\na";
	struct written network, file;

	(void)state;
	for (unsigned number = 0; number < 3 * 3 * 3 * 3 * 3 * 3 * 3; number++)
		for (int crlf = 0; crlf < 2; crlf++) {
			enum newline newline = crlf ? NEWLINE_CRLF : NEWLINE_LF;
			char text[7];
			unsigned rest = number;
			bool proper = true;

			for (size_t i = 0; i < sizeof(text); i++) {
				text[i] = alphabet[rest % 3];
				rest /= 3;
				if (crlf && text[i] == '\n' &&
				    (i == 0 || text[i - 1] != '\r'))
					proper = false;
			}
			start(&network, newline, NEWLINE_TO_NETWORK);
			convert(&network, (uint8_t *)text, sizeof(text));
			end(&network);
			for (size_t i = 0; i < network.len; i++)
				assert_true(network.bytes[i] != '\n' ||
				    (i > 0 && network.bytes[i - 1] == '\r'));
			start(&file, newline, NEWLINE_TO_FILE);
			convert(&file, network.bytes, network.len);
			end(&file);
			if (proper)
				check_written(&file, text, sizeof(text));
		}
}

/* It is full at the worst: a CR kept back, and only LFs. */
static void
test_room(void **state)
{
	struct written written;
	uint8_t bytes[100];

	(void)state;
	memset(bytes, '\n', sizeof(bytes));
	start(&written, NEWLINE_LF, NEWLINE_TO_NETWORK);
	convert(&written, bytes, sizeof(bytes));
	assert_int_equal(written.len, 200);
	memset(bytes, 'a', sizeof(bytes));
	bytes[0] = '\r';
	start(&written, NEWLINE_LF, NEWLINE_TO_FILE);
	convert(&written, bytes, 1);
	assert_int_equal(written.len, 0);
	convert(&written, bytes + 1, 1);
	assert_int_equal(written.len, 2);
	/* A new transfer does not get what was kept back. */
	convert(&written, bytes, 1);
	start(&written, NEWLINE_LF, NEWLINE_TO_FILE);
	end(&written);
	assert_int_equal(written.len, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lf_upload),
		cmocka_unit_test(test_lf_download),
		cmocka_unit_test(test_crlf),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_again),
		cmocka_unit_test(test_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
