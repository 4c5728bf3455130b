/*
 * ssh/cmdline.c: what is run.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/account.h"
#include "limits.h"
#include "ssh/cmdline.h"

static const char *const arguments[] = { "-p", "2222", "-oUser=a b" };

static const struct link_options first = {
	.program = "ssh",
	.arguments = arguments,
	.n_arguments = 3,
	.destination = "host",
	.directory = "/run/culvert.1",
	.find_defaults = true,
};

#define FIXED                                                      \
	"ssh|-N|-T|-a|-x|-oControlMaster=yes|-oControlPersist=no|" \
	"-oForkAfterAuthentication=no|-oRemoteCommand=none|"       \
	"-oClearAllForwardings=yes|"

static void
check(const struct cmdline *cmdline, const struct link_options *options,
    const char *expected)
{
	char **argv = cmdline_make(cmdline, options);
	char text[2048] = "";

	assert_non_null(argv);
	for (size_t i = 0; argv[i] != NULL; i++) {
		if (i > 0)
			strcat(text, "|");
		strcat(text, argv[i]);
	}
	assert_string_equal(text, expected);
	free(argv);
}

static void
test_master(void **state)
{
	struct cmdline master = { .kind = CMDLINE_MASTER };
	struct link_options percent = first;

	(void)state;
	check(&master, &first,
	    FIXED "-p|2222|-oUser=a b|-S|/run/culvert.1/ctl|--|host");
	master.ciphers = "a,b@c";
	master.timeouts = LINK_ALIVE;
	check(&master, &first,
	    FIXED "-p|2222|-oUser=a b|-S|/run/culvert.1/ctl|-oCiphers=a,b@c|"
		  "-oServerAliveInterval=15|--|host");
	master = (struct cmdline) { .kind = CMDLINE_MASTER, .link = 1 };
	check(&master, &first,
	    FIXED "-oBatchMode=yes|-p|2222|-oUser=a b|-S|"
		  "/run/culvert.1/2/ctl|--|host");
	/* All that can be there at once. */
	master.link = LIMIT_LINKS - 1;
	master.ciphers = "a";
	master.timeouts = LINK_ALIVE | LINK_CONNECT;
	check(&master, &first,
	    FIXED "-oBatchMode=yes|-p|2222|-oUser=a b|-S|"
		  "/run/culvert.1/16/ctl|-oCiphers=a|"
		  "-oServerAliveInterval=15|-oConnectTimeout=120|--|host");
	percent.directory = "/%d/c%";
	master = (struct cmdline) { .kind = CMDLINE_MASTER };
	check(&master, &percent,
	    FIXED "-p|2222|-oUser=a b|-S|/%%d/c%%/ctl|--|host");
}

static void
test_login(void **state)
{
#define LOGIN                                                              \
	"-oBatchMode=no|-oNumberOfPasswordPrompts=1|"                      \
	"-oPreferredAuthentications=keyboard-interactive,password|"        \
	"-oKbdInteractiveAuthentication=yes|-oPasswordAuthentication=yes|" \
	"-oPubkeyAuthentication=no|-oGSSAPIAuthentication=no|"             \
	"-oHostbasedAuthentication=no|-oIdentityAgent=none|"               \
	"-oStrictHostKeyChecking=yes|-oUpdateHostKeys=no|"                 \
	"-oPermitLocalCommand=no|"
	struct account account = { .user = "alice" };
	struct cmdline login = {
		.kind = CMDLINE_LOGIN,
		.link = LIMIT_SSH_LOGINS,
		.account = &account,
		.ciphers = "a",
		.timeouts = LINK_ALIVE | LINK_CONNECT,
	};

	(void)state;
	check(&login, &first,
	    FIXED LOGIN "-l|alice|-p|2222|-oUser=a b|-S|"
			"/run/culvert.1/257/ctl|-oCiphers=a|"
			"-oServerAliveInterval=15|-oConnectTimeout=120|--|"
			"host");
	strcpy(account.host, "other");
	account.port = 65535;
	login.ciphers = NULL;
	login.timeouts = 0;
	check(&login, &first,
	    FIXED LOGIN "-l|alice|-oPort=65535|-p|2222|-oUser=a b|-S|"
			"/run/culvert.1/257/ctl|--|other");
}

static void
test_questions(void **state)
{
	const struct cmdline configured = { .kind = CMDLINE_CONFIGURED };
	const struct cmdline own = { .kind = CMDLINE_OWN };
	struct link_options batch = first;

	(void)state;
	check(&configured, &first, FIXED "-p|2222|-oUser=a b|-G|--|host");
	check(&own, &first, "ssh|-F|none|-oBatchMode=no|-G|--|host.invalid");
	batch.batch = true;
	check(&configured, &batch,
	    FIXED "-oBatchMode=yes|-p|2222|-oUser=a b|-G|--|host");
	check(&own, &batch, "ssh|-F|none|-oBatchMode=yes|-G|--|host.invalid");
}

static void
test_link_options(void **state)
{
	char directory[CMDLINE_DIRECTORY_MAX] = "";
	struct link_options options =
	    cmdline_link_options(&first, 0, directory);

	(void)state;
	assert_string_equal(options.directory, "/run/culvert.1");
	assert_true(options.find_defaults && !options.apart && !options.batch);
	assert_int_equal(options.number, 0);
	options = cmdline_link_options(&first, 3, directory);
	assert_string_equal(options.directory, "/run/culvert.1/4");
	assert_true(options.apart && options.batch && options.quiet);
	assert_false(options.find_defaults);
	assert_int_equal(options.number, 3);
}

static void
test_path(void **state)
{
	char path[CMDLINE_PATH_MAX], directory[200];
	const struct cmdline master = { .kind = CMDLINE_MASTER };
	struct link_options options = first;

	(void)state;
	assert_int_equal(cmdline_path("/a", path), 0);
	assert_string_equal(path, "/a/ctl");
	memset(directory, 'x', sizeof(directory));
	directory[CMDLINE_PATH_MAX - 5] = '\0';
	assert_int_equal(cmdline_path(directory, path), 0);
	directory[CMDLINE_PATH_MAX - 5] = 'x';
	directory[CMDLINE_PATH_MAX - 4] = '\0';
	assert_int_equal(cmdline_path(directory, path), -ENAMETOOLONG);
	options.directory = directory;
	assert_null(cmdline_make(&master, &options));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_master),
		cmocka_unit_test(test_login),
		cmocka_unit_test(test_questions),
		cmocka_unit_test(test_link_options),
		cmocka_unit_test(test_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
