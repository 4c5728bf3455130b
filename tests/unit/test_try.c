/*
 * ssh/try.c with the real ssh -G, and with programs in its place.
 */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "helpers.h"
#include "limits.h"
#include "ssh/try.h"

#define WHERE_MAX 4096

struct env {
	char directory[64];
	char program[80]; /* in place of ssh */
	char config[80];
	char record[80]; /* what the program writes */
	char config_argument[96];
	const char *arguments[2];
	struct link_options options;
	char where[WHERE_MAX];
	char why[2 * LOG_ESCAPED_MAX];
};

static int
set_up(void **state)
{
	struct env *env = calloc(1, sizeof(*env));

	strcpy(env->directory, "/tmp/culvert-test-XXXXXX");
	assert_non_null(mkdtemp(env->directory));
	snprintf(env->program, sizeof(env->program), "%s/ssh", env->directory);
	snprintf(env->config, sizeof(env->config), "%s/config", env->directory);
	snprintf(env->record, sizeof(env->record), "%s/record", env->directory);
	snprintf(env->config_argument, sizeof(env->config_argument), "-F%s",
	    env->config);
	env->arguments[0] = env->config_argument;
	env->options = (struct link_options) {
		.program = "ssh",
		.arguments = env->arguments,
		.n_arguments = 1,
		.destination = "far",
	};
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
write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void
read_record(const struct env *env, char *text, size_t size)
{
	FILE *file = fopen(env->record, "r");

	assert_non_null(file);
	text[fread(text, 1, size - 1, file)] = '\0';
	fclose(file);
}

/* From now on a script takes the place of ssh; what it writes to descriptor 3
 * is the record.  In bash, because dash clears the signal mask. */
static void
make_program(struct env *env, const char *does)
{
	char text[1024];

	snprintf(text, sizeof(text), "#!/bin/bash\nexec 3>%s\n%s\n",
	    env->record, does);
	write_file(env->program, text);
	assert_int_equal(chmod(env->program, 0755), 0);
	env->options.program = env->program;
}

static int
try(struct env *env)
{
	memset(env->where, 'x', sizeof(env->where));
	memset(env->why, 'x', sizeof(env->why));
	return ssh_try(&env->options, env->where, sizeof(env->where), env->why,
	    sizeof(env->why));
}

/* It is not accepted, and why is "PROGRAM -G: " and these words. */
static void
check_refused(struct env *env, const char *words)
{
	char why[sizeof(env->why)];

	assert_int_equal(try(env), -EINVAL);
	snprintf(why, sizeof(why), "%s -G: %s", env->options.program, words);
	assert_string_equal(env->why, why);
}

/* ---- the real ssh ---- */

static void
test_where_has_host_port_proxy(void **state)
{
	struct env *env = *state;

	write_file(env->config,
	    "Host far\nHostName far.invalid\nPort 2222\nUser me\n"
	    "Host by-jump\nHostName b.invalid\nProxyJump j.invalid\n"
	    "Host by-command\nHostName c.invalid\nProxyCommand nc %h 1\n");
	assert_int_equal(try(env), 0);
	assert_string_equal(env->where, "hostname far.invalid\nport 2222\n");
	env->options.destination = "by-jump";
	assert_int_equal(try(env), 0);
	assert_string_equal(env->where,
	    "hostname b.invalid\nport 22\nproxyjump j.invalid\n");
	env->options.destination = "by-command";
	assert_int_equal(try(env), 0);
	assert_string_equal(env->where,
	    "hostname c.invalid\nport 22\nproxycommand nc %h 1\n");
}

static void
test_where_of_two_names_of_a_server(void **state)
{
	struct env *env = *state;
	char first[WHERE_MAX];

	write_file(env->config,
	    "Host far\nUser one\nHost near\nUser two\nCompression yes\n"
	    "Host *\nHostName same.invalid\n");
	assert_int_equal(try(env), 0);
	strcpy(first, env->where);
	env->options.destination = "someone@near";
	assert_int_equal(try(env), 0);
	assert_string_equal(env->where, first);
	env->arguments[1] = "-p2222";
	env->options.n_arguments = 2;
	assert_int_equal(try(env), 0);
	assert_string_not_equal(env->where, first);
}

static void
test_where_is_cut_to_its_size(void **state)
{
	struct env *env = *state;

	write_file(env->config, "HostName far.invalid\n");
	memset(env->where, 'x', sizeof(env->where));
	assert_int_equal(ssh_try(&env->options, env->where, 12, env->why,
			     sizeof(env->why)),
	    0);
	assert_string_equal(env->where, "hostname fa");
	for (size_t i = 12; i < sizeof(env->where); i++)
		assert_int_equal(env->where[i], 'x');
}

static void
test_unknown_option_is_refused(void **state)
{
	struct env *env = *state;

	write_file(env->config, "");
	env->arguments[1] = "-oNoSuchOption=yes";
	env->options.n_arguments = 2;
	check_refused(env,
	    "command-line: line 0: Bad configuration option: nosuchoption");
}

/* ---- programs ---- */

static void
test_last_line_is_why_and_escaped(void **state)
{
	struct env *env = *state;

	make_program(env,
	    "echo first; printf 'second\\033[2J\\r\\n\\r\\n' >&2; exit 1");
	check_refused(env, "second\\x1b[2J");
	make_program(env, "printf 'no newline'; exit 255");
	check_refused(env, "no newline");
	make_program(env, "exit 1");
	check_refused(env, "");
}

static void
test_why_is_cut_to_its_size(void **state)
{
	struct env *env = *state;
	char why[8];

	make_program(env, "echo long words; exit 1");
	memset(why, 'x', sizeof(why));
	assert_int_equal(ssh_try(&env->options, env->where, sizeof(env->where),
			     why, sizeof(why) - 1),
	    -EINVAL);
	assert_memory_equal(why, env->program, sizeof(why) - 2);
	assert_int_equal(why[sizeof(why) - 2], '\0');
	assert_int_equal(why[sizeof(why) - 1], 'x');
}

static void
test_end_by_a_signal_is_a_refusal(void **state)
{
	struct env *env = *state;

	make_program(env, "echo words; kill -9 $$");
	check_refused(env, "words");
}

static void
test_missing_program_is_named(void **state)
{
	struct env *env = *state;

	/* valgrind does not report that an exec() has failed. */
	if (getenv("UNDER_VALGRIND") != NULL)
		skip();
	env->options.program = "/no/such/ssh";
	assert_int_equal(try(env), -ENOENT);
	assert_string_equal(env->why,
	    "cannot run /no/such/ssh: No such file or directory");
}

static void
test_endless_program_is_killed(void **state)
{
	struct env *env = *state;
	char pid[16];

	make_program(env, "echo $$ >&3; echo words; exec sleep 1000");
	check_refused(env, "it does not end");
	read_record(env, pid, sizeof(pid));
	assert_int_equal(kill((pid_t)atol(pid), 0), -1);
	assert_int_equal(errno, ESRCH);
}

static void
test_program_gets_default_signals_and_no_input(void **state)
{
	struct env *env = *state;
	sigset_t usr1, before;
	char text[8192], *ignored;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, &before);
	make_program(env,
	    "cat /proc/self/status >&3; readlink /proc/self/fd/0 >&3");
	assert_int_equal(try(env), 0);
	sigprocmask(SIG_SETMASK, &before, NULL);
	signal(SIGPIPE, SIG_DFL);
	read_record(env, text, sizeof(text));
	assert_non_null(strstr(text, "\nSigBlk:\t0000000000000000\n"));
	ignored = strstr(text, "\nSigIgn:");
	assert_non_null(ignored);
	ignored += strlen("\nSigIgn:");
	/* glibc ignores two signals of its own, 32 and 33. */
	assert_int_equal(strtoul(ignored, NULL, 16) & 0x7fffffff, 0);
	assert_non_null(strstr(text, "\n/dev/null\n"));
}

static void
test_program_gets_the_options_of_a_first_link(void **state)
{
	struct env *env = *state;
	char text[4096], words[256];

	make_program(env, "printf '<%s>' \"$@\" >&3");
	assert_int_equal(try(env), 0);
	read_record(env, text, sizeof(text));
	assert_non_null(strstr(text, "<-G>"));
	snprintf(words, sizeof(words), "<%s>", env->config_argument);
	assert_non_null(strstr(text, words));
	assert_string_equal(text + strlen(text) - strlen("<--><far>"),
	    "<--><far>");
}

/* ---- what it leaves ---- */

static size_t
count_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(directory);
	while (readdir(directory) != NULL)
		n++;
	closedir(directory);
	return n;
}

static void
test_no_descriptor_and_no_process_is_left(void **state)
{
	static const char *const programs[] = { "exit 0", "exit 1" };
	struct env *env = *state;
	size_t before = count_descriptors();

	for (size_t i = 0; i < 2; i++) {
		make_program(env, programs[i]);
		assert_int_equal(try(env), i == 0 ? 0 : -EINVAL);
	}
	assert_int_equal(count_descriptors(), before);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void
test_other_children_are_not_reaped(void **state)
{
	struct env *env = *state;
	siginfo_t info;
	int status;
	pid_t other = fork();

	if (other == 0)
		_exit(7);
	assert_int_equal(waitid(P_PID, (id_t)other, &info, WEXITED | WNOWAIT),
	    0);
	make_program(env, "exit 0");
	assert_int_equal(try(env), 0);
	assert_int_equal(waitpid(other, &status, 0), other);
	assert_int_equal(WEXITSTATUS(status), 7);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_where_has_host_port_proxy),
		TEST(test_where_of_two_names_of_a_server),
		TEST(test_where_is_cut_to_its_size),
		TEST(test_unknown_option_is_refused),
		TEST(test_last_line_is_why_and_escaped),
		TEST(test_why_is_cut_to_its_size),
		TEST(test_end_by_a_signal_is_a_refusal),
		TEST(test_missing_program_is_named),
		TEST(test_endless_program_is_killed),
		TEST(test_program_gets_default_signals_and_no_input),
		TEST(test_program_gets_the_options_of_a_first_link),
		TEST(test_no_descriptor_and_no_process_is_left),
		TEST(test_other_children_are_not_reaped),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
