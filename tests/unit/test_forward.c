/*
 * Tests of conf/forward.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "conf/forward.h"

static void
test_good(void **state)
{
	static const struct {
		const char *spec;
		struct forward forward;
	} good[] = {
		{ "2121:localhost:21",
		    { .bind = "",
			.port = 2121,
			.host = "localhost",
			.host_port = 21 } },
		{ "0:h:1",
		    { .bind = "", .port = 0, .host = "h", .host_port = 1 } },
		{ "65535:h:65535",
		    { .bind = "",
			.port = 65535,
			.host = "h",
			.host_port = 65535 } },
		{ "ftp/2121:localhost:21",
		    { .bind = "",
			.port = 2121,
			.host = "localhost",
			.host_port = 21 } },
		{ "FTP/2121:localhost:21",
		    { .bind = "",
			.port = 2121,
			.host = "localhost",
			.host_port = 21 } },
		{ "ftp/*:0:h:21",
		    { .bind = "*", .port = 0, .host = "h", .host_port = 21 } },
		{ "127.0.0.1:0:10.1.0.9:21",
		    { .bind = "127.0.0.1",
			.port = 0,
			.host = "10.1.0.9",
			.host_port = 21 } },
		{ "localhost:0:h:21",
		    { .bind = "localhost",
			.port = 0,
			.host = "h",
			.host_port = 21 } },
		{ "*:0:h:21",
		    { .bind = "*", .port = 0, .host = "h", .host_port = 21 } },
		{ ":0:h:21",
		    { .bind = "*", .port = 0, .host = "h", .host_port = 21 } },
		{ "[::1]:0:[::1]:21",
		    { .bind = "::1",
			.port = 0,
			.host = "::1",
			.host_port = 21 } },
		{ "[]:0:h:21",
		    { .bind = "*", .port = 0, .host = "h", .host_port = 21 } },
		{ "0:[fe80::1%eth0]:21",
		    { .bind = "",
			.port = 0,
			.host = "fe80::1%eth0",
			.host_port = 21 } },
		{ "[127.0.0.1]:0:[h]:21",
		    { .bind = "127.0.0.1",
			.port = 0,
			.host = "h",
			.host_port = 21 } },
		{ "0:a-b:21",
		    { .bind = "", .port = 0, .host = "a-b", .host_port = 21 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct forward forward;
		char why[160] = "";

		if (forward_parse(good[i].spec, &forward, why, sizeof(why)) !=
		    0)
			fail_msg("%s: %s", good[i].spec, why);
		assert_false(forward.remote);
		assert_string_equal(forward.bind, good[i].forward.bind);
		assert_int_equal(forward.port, good[i].forward.port);
		assert_string_equal(forward.host, good[i].forward.host);
		assert_int_equal(forward.host_port, good[i].forward.host_port);
	}
}

static void
test_sftp(void **state)
{
	static const struct {
		const char *spec;
		struct forward forward;
	} good[] = {
		{ "sftp/2121", { .port = 2121 } },
		{ "SFTP/0", { .port = 0 } },
		{ "sftp/2121:/srv/in",
		    { .port = 2121, .directory = "/srv/in" } },
		{ "sftp/2121:in", { .port = 2121, .directory = "in" } },
		{ "sftp/2121:", { .port = 2121 } },
		{ "sftp/2121:2122", { .port = 2121, .directory = "2122" } },
		{ "sftp/2121:/a:b", { .port = 2121, .directory = "/a:b" } },
		{ "sftp/localhost:2121",
		    { .bind = "localhost", .port = 2121 } },
		{ "sftp/localhost:2121:/in",
		    { .bind = "localhost", .port = 2121, .directory = "/in" } },
		{ "sftp/*:2121", { .bind = "*", .port = 2121 } },
		{ "sftp/:2121", { .bind = "*", .port = 2121 } },
		{ "sftp/[::1]:2121:/in",
		    { .bind = "::1", .port = 2121, .directory = "/in" } },
		{ "sftp/10.0.0.1:2121", { .bind = "10.0.0.1", .port = 2121 } },
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct forward forward;
		char why[160] = "";

		if (forward_parse(good[i].spec, &forward, why, sizeof(why)) !=
		    0)
			fail_msg("%s: %s", good[i].spec, why);
		assert_true(forward.sftp);
		assert_string_equal(forward.bind, good[i].forward.bind);
		assert_int_equal(forward.port, good[i].forward.port);
		assert_string_equal(forward.directory,
		    good[i].forward.directory);
		assert_string_equal(forward.host, "");
	}
}

static void
test_socks(void **state)
{
	static const struct {
		const char *spec, *bind;
		uint16_t port;
	} good[] = {
		{ "socks/1080", "", 1080 },
		{ "SOCKS/0", "", 0 },
		{ "socks/*:1080", "*", 1080 },
		{ "socks/:1080", "*", 1080 },
		{ "socks/[::1]:1080", "::1", 1080 },
		{ "socks/10.0.0.1:1080", "10.0.0.1", 1080 },
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct forward forward;
		char why[160] = "";

		if (forward_parse(good[i].spec, &forward, why, sizeof(why)) !=
		    0)
			fail_msg("%s: %s", good[i].spec, why);
		assert_true(forward.socks);
		assert_false(forward.sftp);
		assert_string_equal(forward.bind, good[i].bind);
		assert_int_equal(forward.port, good[i].port);
		assert_string_equal(forward.host, "");
	}
}

static void
test_bad(void **state)
{
	/* Each with a word that its explanation must have. */
	static const struct {
		const char *spec;
		const char *why;
	} bad[] = {
		{ "", "expected" },
		{ "2121", "expected" },
		{ "2121:localhost", "expected" },
		{ "a:1:h:21:x", "expected" },
		{ "2121:::1:21", "expected" },
		{ "2121:[::1:21", "expected" },
		{ "2121:[::1]21:21", "expected" },
		{ "[::1:0:h:21", "expected" },
		{ "2121:localhost:21:", "listening port" },
		{ "x:h:21", "listening port" },
		{ "65536:h:21", "listening port" },
		{ "-1:h:21", "listening port" },
		{ "+1:h:21", "listening port" },
		{ " 1:h:21", "listening port" },
		{ "[1]:h:21", "listening port" },
		{ ":h:21", "listening port" },
		{ "0:h:0", "server's port" },
		{ "0:h:", "server's port" },
		{ "0:h:21 ", "server's port" },
		{ "0:h:65536", "server's port" },
		{ "0:h:4294967317", "server's port" },
		{ "0::21", "host is missing" },
		{ "0:[]:21", "host is missing" },
		{ "0:-h:21", "must not begin" },
		{ "0:[-h]:21", "must not begin" },
		{ "-b:0:h:21", "must not begin" },
		{ "/tmp/socket:h:21", "Unix socket" },
		{ "2121:/tmp/socket", "Unix socket" },
		{ "ftp/ftp/0:h:21", "Unix socket" },
		{ "sftp/", "expected sftp/" },
		{ "sftp/x", "expected sftp/" },
		{ "sftp/x:y", "expected sftp/" },
		{ "sftp/65536", "expected sftp/" },
		{ "sftp/-1:/in", "bind address" },
		{ "sftp/[::1", "expected sftp/" },
		{ "sftp/[::1]x:1", "expected sftp/" },
		{ "sftp/a b:2121", "bind address" },
		{ "sftp/-b:2121", "bind address" },
		{ "socks/", "expected socks/" },
		{ "socks/x", "expected socks/" },
		{ "socks/1080:h:21", "each client names its server" },
		{ "socks/1080:", "each client names its server" },
		{ "socks/65536", "expected socks/" },
		{ "socks/-b:1080", "bind address" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct forward forward = { .port = 77 };
		char why[160] = "";

		if (forward_parse(bad[i].spec, &forward, why, sizeof(why)) !=
		    -EINVAL)
			fail_msg("%s was taken", bad[i].spec);
		if (strstr(why, bad[i].why) == NULL)
			fail_msg("%s: %s", bad[i].spec, why);
		assert_int_equal(forward.port, 77);
	}
}

static void
test_long_names(void **state)
{
	char name[FORWARD_HOST_MAX + 1];
	char spec[FORWARD_HOST_MAX + 32], why[160];
	struct forward forward;

	(void)state;
	memset(name, 'a', sizeof(name));
	name[FORWARD_HOST_MAX - 1] = '\0';
	snprintf(spec, sizeof(spec), "0:%s:21", name);
	assert_int_equal(forward_parse(spec, &forward, why, sizeof(why)), 0);
	assert_string_equal(forward.host, name);
	snprintf(spec, sizeof(spec), "%s:0:h:21", name);
	assert_int_equal(forward_parse(spec, &forward, why, sizeof(why)), 0);
	assert_string_equal(forward.bind, name);

	name[FORWARD_HOST_MAX - 1] = 'a';
	name[FORWARD_HOST_MAX] = '\0';
	snprintf(spec, sizeof(spec), "0:%s:21", name);
	assert_int_equal(forward_parse(spec, &forward, why, sizeof(why)),
	    -EINVAL);
	snprintf(spec, sizeof(spec), "%s:0:h:21", name);
	assert_int_equal(forward_parse(spec, &forward, why, sizeof(why)),
	    -EINVAL);
}

/* A text that does not fit is cut, never written past its end. */
static void
test_small_why(void **state)
{
	struct forward forward;
	char why[9] = "........";

	(void)state;
	assert_int_equal(forward_parse("x", &forward, why, 8), -EINVAL);
	assert_int_equal(strlen(why), 7);
	assert_int_equal(why[8], '\0');
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_sftp),
		cmocka_unit_test(test_socks),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_small_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
