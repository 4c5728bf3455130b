/*
 * check/suggest: the mode, the key line, the command.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "check/suggest.h"
#include "conf/option.h"

#define HEAD "restrict,port-forwarding,command=\"/bin/false\""

/* The options of that command line. */
static void
parse(struct options *options, int argc, const char **argv)
{
	assert_int_equal(options_parse(argc, (char **)(uintptr_t)argv, options),
	    OPTIONS_RUN);
}

#define PARSE(options, ...)                                               \
	do {                                                              \
		const char *argv[] = { "culvert", __VA_ARGS__, NULL };    \
		parse((options), (int)(sizeof(argv) / sizeof(*argv)) - 1, \
		    argv);                                                \
	} while (0)

static void
check_key(const struct options *options, enum options_mode mode,
    const char *expected)
{
	static const struct suggest_modes modes[OPTIONS_FORWARDS_MAX];
	char text[SUGGEST_MAX];

	assert_true(suggest_key_line(options, modes, mode, text, sizeof(text)));
	assert_string_equal(text, expected);
	assert_false(
	    suggest_key_line(options, modes, mode, text, strlen(expected)));
}

static void
test_sftp(void **state)
{
	static const struct suggest_modes modes[OPTIONS_FORWARDS_MAX] = {
		[1] = { .known = true, .passive = true },
	};
	struct options options;
	char text[SUGGEST_MAX];

	(void)state;
	PARSE(&options, "-L", "sftp/1:/in", "-L", "sftp/2", "h");
	check_key(&options, OPTIONS_SAME, "restrict,command=\"internal-sftp\"");
	assert_true(suggest_sshd_config(&options, "alice", text, sizeof(text)));
	assert_string_equal(text,
	    "Match User alice\n"
	    "    ForceCommand internal-sftp\n"
	    "    DisableForwarding yes\n"
	    "    ChrootDirectory DIRECTORY");
	assert_false(suggest_sshd_config(&options, "alice", text, 50));
	/* No forward has a mode. */
	assert_int_equal(suggest_mode(&options, modes), OPTIONS_SAME);
	options_free(&options);
	PARSE(&options, "-L", "sftp/1", "--read-only", "h");
	check_key(&options, OPTIONS_SAME,
	    "restrict,command=\"internal-sftp -R\"");
	options_free(&options);
	/* One to an FTP server, whose mode counts. */
	PARSE(&options, "-L", "sftp/1", "-L", "2:localhost:21", "h");
	check_key(&options, OPTIONS_SAME,
	    "restrict,port-forwarding,command=\"internal-sftp\","
	    "permitopen=\"localhost:*\",permitlisten=\"127.0.0.1:*\"");
	assert_false(
	    suggest_sshd_config(&options, "alice", text, sizeof(text)));
	assert_string_equal(text, "");
	assert_int_equal(suggest_mode(&options, modes), OPTIONS_PASSIVE);
	options_free(&options);
}

/* Those of doc/topologies.md. */
static void
test_key(void **state)
{
	struct options options;

	(void)state;
	PARSE(&options, "h");
	check_key(&options, OPTIONS_SAME,
	    HEAD ",permitopen=\"localhost:*\",permitlisten=\"127.0.0.1:*\"");
	check_key(&options, OPTIONS_PASSIVE,
	    HEAD ",permitopen=\"localhost:*\",permitlisten=\"localhost:1\"");
	check_key(&options, OPTIONS_ACTIVE,
	    HEAD ",permitopen=\"localhost:21\",permitlisten=\"127.0.0.1:*\"");
	options_free(&options);
	PARSE(&options, "-L", "1:[::1]:21", "-L", "2:[::1]:21", "--far-address",
	    "2001:db8::1", "h");
	check_key(&options, OPTIONS_SAME,
	    HEAD ",permitopen=\"[::1]:*\",permitlisten=\"[2001:db8::1]:*\"");
	options_free(&options);
	PARSE(&options, "-R", "2222:ftp.plant:21", "h");
	check_key(&options, OPTIONS_SAME,
	    HEAD ",permitopen=\"127.0.0.1:*\",permitopen=\"[::1]:*\","
		 "permitlisten=\"localhost:*\"");
	options_free(&options);
	PARSE(&options, "-R", "203.0.113.3:2222:ftp.plant:21", "--allow",
	    "203.0.113.4", "--allow", "198.51.100.0/24", "h");
	check_key(&options, OPTIONS_SAME,
	    HEAD ",permitopen=\"203.0.113.4:*\","
		 "permitopen=\"203.0.113.3:2222\","
		 "permitlisten=\"203.0.113.3:*\"");
	options_free(&options);
	/* sshd chooses the port; it refuses a key with permitopen="HOST:0". */
	PARSE(&options, "-R", "203.0.113.3:0:ftp.plant:21", "--allow",
	    "203.0.113.4", "h");
	check_key(&options, OPTIONS_SAME,
	    HEAD ",permitopen=\"203.0.113.4:*\","
		 "permitopen=\"203.0.113.3:*\","
		 "permitlisten=\"203.0.113.3:*\"");
	options_free(&options);
	PARSE(&options, "-L", "1:[::1]:21", "h");
	check_key(&options, OPTIONS_SAME,
	    HEAD ",permitopen=\"[::1]:*\",permitlisten=\"[::1]:*\"");
	options_free(&options);
	PARSE(&options, "-R", "*:2222:ftp.plant:21", "--client-address",
	    "203.0.113.3", "--allow", "0.0.0.0/0", "h");
	check_key(&options, OPTIONS_SAME,
	    HEAD ",permitopen=\"127.0.0.2:2222\",permitlisten=\":*\"");
	options_free(&options);
}

static void
test_mode(void **state)
{
	static const struct {
		enum options_mode asked;
		struct suggest_modes modes;
		enum options_mode mode;
	} cases[] = {
		{ OPTIONS_SAME, { true, true, true, false }, OPTIONS_SAME },
		{ OPTIONS_SAME, { true, true, false, false }, OPTIONS_PASSIVE },
		{ OPTIONS_SAME, { true, false, true, false }, OPTIONS_ACTIVE },
		{ OPTIONS_SAME, { true, false, false, false }, OPTIONS_SAME },
		{ OPTIONS_SAME, { false, false, false, false }, OPTIONS_SAME },
		{ OPTIONS_ACTIVE, { true, true, false, false },
		    OPTIONS_PASSIVE },
		{ OPTIONS_ACTIVE, { true, false, true, false },
		    OPTIONS_ACTIVE },
		{ OPTIONS_PASSIVE, { true, true, false, false },
		    OPTIONS_PASSIVE },
		{ OPTIONS_PASSIVE, { false, false, false, false },
		    OPTIONS_PASSIVE },
	};
	struct options options;

	(void)state;
	PARSE(&options, "h");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		options.server_mode = cases[i].asked;
		assert_int_equal(suggest_mode(&options, &cases[i].modes),
		    cases[i].mode);
	}
	options_free(&options);
}

static void
test_command(void **state)
{
	static const struct suggest_option given[] = {
		{ "L", "*:2121:h:21" },
		{ "server-mode", "active" },
		{ "batch", NULL },
		{ "o", "ProxyCommand=it's $5" },
	};
	struct suggest_command command = {
		.options = given,
		.n_options = 4,
		.destination = "a@h",
	};
	char text[SUGGEST_MAX];

	(void)state;
	assert_true(suggest_command(&command, text, sizeof(text)));
	assert_string_equal(text,
	    "culvert -L '*:2121:h:21' --batch -o 'ProxyCommand=it'\\''s $5' "
	    "a@h");
	command.mode = OPTIONS_PASSIVE;
	assert_true(suggest_command(&command, text, sizeof(text)));
	assert_non_null(strstr(text, " --server-mode passive a@h"));
	assert_false(suggest_command(&command, text, strlen(text)));
	command.tunnel = "plant";
	assert_true(suggest_command(&command, text, sizeof(text)));
	assert_string_equal(text,
	    "culvert up plant # with server-mode = passive in its section");
	command.mode = OPTIONS_SAME;
	command.config = "/a b";
	assert_true(suggest_command(&command, text, sizeof(text)));
	assert_string_equal(text, "culvert up -f '/a b' plant");
	assert_true(suggest_ssh((const char *const[]) { "-F", "" }, 2, "h",
	    text, sizeof(text)));
	assert_string_equal(text, "ssh -F '' h");
	assert_true(suggest_word("[h]:2", text, sizeof(text)));
	assert_string_equal(text, "'[h]:2'");
	assert_false(suggest_word("[h]:2", text, 4));
}

/* What has failed is not suggested again. */
static void
test_changes(void **state)
{
	static const struct suggest_option given[] = {
		{ "L", "2121:h:990" },
		{ "R", "[::1]:2122:[2001:db8::1]:21" },
		{ "p", "23" },
		{ "server-data-host", "reply" },
	};
	const struct suggest_change changes[] = {
		{ SUGGEST_SERVER_PORT, .forward = 0, .value = "21" },
		{ SUGGEST_SERVER_HOST, .forward = 1, .value = "ADDRESS" },
		{ SUGGEST_SERVER_PORT, .forward = 1, .value = "PORT" },
		{ SUGGEST_GIVEN, .name = "p", .value = "PORT" },
		{ SUGGEST_GIVEN, .name = "ssh", .value = "PROGRAM" },
		{ SUGGEST_NO_OPTION, .name = "server-data-host" },
		{ SUGGEST_OPTION, .name = "allow", .value = "NETWORK" },
		{ SUGGEST_DESTINATION, .value = "HOST" },
		{ SUGGEST_TUNNEL, .value = "plant" },
	};
	struct suggest_command command = {
		.options = given,
		.n_options = 4,
		.destination = "a@h",
	};
	char text[SUGGEST_MAX];

	(void)state;
	suggest_add(&command, changes[0]);
	assert_false(command.has_capitals);
	for (size_t i = 1; i < sizeof(changes) / sizeof(changes[0]); i++)
		suggest_add(&command, changes[i]);
	assert_true(command.has_capitals);
	command.n_changes--;
	assert_true(suggest_command(&command, text, sizeof(text)));
	assert_string_equal(text,
	    "culvert -L 2121:h:21 -R '[::1]:2122:ADDRESS:PORT' -p PORT "
	    "--allow NETWORK HOST");
	command.n_changes++;
	assert_true(suggest_command(&command, text, sizeof(text)));
	assert_string_equal(text, "culvert up plant");
	command.tunnel = "field";
	command.n_changes--;
	command.mode = OPTIONS_ACTIVE;
	assert_true(suggest_command(&command, text, sizeof(text)));
	assert_string_equal(text,
	    "culvert up field # with server-mode = active and the changes "
	    "above in its section");
}

/* PermitOpen for the clients of a -R. */
static void
test_clients(void **state)
{
	struct options options = { .server_mode = OPTIONS_SAME };
	struct forward forward = { .remote = true, .bind = "" };
	char text[64];

	(void)state;
	suggest_clients(&options, &forward, text, sizeof(text));
	assert_string_equal(text, "127.0.0.1:* [::1]:*");
	snprintf(forward.bind, sizeof(forward.bind), "*");
	suggest_clients(&options, &forward, text, sizeof(text));
	assert_string_equal(text, "any");
	assert_true(suggest_is_local("*") && suggest_is_local("0.0.0.0") &&
	    suggest_is_local("::1") && !suggest_is_local("192.0.2.1"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sftp),
		cmocka_unit_test(test_key),
		cmocka_unit_test(test_mode),
		cmocka_unit_test(test_command),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_clients),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
