/*
 * Tests of conf/options.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "conf/options.h"
#include "limits.h"

#define ARGS_MAX 160

/* Cuts a line at its blanks and parses it; the words stay in line. */
static enum options_result
parse(const char *text, struct options *ret)
{
	static char line[4096];
	char *argv[ARGS_MAX + 1];
	int argc = 0;

	snprintf(line, sizeof(line), "culvert %s", text);
	for (char *word = strtok(line, " "); word != NULL;
	     word = strtok(NULL, " ")) {
		assert_true(argc < ARGS_MAX);
		argv[argc++] = word;
	}
	argv[argc] = NULL;
	return options_parse(argc, argv, ret);
}

static void
test_defaults(void **state)
{
	struct options options;

	(void)state;
	assert_int_equal(parse("alice@host", &options), OPTIONS_RUN);
	assert_string_equal(options.destination, "alice@host");
	assert_string_equal(options.ssh, "ssh");
	assert_int_equal(options.ssh_arguments.n, 0);
	assert_int_equal(options.n_forwards, 1);
	assert_string_equal(options.forwards[0].bind, "");
	assert_int_equal(options.forwards[0].port, 2121);
	assert_string_equal(options.forwards[0].host, "localhost");
	assert_int_equal(options.forwards[0].host_port, 21);
	assert_int_equal(options.max_sessions, LIMIT_SESSIONS);
	assert_int_equal(options.max_per_address, 0);
	assert_int_equal(options.max_logins, 0);
	assert_int_equal(options.max_data, LIMIT_SESSION_DATA);
	assert_int_equal(options.max_lines, 1000);
	assert_int_equal(options.login_ms, 300000);
	assert_int_equal(options.keepalive_ms, 0);
	assert_int_equal(options.drain_ms, 0);
	assert_int_equal(options.links, 1);
	assert_int_equal(options.max_window, 64 << 20);
	assert_int_equal(options.max_memory, 256 << 20);
	assert_false(options.no_cipher_order || options.no_session);
	assert_int_equal(options.verbose, 0);
	assert_null(options.user);
	assert_false(options.no_confine);
	assert_false(options.forwards[0].remote);
	assert_false(options.quiet || options.batch || options.allow_tls ||
	    options.any_user || options.pass_foreign_port);
	assert_int_equal(options.n_allow, 0);
	assert_int_equal(options.server_mode, OPTIONS_SAME);
	assert_false(
	    options.server_data_host_reply || options.client_data_host_control);
	assert_int_equal(options.client_address.family, AF_UNSPEC);
	assert_null(options.far_address);
	assert_int_equal(options.client_ports_low, 0);
	assert_true(options.retry == OPTIONS_RETRY_FOREVER);
	assert_false(options.retry_given || options.on_demand);
	assert_int_equal(options.link_wait_ms, 10000);
	assert_int_equal(options.idle_exit_ms, 300000);
	options_free(&options);
}

static void
test_link_lost(void **state)
{
	static const struct {
		const char *line;
		uint32_t retry;
	} lines[] = {
		{ "--retry forever h", OPTIONS_RETRY_FOREVER },
		{ "--retry never h", 0 },
		{ "--retry 0 h", 0 },
		{ "--retry 7 h", 7 },
		{ "--retry 4294967294 h", 4294967294 },
	};
	static const char *const bad[] = { "--retry 4294967295 h",
		"--retry always h", "--retry -1 h", "--retry 1x h",
		"--link-wait 3601 h", "--link-wait 1.5 h", "--idle-exit x h",
		"--idle-exit 1000001 h", "--on-demand -R 0:a:21 h",
		"--on-demand -L 0:a:21 -R 0:a:21 h" };
	struct options options;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		assert_int_equal(parse(lines[i].line, &options), OPTIONS_RUN);
		assert_true(options.retry == lines[i].retry);
		assert_true(options.retry_given);
		options_free(&options);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (parse(bad[i], &options) != OPTIONS_BAD)
			fail_msg("taken: %s", bad[i]);
		options_free(&options);
	}
	assert_int_equal(parse("--link-wait 1 --on-demand --idle-exit 0 h",
			     &options),
	    OPTIONS_RUN);
	assert_true(options.on_demand);
	assert_int_equal(options.link_wait_ms, 1000);
	assert_int_equal(options.idle_exit_ms, 0);
	options_free(&options);
}

static void
test_all(void **state)
{
	struct options options;

	(void)state;
	assert_int_equal(
	    parse("--ssh /opt/ssh --batch -q -L 0:a:21 -L ftp/*:1:b:22 "
		  "--foreign-port pass --allow-tls --any-user "
		  "--max-sessions 7 --links 4 --max-window 1m "
		  "--max-memory 1G --no-cipher-order --no-session "
		  "--max-per-address 8 --max-logins 9 --max-data 2 "
		  "--max-lines 10 --login-timeout 11 --keepalive 12 "
		  "--drain 13 "
		  "--user ftp --no-confine host",
		&options),
	    OPTIONS_RUN);
	assert_string_equal(options.ssh, "/opt/ssh");
	assert_true(options.batch && options.quiet && options.allow_tls &&
	    options.any_user && options.pass_foreign_port);
	assert_int_equal(options.max_sessions, 7);
	assert_int_equal(options.max_per_address, 8);
	assert_int_equal(options.max_logins, 9);
	assert_int_equal(options.max_data, 2);
	assert_int_equal(options.max_lines, 10);
	assert_int_equal(options.login_ms, 11000);
	assert_int_equal(options.keepalive_ms, 12000);
	assert_int_equal(options.drain_ms, 13000);
	assert_int_equal(options.links, 4);
	assert_int_equal(options.max_window, 1 << 20);
	assert_int_equal(options.max_memory, 1 << 30);
	assert_string_equal(options.user, "ftp");
	assert_true(options.no_confine);
	assert_true(options.no_cipher_order && options.no_session);
	assert_int_equal(options.n_forwards, 2);
	assert_string_equal(options.forwards[0].host, "a");
	assert_string_equal(options.forwards[1].bind, "*");
	assert_string_equal(options.forwards[1].host, "b");
	options_free(&options);

	assert_int_equal(parse("--foreign-port pass --foreign-port refuse h",
			     &options),
	    OPTIONS_RUN);
	assert_false(options.pass_foreign_port);
	options_free(&options);
}

/* -L and -R stay in their order; either keeps the default away. */
static void
test_remote(void **state)
{
	struct options options;

	(void)state;
	assert_int_equal(parse("-R 0:a:21 -L 0:b:21 -Rftp/*:2:c:21 h",
			     &options),
	    OPTIONS_RUN);
	assert_int_equal(options.n_forwards, 3);
	assert_true(options.forwards[0].remote);
	assert_string_equal(options.forwards[0].host, "a");
	assert_false(options.forwards[1].remote);
	assert_string_equal(options.forwards[1].host, "b");
	assert_true(options.forwards[2].remote);
	assert_string_equal(options.forwards[2].bind, "*");
	assert_int_equal(options.forwards[2].port, 2);
	options_free(&options);

	assert_int_equal(parse("-R 2222:ftp.plant:21 h", &options),
	    OPTIONS_RUN);
	assert_int_equal(options.n_forwards, 1);
	assert_true(options.forwards[0].remote);
	options_free(&options);
}

static void
check_subnet(const struct subnet *subnet, const char *address,
    unsigned int bits)
{
	char text[ADDR_TEXT_MAX];

	assert_string_equal(addr_format_ip(&subnet->addr, text), address);
	assert_int_equal(subnet->bits, bits);
}

static void
test_allow(void **state)
{
	struct options options;

	(void)state;
	assert_int_equal(parse("--allow 192.0.2.0/24 --allow 2001:db8::1 "
			       "--allow ::/0 --allow=0.0.0.0/0 h",
			     &options),
	    OPTIONS_RUN);
	assert_int_equal(options.n_allow, 4);
	check_subnet(&options.allow[0], "192.0.2.0", 24);
	check_subnet(&options.allow[1], "2001:db8::1", 128);
	check_subnet(&options.allow[2], "::", 0);
	check_subnet(&options.allow[3], "0.0.0.0", 0);
	options_free(&options);
}

static void
test_policy(void **state)
{
	static const char *const bad[] = { "--deny ST h", "--deny STOR- h",
		"--deny 1STOR h", "--allow-path pub h", "--deny-path ./x h",
		"--read-only --allow-tls h", "--deny STOR --allow-tls h",
		"--allow-path /x --allow-tls h", "--rate 1023 h",
		"--rate 65G h", "--session-rate 0 h", "--rate 1.5M h" };
	struct options options;
	char deny[] = "--deny", site[] = "SITE CHMOD", md5[] = "XMD5";
	char *argv[] = { deny, deny, site, deny, md5, md5, NULL };

	(void)state;
	assert_int_equal(parse("--read-only --allow-path /pub/* "
			       "--allow-path /in/* --deny-path *.exe "
			       "--rate 1M --session-rate 512k h",
			     &options),
	    OPTIONS_RUN);
	assert_true(options.read_only);
	assert_int_equal(options.allow_path.n, 2);
	assert_string_equal(options.allow_path.texts[0], "/pub/*");
	assert_string_equal(options.allow_path.texts[1], "/in/*");
	assert_int_equal(options.deny_path.n, 1);
	assert_string_equal(options.deny_path.texts[0], "*.exe");
	assert_int_equal(options.deny.n, 0);
	assert_int_equal(options.rate, 1 << 20);
	assert_int_equal(options.session_rate, 512 << 10);
	options_free(&options);
	assert_int_equal(options_parse(6, argv, &options), OPTIONS_RUN);
	assert_int_equal(options.deny.n, 2);
	assert_string_equal(options.deny.texts[0], "SITE CHMOD");
	assert_string_equal(options.deny.texts[1], "XMD5");
	assert_int_equal(options.rate, 0);
	options_free(&options);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (parse(bad[i], &options) != OPTIONS_BAD)
			fail_msg("taken: %s", bad[i]);
		options_free(&options);
	}
}

static void
test_choices(void **state)
{
	struct options options;

	(void)state;
	assert_int_equal(parse("--server-mode passive --server-data-host reply "
			       "--client-data-host control h",
			     &options),
	    OPTIONS_RUN);
	assert_int_equal(options.server_mode, OPTIONS_PASSIVE);
	assert_true(options.server_data_host_reply);
	assert_true(options.client_data_host_control);
	options_free(&options);

	/* The last one counts. */
	assert_int_equal(parse("--server-mode passive --server-mode active "
			       "--server-data-host reply "
			       "--server-data-host control "
			       "--client-data-host control "
			       "--client-data-host command h",
			     &options),
	    OPTIONS_RUN);
	assert_int_equal(options.server_mode, OPTIONS_ACTIVE);
	assert_false(options.server_data_host_reply);
	assert_false(options.client_data_host_control);
	options_free(&options);

	assert_int_equal(parse("--server-mode active --server-mode same h",
			     &options),
	    OPTIONS_RUN);
	assert_int_equal(options.server_mode, OPTIONS_SAME);
	options_free(&options);
}

static void
test_addresses(void **state)
{
	struct options options;
	char text[ADDR_TEXT_MAX];

	(void)state;
	assert_int_equal(parse("--client-address 203.0.113.5 "
			       "--far-address 2001:db8::2 h",
			     &options),
	    OPTIONS_RUN);
	assert_string_equal(addr_format_ip(&options.client_address, text),
	    "203.0.113.5");
	assert_string_equal(options.far_address, "2001:db8::2");
	options_free(&options);

	assert_int_equal(parse("--client-address 203.0.113.5 -R *:1:h:21 "
			       "-R 2:h:21 h",
			     &options),
	    OPTIONS_RUN);
	options_free(&options);
}

static void
test_client_ports(void **state)
{
	static const struct {
		const char *line;
		uint16_t low;
		uint16_t high;
	} cases[] = {
		{ "--client-ports 50000-50099 h", 50000, 50099 },
		{ "--client-ports 1-65535 h", 1, 65535 },
		{ "--client-ports 50000-50000 h", 50000, 50000 },
		{ "--client-ports 50000 h", 50000, 50000 },
		{ "--client-ports 7-8 -R 0:a:21 -L 0:b:21 h", 7, 8 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct options options;

		assert_int_equal(parse(cases[i].line, &options), OPTIONS_RUN);
		assert_int_equal(options.client_ports_low, cases[i].low);
		assert_int_equal(options.client_ports_high, cases[i].high);
		options_free(&options);
	}
}

/* What goes to ssh, word by word and in its order. */
static void
test_for_ssh(void **state)
{
	static const struct {
		const char *line;
		const char *words;
	} cases[] = {
		{ "-F f -i i -J j -l l -p 22 -o A=b -o C=d -c c -4 -6 h",
		    "-F f -i i -J j -l l -p 22 -o A=b -o C=d -c c -4 -6" },
		{ "-Ff -p22 -oA=b h", "-F f -p 22 -o A=b" },
		{ "-4v6 h", "-4 -6" },
		{ "-vvv4v6p22 h", "-v -4 -v -6 -p 22" },
		{ "-q --batch -L 0:a:21 h", "" },
		{ "-qvF f h", "-F f" },
		{ "-o -v h", "-o -v" },
		{ "-p 22 h -4", "-p 22 -4" },
		{ "-p 22 -- h", "-p 22" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct options options;
		char words[200] = "";

		assert_int_equal(parse(cases[i].line, &options), OPTIONS_RUN);
		for (size_t n = 0; n < options.ssh_arguments.n; n++) {
			if (n > 0)
				strcat(words, " ");
			strcat(words, options.ssh_arguments.texts[n]);
		}
		assert_string_equal(words, cases[i].words);
		assert_string_equal(options.destination, "h");
		options_free(&options);
	}
}

static void
test_verbose(void **state)
{
	struct options options;

	(void)state;
	assert_int_equal(parse("-v -vv h", &options), OPTIONS_RUN);
	assert_int_equal(options.verbose, 3);
	assert_int_equal(options.ssh_arguments.n, 1);
	options_free(&options);
	assert_int_equal(parse("-vv h", &options), OPTIONS_RUN);
	assert_int_equal(options.verbose, 2);
	assert_int_equal(options.ssh_arguments.n, 0);
	options_free(&options);
}

static void
test_help(void **state)
{
	struct options options;

	(void)state;
	assert_int_equal(parse("--help", &options), OPTIONS_HELP);
	options_free(&options);
	assert_int_equal(parse("-h", &options), OPTIONS_SUMMARY);
	options_free(&options);
	assert_int_equal(parse("-v --version --nonsense", &options),
	    OPTIONS_VERSION);
	options_free(&options);
	assert_non_null(strstr(options_help()[0], "2121:localhost:21"));
	assert_non_null(strstr(options_help()[0], "  -R [ftp/]"));
}

static void
test_bad(void **state)
{
	/* Each with what its explanation must name. */
	static const struct {
		const char *line;
		const char *why;
	} bad[] = {
		{ "", "no destination" },
		{ "-v", "no destination" },
		{ "--", "no destination" },
		{ "host command", "\"command\"" },
		{ "-L", "-L needs a value" },
		{ "-vL", "-L needs a value" },
		{ "-p", "-p needs a value" },
		{ "--ssh", "--ssh needs a value" },
		{ "-x h", "unknown option -x" },
		{ "-xv h", "unknown option -x" },
		{ "-vx h", "unknown option -x" },
		{ "--nonsense h", "unknown option --nonsense" },
		{ "--batch=yes h", "--batch=yes" },
		{ "-L nonsense h", "-L nonsense: expected" },
		{ "-L 0:-h:21 h", "must not begin" },
		{ "--foreign-port maybe h", "--foreign-port maybe" },
		{ "--max-sessions 0 h", "--max-sessions 0" },
		{ "--max-sessions -1 h", "--max-sessions -1" },
		{ "--max-data 0 h", "--max-data 0" },
		{ "--max-data 5 h", "--max-data 5" },
		{ "--login-timeout never h", "--login-timeout never" },
		{ "--max-sessions many h", "--max-sessions many" },
		{ "--max-sessions 100001 h", "--max-sessions 100001" },
		{ "--links 0 h", "--links 0: expected a number from 1 to 16" },
		{ "--links 17 h", "--links 17" },
		{ "--max-window 64 h",
		    "--max-window 64: expected a size like 64M, from 128K to "
		    "1024M" },
		{ "--max-window 2G h", "--max-window 2G" },
		{ "--sftp-max-packet 1 h", "from 1K to 256K" },
		{ "--max-window 64MB h", "--max-window 64MB" },
		{ "--max-memory 1M h", "--max-memory 1M: expected" },
		{ "--max-memory 65G h", "to 65536M" },
		{ "-R", "-R needs a value" },
		{ "-R nonsense h", "-R nonsense: expected" },
		{ "-R 2222 h", "-R 2222: expected" },
		{ "-R /tmp/s:h:21 h", "Unix socket" },
		{ "--allow", "--allow needs a value" },
		{ "--allow files.test h", "--allow files.test: expected" },
		{ "--allow 192.0.2.0/33 h", "--allow 192.0.2.0/33" },
		{ "--allow 192.0.2.0/255.255.255.0 h", "192.0.2.0/24" },
		{ "--allow * h", "0.0.0.0/0" },
		{ "--allow 0.0.0.0 h", "0.0.0.0/0 is everybody" },
		{ "--allow :: h", "::/0 is everybody" },
		{ "--server-mode both h",
		    "--server-mode both: expected \"same\" or \"passive\" or "
		    "\"active\"" },
		{ "--server-data-host any h", "\"control\" or \"reply\"" },
		{ "--client-data-host reply h", "\"command\" or \"control\"" },
		{ "--foreign-port Pass h", "\"refuse\" or \"pass\"" },
		{ "--client-address nat.test h", "--client-address nat.test" },
		{ "--client-address 0.0.0.0 h", "not the address of a host" },
		{ "--client-address fe80::1%1 h", "expected an IPv4" },
		{ "--far-address files.test h", "not a name" },
		{ "--far-address :: h", "not the address of a host" },
		{ "--far-address 10.0.0.1/24 h", "--far-address 10.0.0.1/24" },
		{ "--client-ports 0 h", "--client-ports 0: expected" },
		{ "--client-ports 0-9 h", "expected LOW-HIGH" },
		{ "--client-ports 9- h", "expected LOW-HIGH" },
		{ "--client-ports -9 h", "expected LOW-HIGH" },
		{ "--client-ports 1-2-3 h", "expected LOW-HIGH" },
		{ "--client-ports 1:2 h", "expected LOW-HIGH" },
		{ "--client-ports 1-65536 h", "expected LOW-HIGH" },
		{ "--client-ports 9-8 h", "above the last" },
		{ "--client-ports 7-8 -R 0:a:21 h", "needs a -L" },
		{ "--far-address 10.0.0.1 -R 0:a:21 h", "needs a -L" },
		{ "--on-demand --link-wait 0 h", "no client waits" },
		{ "--login-file f h", "--login-file is for the clients" },
		{ "--login x h", "expected \"shared\" or \"ssh\"" },
		{ "--login ssh -L sftp/0 -R 0:a:21 h", "is for -L" },
		{ "--login ssh -R 0:a:21 h", "is for -L" },
		{ "--login ssh -L socks/0 h", "not for SOCKS clients" },
		{ "--login ssh -L sftp/0 a@h", "without \"user@\"" },
		{ "--login ssh -L sftp/0 ssh://a@h", "without \"user@\"" },
		{ "--login ssh -L sftp/0 -l a h", "not from -l" },
		{ "--login ssh -L sftp/0 --login-file f h", "two ways" },
		{ "--login ssh -L sftp/0 --links 2 h", "--links has no use" },
		{ "--login ssh -L sftp/0 --on-demand h",
		    "--on-demand has no use" },
		{ "--login-hosts x -L sftp/0 h", "it needs --login ssh" },
		{ "--login-hosts a/b --login ssh -L sftp/0 h",
		    "expected HOST or HOST:PORT" },
		{ "--remote-newline cr h",
		    "expected \"lf\" or \"crlf\" or \"none\"" },
		{ "--client-charset KLINGON h",
		    "--client-charset KLINGON: li" },
		{ "--client-charset UTF-16 h", "it does not contain ASCII" },
		{ "--login-file f -L 0:a:21 h", "it needs a -L sftp/" },
		{ "-R socks/0 h", "socks/ is for -L only" },
		{ "--any-user -L 0:a:21 -L sftp/0 h", "--login-file FILE" },
		{ "--client-address 10.0.0.1 -R 0:a:21 -L 0:a:21 h", "twice" },
		{ "-- -oProxyCommand=x", "must not begin" },
		{ "-- alice@-oProxyCommand=x", "must not begin" },
		{ "-- a@b@-x", "must not begin" },
		{ "ssh://-x", "must not begin" },
		{ "ssh://alice@-x:22", "must not begin" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct options options;

		if (parse(bad[i].line, &options) != OPTIONS_BAD)
			fail_msg("\"%s\" was taken", bad[i].line);
		if (strstr(options.why, bad[i].why) == NULL)
			fail_msg("\"%s\": %s", bad[i].line, options.why);
		options_free(&options);
	}
}

static void
test_empty_destination(void **state)
{
	char name[] = "culvert", empty[] = "";
	char *argv[] = { name, empty, NULL };
	struct options options;

	(void)state;
	assert_int_equal(options_parse(2, argv, &options), OPTIONS_BAD);
	assert_non_null(strstr(options.why, "empty"));
	options_free(&options);
}

static void
test_many_forwards(void **state)
{
	char line[2000] = "h";
	struct options options;

	(void)state;
	for (size_t i = 0; i < OPTIONS_FORWARDS_MAX; i++)
		strcat(line, " -L 0:a:21");
	assert_int_equal(parse(line, &options), OPTIONS_RUN);
	assert_int_equal(options.n_forwards, OPTIONS_FORWARDS_MAX);
	options_free(&options);
	strcat(line, " -R 0:a:21");
	assert_int_equal(parse(line, &options), OPTIONS_BAD);
	assert_non_null(strstr(options.why, "64"));
	options_free(&options);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_link_lost),
		cmocka_unit_test(test_remote),
		cmocka_unit_test(test_allow),
		cmocka_unit_test(test_policy),
		cmocka_unit_test(test_choices),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_client_ports),
		cmocka_unit_test(test_for_ssh),
		cmocka_unit_test(test_verbose),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_empty_destination),
		cmocka_unit_test(test_many_forwards),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
