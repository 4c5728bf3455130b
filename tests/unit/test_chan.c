/*
 * ssh/chan.c: golden bytes, every split point, bad lengths.
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
#include "ssh/chan.h"
#include "base/wire.h"

/* Each packet, and what it says. */
static const struct {
	const char *bytes;
	size_t len;
	struct chan_message message;
	const char *data;
} packets[] = {
#define BYTES(text) text, sizeof(text) - 1
	{ BYTES("\0\0\0\x09\0\x50\0\0\0\2hi\1"),
	    { .type = CHAN_GLOBAL_REQUEST, .want_reply = 1 }, "hi" },
	{ BYTES("\0\0\0\2\0\x52"), { .type = CHAN_REQUEST_FAILURE }, NULL },
	{ BYTES("\0\0\0\x14\0\x5a\0\0\0\2fw\0\0\0\5\0\1\0\0\0\0\x80\0"),
	    { .type = CHAN_OPEN, .channel = 5 }, "fw" },
	{ BYTES("\0\0\0\x12\0\x5b\0\0\0\1\0\0\0\2\0\x20\0\0\0\0\x80\0"),
	    { .type = CHAN_OPEN_CONFIRMATION,
		.channel = 1,
		.sender = 2,
		.window = 0x200000,
		.packet = 0x8000 },
	    NULL },
	{ BYTES("\0\0\0\x14\0\x5c\0\0\0\3\0\0\0\2\0\0\0\2no\0\0\0\0"),
	    { .type = CHAN_OPEN_FAILURE, .channel = 3, .reason = 2 }, "no" },
	{ BYTES("\0\0\0\x0a\0\x5d\0\0\0\4\0\0\1\0"),
	    { .type = CHAN_WINDOW_ADJUST, .channel = 4, .window = 256 }, NULL },
	{ BYTES("\0\0\0\x0d\0\x5e\0\0\0\6\0\0\0\3abc"),
	    { .type = CHAN_DATA, .channel = 6 }, "abc" },
	{ BYTES("\0\0\0\x10\0\x5f\0\0\0\6\0\0\0\1\0\0\0\2er"),
	    { .type = CHAN_EXTENDED_DATA, .channel = 6 }, "er" },
	{ BYTES("\0\0\0\6\0\x60\0\0\0\7"), { .type = CHAN_EOF, .channel = 7 },
	    NULL },
	{ BYTES("\0\0\0\6\0\x61\0\0\0\x08"),
	    { .type = CHAN_CLOSE, .channel = 8 }, NULL },
	{ BYTES("\0\0\0\x0e\0\x62\0\0\0\x09\0\0\0\3eow\0"),
	    { .type = CHAN_REQUEST, .channel = 9 }, "eow" },
	{ BYTES("\0\0\0\6\0\x64\0\0\0\x0a"),
	    { .type = CHAN_FAILURE, .channel = 10 }, NULL },
	{ BYTES("\0\0\0\3\0\xc8\1"), { .type = 200 }, NULL },
};

#define N_PACKETS (sizeof(packets) / sizeof(packets[0]))

static void
check_packet(const struct chan_message *message, size_t i)
{
	const struct chan_message *is = &packets[i].message;
	size_t len = packets[i].data == NULL ? 0 : strlen(packets[i].data);

	assert_int_equal(message->type, is->type);
	assert_int_equal(message->channel, is->channel);
	assert_int_equal(message->sender, is->sender);
	assert_int_equal(message->window, is->window);
	assert_int_equal(message->packet, is->packet);
	assert_int_equal(message->reason, is->reason);
	assert_int_equal(message->want_reply, is->want_reply);
	assert_int_equal(message->data_len, len);
	if (len > 0)
		assert_memory_equal(message->data, packets[i].data, len);
}

/* Parses what is whole in a copy of the very size; returns what it took. */
static size_t
parse_all(const uint8_t *bytes, size_t len, size_t *n)
{
	uint8_t *copy = malloc(len + (len == 0));
	size_t taken = 0;
	struct chan_message message;
	struct wire_in in;

	if (len > 0)
		memcpy(copy, bytes, len);
	while (wire_get_message(copy + taken, len - taken, &in) == 1) {
		assert_true(*n < N_PACKETS);
		assert_int_equal(4 + in.len, packets[*n].len);
		assert_int_equal(chan_parse(in.bytes, in.len, &message), 0);
		check_packet(&message, (*n)++);
		taken += 4 + in.len;
	}
	free(copy);
	return taken;
}

static void
test_split(void **state)
{
	uint8_t all[1024];
	size_t len = 0;

	(void)state;
	for (size_t i = 0; i < N_PACKETS; i++) {
		memcpy(all + len, packets[i].bytes, packets[i].len);
		len += packets[i].len;
	}
	for (size_t at = 0; at <= len; at++) {
		size_t n = 0;
		size_t taken = parse_all(all, at, &n);

		taken += parse_all(all + taken, len - taken, &n);
		assert_int_equal(taken, len);
		assert_int_equal(n, N_PACKETS);
	}
}

/* Each packet that is cut short is bad, and never over-read. */
static void
test_cut(void **state)
{
	struct chan_message message = { .type = 77 };

	(void)state;
	for (size_t i = 0; i < N_PACKETS; i++) {
		/* The last field of these is not looked at. */
		uint8_t type = packets[i].message.type;
		size_t spare = type == CHAN_OPEN ? 8 :
		    type == CHAN_OPEN_FAILURE	 ? 4 :
		    type == 200			 ? 1 :
						   0;

		for (size_t len = 0; 4 + len + spare < packets[i].len; len++) {
			uint8_t *copy = malloc(len + (len == 0));

			memcpy(copy, packets[i].bytes + 4, len);
			assert_int_equal(chan_parse(copy, len, &message),
			    -EPROTO);
			free(copy);
		}
	}
	assert_int_equal(message.type, 77);
}

static void
test_bad(void **state)
{
	static const uint8_t padded[] = { 4, 97, 0, 0, 0, 1 };
	static const uint8_t data[] = { 0, 94, 0, 0, 0, 1, 0xff, 0xff, 0xff,
		0xff, 'x' };
	uint8_t large[4] = { 0, (LIMIT_WIRE_MESSAGE + 1) >> 16 & 0xff, 0,
		(LIMIT_WIRE_MESSAGE + 1) & 0xff };
	struct chan_message message;
	struct wire_in in;

	(void)state;
	assert_int_equal(chan_parse(padded, sizeof(padded), &message), -EPROTO);
	assert_int_equal(chan_parse(data, sizeof(data), &message), -EPROTO);
	assert_int_equal(wire_get_message(large, sizeof(large), &in), -EPROTO);
}

static void
test_put(void **state)
{
	uint8_t head[CHAN_DATA_HEAD];

	(void)state;
	check_put(chan_put_open_direct(1, 0x200000, 0x8000, "ftp", 21),
	    BYTES("\0\0\0\x3a\0\x5a\0\0\0\x0c"
		  "direct-tcpip\0\0\0\1\0\x20\0\0\0\0\x80\0"
		  "\0\0\0\3ftp\0\0\0\x15\0\0\0\x09"
		  "127.0.0.1\0\0\xff\xff"));
	check_put(chan_put_open_session(1, 0x20000, 0x8000),
	    BYTES("\0\0\0\x19\0\x5a\0\0\0\7session\0\0\0\1"
		  "\0\2\0\0\0\0\x80\0"));
	check_put(chan_put_request(2, "exec", "exit"),
	    BYTES("\0\0\0\x17\0\x62\0\0\0\2\0\0\0\4"
		  "exec\1\0\0\0\4exit"));
	check_put(chan_put_request(2, "subsystem", "sftp"),
	    BYTES("\0\0\0\x1c\0\x62\0\0\0\2\0\0\0\x09"
		  "subsystem\1\0\0\0\4sftp"));
	check_put(chan_put_window_adjust(2, 0x10000),
	    BYTES("\0\0\0\x0a\0\x5d\0\0\0\2\0\1\0\0"));
	check_put(chan_put_request(2, "hi", NULL),
	    BYTES("\0\0\0\x0d\0\x62\0\0\0\2\0\0\0\2hi\1"));
	check_put(chan_put(CHAN_EOF, 3), BYTES("\0\0\0\6\0\x60\0\0\0\3"));
	check_put(chan_put(CHAN_CLOSE, 4), BYTES("\0\0\0\6\0\x61\0\0\0\4"));
	check_put(chan_put(CHAN_FAILURE, 5), BYTES("\0\0\0\6\0\x64\0\0\0\5"));
	check_put(chan_put_open_failure(6, 1),
	    BYTES("\0\0\0\x12\0\x5c\0\0\0\6\0\0\0\1\0\0\0\0\0\0\0\0"));
	check_put(chan_put_request_failure(), BYTES("\0\0\0\2\0\x52"));
	chan_data_head(head, 6, 3);
	assert_memory_equal(head, "\0\0\0\x0d\0\x5e\0\0\0\6\0\0\0\3",
	    sizeof(head));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_put),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
