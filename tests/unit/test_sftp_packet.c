/*
 * sftp/packet.c: golden bytes both ways, packets cut short, lenient reading.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sftp/packet.h"

#define BYTES(text) text, sizeof(text) - 1
#define STRING(text)                                    \
	{                                               \
		(const uint8_t *)text, sizeof(text) - 1 \
	}

/* ---- requests ---- */

static const struct {
	struct sftp_request request;
	const char *bytes;
	size_t len;
} requests[] = {
	{ { .op = SFTP_INIT }, BYTES("\0\0\0\5\1\0\0\0\3") },
	{ { .op = SFTP_OPEN,
	      .name = STRING("a"),
	      .open =
		  SFTP_OPEN_WRITE | SFTP_OPEN_CREATE | SFTP_OPEN_EXCLUSIVE },
	    BYTES("\0\0\0\x12\3\0\0\0\7\0\0\0\1a\0\0\0\x2a\0\0\0\0") },
	{ { .op = SFTP_CLOSE, .name = STRING("h\0i") },
	    BYTES("\0\0\0\x0c\4\0\0\0\7\0\0\0\3h\0i") },
	{ { .op = SFTP_READ,
	      .name = STRING("h"),
	      .offset = 0x102030405060708,
	      .len = 32768 },
	    BYTES(
		"\0\0\0\x16\5\0\0\0\7\0\0\0\1h\1\2\3\4\5\6\7\x08\0\0\x80\0") },
	/* With room for the data, which are not in it. */
	{ { .op = SFTP_WRITE, .name = STRING("h"), .offset = 1, .len = 3 },
	    BYTES("\0\0\0\x19\6\0\0\0\7\0\0\0\1h\0\0\0\0\0\0\0\1\0\0\0\3") },
	{ { .op = SFTP_SETSTAT,
	      .name = STRING("a"),
	      .attrs = { .has = SFTP_ATTR_MODE | SFTP_ATTR_TIMES,
		  .mode = 0644,
		  .atime = 1,
		  .mtime = 2 } },
	    BYTES("\0\0\0\x1a\x09\0\0\0\7\0\0\0\1a\0\0\0\x0c\0\0\1\xa4\0\0\0\1"
		  "\0\0\0\2") },
	{ { .op = SFTP_FSETSTAT,
	      .name = STRING("h"),
	      .attrs = { .has = SFTP_ATTR_SIZE, .size = 5 } },
	    BYTES("\0\0\0\x16\x0a\0\0\0\7\0\0\0\1h\0\0\0\1\0\0\0\0\0\0\0\5") },
	{ { .op = SFTP_MKDIR, .name = STRING("a") },
	    BYTES("\0\0\0\x0e\x0e\0\0\0\7\0\0\0\1a\0\0\0\0") },
	{ { .op = SFTP_RENAME, .name = STRING("a"), .to = STRING("bc") },
	    BYTES("\0\0\0\x10\x12\0\0\0\7\0\0\0\1a\0\0\0\2bc") },
	{ { .op = SFTP_POSIX_RENAME, .name = STRING("a"), .to = STRING("b") },
	    BYTES("\0\0\0\x2b\xc8\0\0\0\7\0\0\0\x18posix-rename@openssh.com"
		  "\0\0\0\1a\0\0\0\1b") },
	{ { .op = SFTP_LIMITS },
	    BYTES("\0\0\0\x1b\xc8\0\0\0\7\0\0\0\x12limits@openssh.com") },
	/* No name of the request: its bytes would be another file. */
	{ { .op = SFTP_REMOVE, .name = STRING("a\0b") }, NULL, 0 },
	{ { .op = SFTP_RENAME, .name = STRING("a"), .to = STRING("b\0") }, NULL,
	    0 },
};

static void
test_requests(void **state)
{
	uint8_t bytes[SFTP_PUT_MAX];

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		assert_int_equal(sftp_put(&requests[i].request, 7, bytes),
		    requests[i].len);
		assert_memory_equal(bytes, requests[i].bytes, requests[i].len);
	}
}

/* The longest paths fit, and no byte more. */
static void
test_long_paths(void **state)
{
	static uint8_t path[SFTP_PATH_MAX + 1], bytes[SFTP_PUT_MAX];
	struct sftp_request request = {
		.op = SFTP_POSIX_RENAME,
		.name = { path, SFTP_PATH_MAX },
		.to = { path, SFTP_PATH_MAX },
	};

	memset(path, 'a', sizeof(path));
	assert_true(sftp_put(&request, 1, bytes) > 2 * SFTP_PATH_MAX);
	request.to.len++;
	assert_int_equal(sftp_put(&request, 1, bytes), 0);
}

/* ---- replies ---- */

/* In a copy of the very size, so that reading past its end shows. */
static int
parse(const char *bytes, size_t len, struct sftp_reply *ret, uint8_t **copy)
{
	*copy = malloc(len == 0 ? 1 : len);
	assert_non_null(*copy);
	if (len > 0)
		memcpy(*copy, bytes, len);
	return sftp_parse(*copy, len, ret);
}

static const struct {
	const char *bytes;
	size_t len;
	size_t least; /* so many bytes are enough */
	struct sftp_reply reply;
} replies[] = {
	{ BYTES("\2\0\0\0\3"), 5,
	    { .type = SFTP_REPLY_VERSION, .version = 3 } },
	{ BYTES("\x65\0\0\0\1\0\0\0\4\0\0\0\2no\0\0\0\0"), 9,
	    { .type = SFTP_REPLY_STATUS, .id = 1, .status = SFTP_FAILURE } },
	{ BYTES("\x66\0\0\0\1\0\0\0\3h\0i"), 12,
	    { .type = SFTP_REPLY_HANDLE, .id = 1, .string = STRING("h\0i") } },
	{ BYTES("\x67\0\0\0\1\0\0\0\2xy"), 11,
	    { .type = SFTP_REPLY_DATA, .id = 1, .string = STRING("xy") } },
	{ BYTES("\x69\0\0\0\1\0\0\0\x0f\0\0\0\0\0\0\0\5\0\0\3\xe8\0\0\3\xe9"
		"\0\0\x81\xa4\0\0\0\6\0\0\0\7"),
	    37,
	    { .type = SFTP_REPLY_ATTRS,
		.id = 1,
		.attrs = { .has = SFTP_ATTR_SIZE | SFTP_ATTR_OWNER |
			SFTP_ATTR_MODE | SFTP_ATTR_TIMES,
		    .size = 5,
		    .uid = 1000,
		    .gid = 1001,
		    .mode = 0100644,
		    .atime = 6,
		    .mtime = 7 } } },
	/* Extended attributes are read over. */
	{ BYTES("\x69\0\0\0\1\x80\0\0\0\0\0\0\1\0\0\0\1a\0\0\0\1b"), 23,
	    { .type = SFTP_REPLY_ATTRS, .id = 1 } },
	{ BYTES("\xc9\0\0\0\1"), 5, { .type = SFTP_REPLY_EXTENDED, .id = 1 } },
};

static void
test_replies(void **state)
{
	struct sftp_reply reply;
	uint8_t *copy;

	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		const struct sftp_reply *wanted = &replies[i].reply;

		for (size_t len = 0; len <= replies[i].len; len++) {
			int err = parse(replies[i].bytes, len, &reply, &copy);

			assert_int_equal(err,
			    len < replies[i].least ? -EPROTO : 0);
			if (len < replies[i].len) {
				free(copy);
				continue;
			}
			assert_int_equal(reply.type, wanted->type);
			assert_int_equal(reply.id, wanted->id);
			assert_int_equal(reply.version, wanted->version);
			assert_int_equal(reply.status, wanted->status);
			assert_memory_equal(&reply.attrs, &wanted->attrs,
			    sizeof(reply.attrs));
			if (wanted->string.len > 0)
				assert_memory_equal(reply.string.bytes,
				    wanted->string.bytes, wanted->string.len);
			free(copy);
		}
	}
}

/* Cisco's and Maverick's servers send no text, or one without a language. */
static void
test_status_without_text(void **state)
{
	static const struct {
		const char *bytes;
		size_t len, text;
	} texts[] = {
		{ BYTES("\x65\0\0\0\1\0\0\0\2"), 0 },
		{ BYTES("\x65\0\0\0\1\0\0\0\2\0\0\0\0"), 0 },
		{ BYTES("\x65\0\0\0\1\0\0\0\2\0\0\0\2no"), 2 },
		{ BYTES("\x65\0\0\0\1\0\0\0\2\0\0\0\x09no"), 0 },
		{ BYTES("\x65\0\0\0\1\0\0\0\2\0"), 0 },
	};
	struct sftp_reply reply;
	uint8_t *copy;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(parse(texts[i].bytes, texts[i].len, &reply,
				     &copy),
		    0);
		assert_int_equal(reply.status, SFTP_NO_SUCH_FILE);
		assert_int_equal(reply.string.len, texts[i].text);
		free(copy);
	}
}

static void
test_names(void **state)
{
	static const char names[] = "\x68\0\0\0\1\0\0\0\2"
				    "\0\0\0\1a\0\0\0\4long\0\0\0\0"
				    "\0\0\0\2\xff.\0\0\0\0\0\0\0\4\0\0\x41\xed";
	struct sftp_reply reply;
	struct sftp_name name;
	uint8_t *copy;
	int n, err;

	for (size_t len = 9; len < sizeof(names); len++) {
		assert_int_equal(parse(names, len, &reply, &copy), 0);
		for (n = 0; (err = sftp_next_name(&reply, &name)) == 1; n++)
			if (n == 1) {
				assert_memory_equal(name.name.bytes, "\xff.",
				    2);
				assert_int_equal(name.attrs.mode, 040755);
			}
		assert_int_equal(err, len == sizeof(names) - 1 ? 0 : -EPROTO);
		assert_int_equal(n, err == 0 ? 2 : len >= 26 ? 1 : 0);
		free(copy);
	}
}

static void
test_extensions(void **state)
{
	static const char version[] = "\2\0\0\0\3"
				      "\0\0\0\x11"
				      "fsync@openssh.com\0\0\0\1"
				      "1"
				      "\0\0\0\x12"
				      "statvfs@openssh.c\0\0\0\0\1"
				      "2"
				      "\0\0\0\x13"
				      "statvfs@openssh.com\0\0\0\1"
				      "1";
	struct sftp_string name, number;
	struct sftp_reply reply;
	enum sftp_op ops[3];
	uint8_t *copy;

	assert_int_equal(parse(BYTES(version), &reply, &copy), 0);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(sftp_next_extension(&reply, &name, &number),
		    1);
		ops[i] = sftp_extension(&name, &number);
	}
	assert_int_equal(sftp_next_extension(&reply, &name, &number), 0);
	assert_int_equal(ops[0], SFTP_FSYNC);
	assert_int_equal(ops[1], SFTP_INIT); /* another name */
	assert_int_equal(ops[2], SFTP_INIT); /* another version */
	free(copy);
}

static void
test_limits_and_space(void **state)
{
	static const char limits[] = "\xc9\0\0\0\1\0\0\0\0\0\4\0\0"
				     "\0\0\0\0\0\3\xfc\0\0\0\0\0\0\3\xfc\0"
				     "\0\0\0\0\0\0\0\x64";
	/* Blocks of 4096 in fragments of 512; 2^63 of them are too many. */
	static const char space[] = "\xc9\0\0\0\1\0\0\0\0\0\0\x10\0"
				    "\0\0\0\0\0\0\2\0"
				    "\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\0\4"
				    "\0\0\0\0\0\0\0\2";
	struct sftp_limits found;
	struct sftp_space room;
	struct sftp_reply reply;
	uint8_t *copy;

	for (size_t len = 5; len < sizeof(limits); len++) {
		assert_int_equal(parse(limits, len, &reply, &copy), 0);
		assert_int_equal(sftp_get_limits(&reply, &found),
		    len == sizeof(limits) - 1 ? 0 : -EPROTO);
		free(copy);
	}
	assert_int_equal(found.packet, 262144);
	assert_int_equal(found.write, 261120);
	assert_int_equal(found.handles, 100);
	assert_int_equal(parse(BYTES(space), &reply, &copy), 0);
	assert_int_equal(sftp_get_space(&reply, &room), 0);
	assert_true(room.total == UINT64_MAX);
	assert_int_equal(room.free, 2048);
	assert_int_equal(room.available, 1024);
	free(copy);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_long_paths),
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_status_without_text),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_extensions),
		cmocka_unit_test(test_limits_and_space),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
