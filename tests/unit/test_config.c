/*
 * Configuration files: what they say, where it comes from, and what is wrong
 * with them.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf/config.h"
#include "helpers.h"
#include "limits.h"

struct env {
	char directory[64];
	char path[96]; /* of c, in it */
	char why[SETTINGS_WHY_MAX];
};

static int
set_up(void **state)
{
	struct env *env = calloc(1, sizeof(*env));

	strcpy(env->directory, "/tmp/culvert-test-XXXXXX");
	assert_non_null(mkdtemp(env->directory));
	snprintf(env->path, sizeof(env->path), "%s/c", env->directory);
	*state = env;
	return 0;
}

static int
tear_down(void **state)
{
	struct env *env = *state;

	remove_directory(env->directory);
	free(env);
	return 0;
}

static void
write_file(const struct env *env, const char *name, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", env->directory, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, 0644), 0);
}

static void
read_well(struct env *env, const char *text, struct config *ret)
{
	write_file(env, "c", text);
	if (config_read(env->path, ret, env->why) != 0)
		fail_msg("%s", env->why);
}

/* Every kind of value, in a tunnel's section and in [defaults]. */
static void
test_values(void **state)
{
	struct config config;
	const struct options *options;

	read_well(*state,
	    "; a comment\n"
	    "# another\n"
	    "[defaults]\n"
	    "allow-tls = yes\n"
	    "max-data = 3\n"
	    "max-memory = 64M\n"
	    "keepalive = 30\n"
	    "o = Compression=no\n"
	    "allow = 192.0.2.0/24\n"
	    "user = ftp\n"
	    "v = yes\n"
	    "[tunnel plant-1]\n"
	    "destination = alice@files.test\n"
	    "L = 2121:localhost:21\n"
	    "    2122:[2001:db8::1]:21\n"
	    "R = 0:10.0.0.1:21\n"
	    "[tunnel bank]\n"
	    "  destination = ssh://bank.test:2222\n"
	    "L = *:2123:localhost:21\n"
	    "allow-tls = no\n"
	    "foreign-port = pass\n"
	    "server-mode = active\n"
	    "retry = 3\n"
	    "o = Compression=yes\n"
	    "o = ProxyCommand=ssh -W %h:%p jump\n"
	    "i = ~/.ssh/bank\n"
	    "4 = yes\n"
	    "6 = no\n"
	    "allow = 198.51.100.7\n"
	    "allow = 2001:db8::/32\n",
	    &config);
	assert_int_equal(config.n_tunnels, 2);
	assert_string_equal(config.process.user, "ftp");
	assert_int_equal(config.process.verbose, 1);
	assert_null(config_find(&config, "plant"));

	assert_ptr_equal(config_find(&config, "plant-1"), &config.tunnels[0]);
	options = &config.tunnels[0].options;
	assert_string_equal(options->destination, "alice@files.test");
	assert_int_equal(options->n_forwards, 3);
	assert_int_equal(options->forwards[1].port, 2122);
	assert_string_equal(options->forwards[1].host, "2001:db8::1");
	assert_false(options->forwards[1].remote);
	assert_true(options->forwards[2].remote);
	assert_true(options->allow_tls);
	assert_int_equal(options->max_data, 3);
	assert_int_equal(options->max_memory, 64 << 20);
	assert_int_equal(options->keepalive_ms, 30000);
	assert_int_equal(options->n_allow, 1);
	assert_int_equal(options->ssh_arguments.n, 2); /* -o and its value */
	assert_false(options->retry_given);
	assert_int_equal(options->max_lines, LIMIT_LINES);

	options = &config.tunnels[1].options;
	assert_string_equal(options->destination, "ssh://bank.test:2222");
	assert_string_equal(options->forwards[0].bind, "*");
	assert_false(options->allow_tls);
	assert_true(options->pass_foreign_port);
	assert_int_equal(options->server_mode, OPTIONS_ACTIVE);
	assert_int_equal(options->retry, 3);
	assert_int_equal(options->n_allow, 2);
	assert_int_equal(options->ssh_arguments.n, 7);
	assert_string_equal(options->ssh_arguments.texts[0], "-4");
	assert_string_equal(options->ssh_arguments.texts[2], "~/.ssh/bank");
	assert_string_equal(options->ssh_arguments.texts[4], "Compression=yes");
	assert_string_equal(options->ssh_arguments.texts[6],
	    "ProxyCommand=ssh -W %h:%p jump");
	config_free(&config);
}

/* "FILE:LINE: what"; a line of "" is the text's end. */
static void
test_wrong(void **state)
{
#define GOOD "[tunnel a]\ndestination = h\nL = 2121:localhost:21\n"
	static const struct {
		const char *text;
		const char *why;
	} wrong[] = {
		{ "", "c: contains no [tunnel NAME]" },
		{ "[defaults]\nallow-tls = yes\n", "no [tunnel NAME]" },
		{ GOOD "alow-tls = yes\n",
		    "c:4: there is no \"alow-tls\"; did you mean \"allow-tls\"?" },
		{ GOOD "destinaton = h\n", "did you mean \"destination\"?" },
		{ "[defaults]\nmax-dat = 2\n" GOOD,
		    "c:2: there is no \"max-dat\"; did you mean \"max-data\"?" },
		{ GOOD "allow-tls = maybe\n",
		    "c:4: allow-tls = maybe: expected \"no\" or \"yes\"" },
		{ GOOD "max-data = 5\n",
		    "c:4: max-data = 5: expected a number from 1 to 4" },
		{ GOOD "4 = maybe\n", "c:4: 4 = maybe: expected" },
		{ GOOD "L = nonsense\n", "c:4: L = nonsense: expected" },
		{ GOOD "allow-tls = no\nallow-tls = yes\n",
		    "c:5: duplicate \"allow-tls\"; the first is at " },
		{ GOOD "user = ftp\n", "c:4: \"user\" applies to all tunnels" },
		/* A comment, or a part of the value? */
		{ GOOD "rate = 2M ; slow\n",
		    "c:4: a comment must stand on its own line" },
		{ GOOD "rate = 2M # slow\n",
		    "c:4: a comment must stand on its own line" },
		{ GOOD "    2122:localhost:21\t# the other\n",
		    "c:4: a comment must stand on its own line" },
		{ GOOD "o = ProxyCommand=a ; b\n",
		    "c:4: a comment must stand on its own line" },
		{ "[tunnel a] ; the first\ndestination = h\nL = 1:h:21\n",
		    "c:1: there is text after \"]\"; a comment must" },
		{ "[tunnel a]x = y\ndestination = h\nL = 1:h:21\n",
		    "c:1: there is text after \"]\"" },
		{ GOOD "ssh = \"/usr/bin/ssh\"\n",
		    "c:4: ssh = \"/usr/bin/ssh\": the quotes would be" },
		{ "[tunnel a]\ndestination = h#x\nL = 1:h:21\n",
		    "c:2: the destination \"h#x\": expected" },
		{ GOOD "J = one two\n", "c:4: J = one two: expected one word" },
		{ GOOD "user =\n", "c:4: \"user\" has no value" },
		{ GOOD "ssh =   \n", "c:4: \"ssh\" has no value" },
		{ GOOD "ssh = a\rb\n", "c:4: a control character (0x0d)" },
		{ GOOD "ssh = a\x1b[31m\n", "c:4: a control character" },
		{ GOOD "ssh = a\xc2\xa0\n", "c:4: a no-break space" },
		{ "[tunnel a]\ndestination = h x\nL = 1:h:21\n",
		    "c:2: the destination \"h x\": expected" },
		{ "[tunnel a]\ndestination = h;x\nL = 1:h:21\n",
		    "c:2: the destination \"h;x\": expected" },
		{ GOOD "L = 2122:local host:21\n", "c:4: L = 2122:local host" },
		/* An indented section is one, and so is a key. */
		{ GOOD "i = x\n  [tunel b]\n", "c:5: [tunel b]: expected" },
		{ GOOD "i = x\n  ssh =\n", "c:5: \"ssh\" has no value" },
		{ GOOD "help = yes\n", "c:4: there is no \"help\"" },
		{ GOOD "[tunnel a]\n", "c:4: duplicate [tunnel a]" },
		{ GOOD "[tunnel  a]\n", "c:4: duplicate [tunnel a]" },
		{ GOOD "[tunel b]\n",
		    "c:4: [tunel b]: expected [defaults], [tunnel NAME] or [rule NAME]" },
		{ GOOD "[tunnel]\n", "c:4: [tunnel]: expected" },
		{ GOOD "[tunnel ]\n", "c:4: the tunnel's name \"\"" },
		{ GOOD "[tunnel a b]\n", "c:4: the tunnel's name \"a b\"" },
		{ GOOD "[tunnel -v]\n", "c:4: the tunnel's name \"-v\"" },
		{ GOOD "[tunnel 123456789012345678901234567890123]\n",
		    "at most 32" },
		{ GOOD "[tunnel 1234567890123456789012345678901234567890123]\n",
		    "c:4: the section's name is too long" },
		{ GOOD "nonsense\n",
		    "c:4: neither \"[section]\" nor \"key = value\"" },
		{ GOOD "[tunnel b\n", "c:4: neither" },
		{ "allow-tls = yes\n" GOOD,
		    "c:1: \"allow-tls\" is before the first section" },
		{ GOOD "include = other\n", "c:4: there is no \"include\"" },
		{ "[tunnel a]\nL = 0:h:21\n",
		    "c:1: [tunnel a] has no destination" },
		{ "[tunnel a]\n", "c:1: [tunnel a] has no destination" },
		{ "[tunnel a]\ndestination = h\n",
		    "c:1: [tunnel a] has neither L nor R" },
		{ "[tunnel a]\ndestination = -oProxyCommand=x\nL = 0:h:21\n",
		    "c:2: the destination \"-oProxyCommand=x\": a host must" },
		{ "[tunnel a]\ndestination =\nL = 0:h:21\n",
		    "c:2: \"destination\" has no value" },
		{ "[tunnel a]\ndestination = h\nR = 0:h:21\non-demand = yes\n",
		    "c:1: [tunnel a]: --on-demand" },
	};
	struct env *env = *state;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct config config;

		write_file(env, "c", wrong[i].text);
		if (config_read(env->path, &config, env->why) == 0)
			fail_msg("taken: %s", wrong[i].text);
		if (strstr(env->why, wrong[i].why) == NULL)
			fail_msg("%s: %s", wrong[i].text, env->why);
		config_free(&config);
	}
#undef GOOD
}

/* Files of Windows, and of people who indent. */
static void
test_shapes(void **state)
{
	static const char *const texts[] = {
		"\xef\xbb\xbf[tunnel a]\r\ndestination = h\r\ni = x\r\n"
		"L = 2121:localhost:21\r\n",
		"  [tunnel a]\n  destination = h \t\n  i = x  \n"
		"  L = 2121:localhost:21\n",
		"\t[tunnel a]\n\tdestination\t=\th\n\n\ti=x\n"
		"  # a comment\n\t; and another ; one\n"
		"\tL = 2121:localhost:21",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const struct options *options;
		struct config config;

		read_well(*state, texts[i], &config);
		assert_int_equal(config.n_tunnels, 1);
		options = &config.tunnels[0].options;
		assert_string_equal(options->destination, "h");
		assert_int_equal(options->ssh_arguments.n, 2);
		assert_string_equal(options->ssh_arguments.texts[1], "x");
		assert_int_equal(options->n_forwards, 1);
		config_free(&config);
	}
}

/* What an editor has saved as UTF-16. */
static void
test_nul(void **state)
{
	static const char text[] = "[tunnel a]\ndestination = h\0x\n";
	struct env *env = *state;
	struct config config;
	FILE *file = fopen(env->path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, sizeof(text) - 1, file),
	    sizeof(text) - 1);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(env->path, 0644), 0);
	assert_int_not_equal(config_read(env->path, &config, env->why), 0);
	assert_non_null(strstr(env->why, "c:2: a NUL byte"));
	config_free(&config);
}

static void
test_long_line(void **state)
{
	struct env *env = *state;
	struct config config;
	char text[1000];

	memset(text, 'x', sizeof(text) - 1);
	memcpy(text, "[tunnel a]\no = ", 15);
	text[sizeof(text) - 1] = '\0';
	write_file(env, "c", text);
	assert_int_not_equal(config_read(env->path, &config, env->why), 0);
	assert_non_null(strstr(env->why, "c:2: a line has at most 198 bytes"));
	config_free(&config);
}

/* Where a value comes from is its own file; a pattern may match nothing. */
static void
test_include(void **state)
{
	struct env *env = *state;
	struct config config;
	const struct setting *setting;

	write_file(env, "one.conf",
	    "[tunnel one]\ndestination = one\nL = 1:h:21\n");
	write_file(env, "two.conf",
	    "\n\n[tunnel two]\ndestination = two\nL = 2:h:21\n");
	read_well(env,
	    "include = none-*.conf\ninclude = *.conf\n"
	    "[tunnel three]\ndestination = three\nL = 3:h:21\n",
	    &config);
	assert_int_equal(config.n_tunnels, 3);
	assert_int_equal(config.settings.n_files, 3);
	setting = config_find(&config, "two")->settings[0];
	assert_string_equal(setting->value, "two");
	assert_int_equal(setting->line, 4);
	assert_non_null(strstr(setting->file, "/two.conf"));
	config_free(&config);

	write_file(env, "two.conf", "[tunnel two]\n\nnonsense = 1\n");
	assert_int_not_equal(config_read(env->path, &config, env->why), 0);
	assert_non_null(strstr(env->why, "/two.conf:3: there is no"));
	config_free(&config);

	write_file(env, "c", "include = none.conf\n");
	assert_int_not_equal(config_read(env->path, &config, env->why), 0);
	assert_non_null(strstr(env->why, "cannot open "));
	assert_non_null(strstr(env->why, "/none.conf: No such file"));
	config_free(&config);

	write_file(env, "c", "include = c\n");
	assert_int_not_equal(config_read(env->path, &config, env->why), 0);
	assert_non_null(strstr(env->why, "c:1: more than 8 files, each"));
	config_free(&config);
}

static void
test_unreadable(void **state)
{
	struct env *env = *state;
	struct config config;

	assert_int_not_equal(config_read(env->path, &config, env->why), 0);
	assert_non_null(strstr(env->why, "/c: No such file"));
	config_free(&config);
	assert_int_not_equal(config_read(env->directory, &config, env->why), 0);
	assert_non_null(strstr(env->why, "Is a directory"));
	config_free(&config);
	write_file(env, "c", "[tunnel a]\n");
	assert_int_equal(chmod(env->path, 0666), 0);
	assert_int_not_equal(config_read(env->path, &config, env->why), 0);
	assert_non_null(strstr(env->why, "chmod go-w "));
	config_free(&config);
}

/* What is shared, and what a change is. */
static void
test_same(void **state)
{
	struct config config;
	const struct config_tunnel *a, *b, *c;

	read_well(*state,
	    "[defaults]\no = Compression=no\n"
	    "[tunnel a]\ndestination = h\nL = 1:h:21\n"
	    "[tunnel b]\nL = 1:h:21\no = Compression=no\ndestination = h\n"
	    "allow-tls = yes\n"
	    "[tunnel c]\nL = 1:h:21\ndestination = h\nlinks = 2\n",
	    &config);
	a = config_find(&config, "a");
	b = config_find(&config, "b");
	c = config_find(&config, "c");
	assert_true(config_same(a, b, OPTION_LINK));
	assert_false(config_same(a, b, OPTION_TUNNEL));
	assert_false(config_same(a, c, OPTION_LINK));
	assert_true(config_same(a, c, OPTION_TUNNEL));
	assert_true(config_same(b, c, OPTION_PROCESS));
	config_free(&config);
}

/* As bytes and back. */
static void
test_bytes(void **state)
{
	struct env *env = *state;
	struct config config, again;
	struct settings settings;
	size_t len;
	char *bytes;

	write_file(env, "a.conf", "[tunnel b]\ndestination = b\nL = 2:h:21\n");
	read_well(env,
	    "include = a.conf\n[defaults]\nallow-tls = yes\n"
	    "[tunnel a]\ndestination = h\nL = 1:h:21\n",
	    &config);
	bytes = settings_write(&config.settings, &len);
	assert_non_null(bytes);
	assert_int_equal(settings_parse(bytes, len, &settings), 0);
	assert_int_equal(config_make(&settings, &again, env->why), 0);
	assert_int_equal(again.n_tunnels, 2);
	assert_int_equal(again.settings.n, config.settings.n);
	assert_int_equal(again.settings.n_files, 2);
	for (size_t i = 0; i < config.settings.n; i++) {
		const struct setting *a = &config.settings.list[i];
		const struct setting *b = &again.settings.list[i];

		assert_string_equal(a->section, b->section);
		assert_int_equal(a->key == NULL, b->key == NULL);
		if (a->key != NULL)
			assert_string_equal(a->value, b->value);
		assert_string_equal(a->file, b->file);
		assert_int_equal(a->line, b->line);
	}
	assert_true(
	    config_same(&config.tunnels[1], &again.tunnels[1], OPTION_LINK));
	config_free(&again);
	for (size_t cut = 1; cut < len; cut++) {
		int err = settings_parse(bytes, len - cut, &settings);

		assert_true(err == 0 || err == -EINVAL);
		settings_free(&settings);
	}
	assert_int_equal(settings_parse("a\0b\0c\0d\0x\0", 10, &settings),
	    -EINVAL);
	settings_free(&settings);
	free(bytes);
	config_free(&config);
}

#define LAN "[tunnel lan]\ndestination = h\nL = 2121\ncapture = tproxy\n"

/* Rules, and the tunnels that capture. */
static void
test_rules(void **state)
{
	static const struct {
		const char *text;
		const char *why; /* "": it is right */
	} cases[] = {
		{ LAN "[rule a]\nmatch-host = 10.0.0.0/8\naction = tunnel lan\n"
		      "[rule b]\naction = refuse\n",
		    "" },
		{ LAN "[rule a]\nmatch-port = 21\n",
		    "c:5: [rule a] has no action" },
		{ LAN "[rule a]\naction = direct\naction = refuse\n",
		    "duplicate \"action\"; the first is at " },
		{ LAN "[rule a]\naction = tunnel nowhere\n",
		    "c:6: action = tunnel nowhere: there is no [tunnel "
		    "nowhere]" },
		{ LAN "[rule a]\naction = sftp lan\n",
		    "[tunnel lan] has no L = sftp/..." },
		{ LAN "[tunnel g]\ndestination = h\nL = sftp/1\n"
		      "[rule a]\naction = sftp g\n",
		    "without a password" },
		{ LAN "[tunnel g]\ndestination = h\nR = 0:h:21\n"
		      "[rule a]\naction = tunnel g\n",
		    "[tunnel g] has no L to an FTP server" },
		{ LAN "[rule a]\naction = direct\n[rule b]\nmatch-port = 21\n"
		      "action = refuse\n",
		    "c:7: [rule b] is never used: [rule a] before it" },
		{ LAN "[rule a]\naction = direct\n[rule a]\naction = refuse\n",
		    "duplicate [rule a]; the first is at " },
		{ LAN "[rule -a]\naction = direct\n",
		    "the rule's name \"-a\"" },
		{ LAN "[rule a]\nmatch-user = \"x\"\naction = direct\n",
		    "the quotes would be part of the value" },
		{ "[tunnel a]\ndestination = h\nL = 2121\n"
		  "capture = redirect\n",
		    "\"capture = redirect\" needs \"client-ports\"" },
		{ "[tunnel a]\ndestination = h\nL = 2121\ncapture = yes\n",
		    "expected \"redirect\" or \"tproxy\"" },
		{ "[tunnel a]\ndestination = h\nL = 2121:h:21\n"
		  "capture = tproxy\n",
		    "expected [bind_address:]port" },
		{ "[tunnel a]\ndestination = h\nL = 0\ncapture = tproxy\n",
		    "with a port from 1" },
		{ "[tunnel a]\ndestination = h\nR = 1:h:21\n"
		  "capture = tproxy\n",
		    "\"capture\" is for L" },
		{ "[tunnel a]\ndestination = h\nL = [::1]:21\n"
		  "capture = tproxy\nclient-address = 1.2.3.4\n",
		    "\"client-address\" cannot be used" },
	};
	struct env *env = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config config;

		write_file(env, "c", cases[i].text);
		env->why[0] = '\0';
		config_read(env->path, &config, env->why);
		if (strstr(env->why, cases[i].why) == NULL ||
		    (*cases[i].why == '\0' && *env->why != '\0'))
			fail_msg("%s: %s", cases[i].text, env->why);
		config_free(&config);
	}
}

static void
test_default_path(void **state)
{
	struct env *env = *state;
	char path[256], own[256];

	setenv("XDG_CONFIG_HOME", env->directory, 1);
	setenv("HOME", env->directory, 1);
	assert_string_equal(config_default_path(path, sizeof(path)),
	    "/etc/culvert/culvert.conf");
	snprintf(own, sizeof(own), "%s/culvert", env->directory);
	assert_int_equal(mkdir(own, 0755), 0);
	write_file(env, "culvert/culvert.conf", "");
	strcat(own, "/culvert.conf");
	assert_string_equal(config_default_path(path, sizeof(path)), own);
	unsetenv("XDG_CONFIG_HOME");
	assert_string_equal(config_default_path(path, sizeof(path)),
	    "/etc/culvert/culvert.conf");
	snprintf(own, sizeof(own), "%s/.config", env->directory);
	assert_int_equal(mkdir(own, 0755), 0);
	strcat(own, "/culvert");
	assert_int_equal(mkdir(own, 0755), 0);
	write_file(env, ".config/culvert/culvert.conf", "");
	strcat(own, "/culvert.conf");
	assert_string_equal(config_default_path(path, sizeof(path)), own);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_values),
		TEST(test_wrong),
		TEST(test_shapes),
		TEST(test_nul),
		TEST(test_long_line),
		TEST(test_include),
		TEST(test_unreadable),
		TEST(test_same),
		TEST(test_bytes),
		TEST(test_rules),
		TEST(test_default_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
