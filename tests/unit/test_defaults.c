/*
 * ssh/defaults.c: what the real ssh -G says of configurations, and programs
 * that are no ssh; and what the link makes of it.  No server is needed: the
 * program of these links writes its arguments to a file instead of connecting.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "helpers.h"
#include "limits.h"
#include "monitor_life.h"
#include "ssh/ciphers.h"
#include "ssh/link.h"
#include "ssh/defaults.h"
#include "ssh/monitor.h"

#define WATCHDOG_MS 60000
#define MORE_MAX 4

struct env {
	uv_loop_t loop;
	uv_timer_t watchdog;
	char directory[64];
	char program[80];
	char record[80]; /* what the program writes */
	char config[80];
	char config_argument[96]; /* -F */
	const char *arguments[1 + MORE_MAX];
	struct link_options options;
	struct monitor *monitor;
	struct defaults *defaults;
	unsigned int done;
	bool has_list;
	bool alive;
	bool connect;
	char list[LIMIT_SSH_CIPHERS];
	char why[4096];
	unsigned int down;
};

static void
write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/* The program does this, as a shell, for -G ... */
static void
make_program(struct env *env, const char *for_question)
{
	char text[1024];

	snprintf(text, sizeof(text),
	    "#!/bin/sh\n"
	    "for word; do case $word in -G) %s;; esac; done\n"
	    "printf '%%s\\n' \"$@\" >%s\n" /* ... and else this */
	    "exit 9\n",
	    for_question, env->record);
	write_file(env->program, text);
	assert_int_equal(chmod(env->program, 0755), 0);
}

static int
set_up(void **state)
{
	struct env *env = calloc(1, sizeof(*env));

	signal(SIGPIPE, SIG_IGN);
	uv_loop_init(&env->loop);
	uv_timer_init(&env->loop, &env->watchdog);
	strcpy(env->directory, "/tmp/culvert-test-XXXXXX");
	assert_non_null(mkdtemp(env->directory));
	snprintf(env->program, sizeof(env->program), "%s/ssh", env->directory);
	snprintf(env->record, sizeof(env->record), "%s/record", env->directory);
	snprintf(env->config, sizeof(env->config), "%s/config", env->directory);
	snprintf(env->config_argument, sizeof(env->config_argument), "-F%s",
	    env->config);
	write_file(env->config, "");
	make_program(env, "exec ssh \"$@\"");
	env->arguments[0] = env->config_argument;
	env->options = (struct link_options) {
		.program = env->program,
		.arguments = env->arguments,
		.n_arguments = 1,
		.destination = "far.invalid",
		.directory = env->directory,
		.batch = true,
		.find_defaults = true,
		.cipher_order = true,
	};
	*state = env;
	return 0;
}

static void
on_monitor_lost(void *ctx)
{
	(void)ctx;
	fail();
}

static void
begin_monitor(struct env *env)
{
	monitor_life_renew(&env->monitor, &env->loop, &env->options,
	    on_monitor_lost, env);
}

static int
tear_down(void **state)
{
	struct env *env = *state;

	monitor_life_end(&env->monitor, &env->loop);
	uv_timer_stop(&env->watchdog);
	uv_close((uv_handle_t *)&env->watchdog, NULL);
	for (size_t i = 0; i < 100; i++)
		uv_run(&env->loop, UV_RUN_NOWAIT);
	assert_int_equal(uv_loop_close(&env->loop), 0);
	remove_directory(env->directory);
	free(env);
	return 0;
}

static void
on_watchdog(uv_timer_t *timer)
{
	*(bool *)timer->data = true;
}

static void
until(struct env *env, const unsigned int *flag)
{
	bool late = false;

	env->watchdog.data = &late;
	uv_timer_start(&env->watchdog, on_watchdog, WATCHDOG_MS, 0);
	while (*flag == 0 && !late)
		uv_run(&env->loop, UV_RUN_ONCE);
	uv_timer_stop(&env->watchdog);
	assert_false(late);
}

static void
on_done(void *ctx, const struct defaults_answer *answer)
{
	struct env *env = ctx;
	const char *list = answer->ciphers, *why = answer->why;

	env->done++;
	env->has_list = list != NULL;
	env->alive = (answer->timeouts & LINK_ALIVE) != 0;
	env->connect = (answer->timeouts & LINK_CONNECT) != 0;
	if (list != NULL)
		snprintf(env->list, sizeof(env->list), "%s", list);
	else
		snprintf(env->why, sizeof(env->why), "%s", why);
	defaults_free(env->defaults);
}

static void
begin(struct env *env)
{
	env->done = 0;
	begin_monitor(env);
	assert_int_equal(defaults_find(&env->loop, &env->options, on_done, env,
			     &env->defaults),
	    0);
	assert_int_equal(env->done, 0);
}

static void
check_none(struct env *env, const char *why)
{
	begin(env);
	until(env, &env->done);
	if (env->has_list)
		fail_msg("it has %s", env->list);
	assert_string_equal(env->why, why);
}

static void
check_list(struct env *env)
{
	begin(env);
	until(env, &env->done);
	if (!env->has_list)
		fail_msg("none: %s", env->why);
	assert_memory_equal(env->list, "aes128-gcm@openssh.com,", 23);
	assert_non_null(strstr(env->list, ",chacha20-poly1305@openssh.com"));
}

/* ---- configurations ---- */

static void
test_own(void **state)
{
	struct env *env = *state;

	check_list(env);
	write_file(env->config, "Host far.invalid\nCompression no\n");
	check_list(env);
	/* Only what is said of this host counts. */
	write_file(env->config, "Host near.invalid\nCiphers aes128-ctr\n");
	check_list(env);
}

static void
test_configured(void **state)
{
	static const char *const configs[] = {
		"Ciphers aes128-ctr\n",
		"Ciphers ^aes256-ctr\n",
		"Ciphers ^aes256-gcm@openssh.com\n",
		"Ciphers +3des-cbc\n",
		"Ciphers -aes128-ctr\n",
		"Ciphers -chacha20*\n",
		"Match host far.invalid\nCiphers aes256-ctr,aes128-ctr\n",
		"Match exec true\nCiphers aes256-ctr\n",
	};
	struct env *env = *state;

	for (size_t i = 0; i < sizeof(configs) / sizeof(configs[0]); i++) {
		write_file(env->config, configs[i]);
		check_none(env, "it is configured");
	}
}

static void
test_arguments(void **state)
{
	static const char *const arguments[][2] = {
		{ "-c", "aes256-ctr" },
		{ "-caes128-ctr,aes256-gcm@openssh.com", "-4" },
		{ "-o", "Ciphers=aes256-ctr" },
		{ "-oCiphers=^aes256-ctr", "-4" },
	};
	struct env *env = *state;

	for (size_t i = 0; i < sizeof(arguments) / sizeof(arguments[0]); i++) {
		env->arguments[1] = arguments[i][0];
		env->arguments[2] = arguments[i][1];
		env->options.n_arguments = 3;
		check_none(env, "it is configured");
	}
}

/* ---- ServerAliveInterval, ConnectTimeout ---- */

static void
test_alive(void **state)
{
	static const struct {
		const char *config;
		const char *argument;
		bool batch;
		bool alive;
		bool connect;
	} cases[] = {
		{ "", "-4", false, true, true },
		{ "", "-4", true, true, true },
		{ "ServerAliveCountMax 5\n", "-4", false, true, true },
		{ "ServerAliveInterval 7\n", "-4", false, false, true },
		{ "ServerAliveInterval 7\n", "-4", true, false, true },
		{ "Host near.invalid\nServerAliveInterval 7\n", "-4", true,
		    true, true },
		{ "", "-oServerAliveInterval=60", false, false, true },
		{ "ConnectTimeout 9\n", "-4", false, true, false },
		{ "", "-oConnectTimeout=9", true, true, false },
	};
	struct env *env = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		write_file(env->config, cases[i].config);
		env->arguments[1] = cases[i].argument;
		env->options.n_arguments = 2;
		env->options.batch = cases[i].batch;
		begin(env);
		until(env, &env->done);
		if (env->alive != cases[i].alive ||
		    env->connect != cases[i].connect)
			fail_msg("case %zu", i);
	}
	/* Nobody can tell: a dead connection that stays would be worse. */
	make_program(env, "exit 1");
	begin(env);
	until(env, &env->done);
	assert_true(env->alive && env->connect);
}

/* ---- programs ---- */

static void
test_odd(void **state)
{
	static const struct {
		const char *does;
		const char *why;
	} programs[] = {
		{ "exit 1", "ssh -G failed" },
		{ "kill -9 $$", "ssh -G failed" },
		{ "exec cat /dev/zero", "ssh -G failed" },
		{ "ssh -G x; head -c 70000 /dev/zero; exit", "ssh -G failed" },
		{ "exit 0", "ssh -G names no ciphers" },
		{ "echo ciphers; exit 0", "ssh -G names no ciphers" },
		{ "echo ciphers a, ; exit 0", "ssh -G names no ciphers" },
		{ "echo ciphers aes128-ctr; exit 0", "no change is needed" },
		{ "echo ciphers $$; exit 0", "it is configured" },
		/* Others may hold the pipe open. */
		{ "sleep 1000 & echo $! >>@; echo ciphers a; exit 0",
		    "no change is needed" },
	};
	struct env *env = *state;
	char does[256], pids[96], text[64];
	FILE *file;

	snprintf(pids, sizeof(pids), "%s/pids", env->directory);
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		const char *at = strchr(programs[i].does, '@');

		if (at == NULL)
			snprintf(does, sizeof(does), "%s", programs[i].does);
		else
			snprintf(does, sizeof(does), "%.*s%s%s",
			    (int)(at - programs[i].does), programs[i].does,
			    pids, at + 1);
		make_program(env, does);
		check_none(env, programs[i].why);
	}
	file = fopen(pids, "r");
	assert_non_null(file);
	while (fgets(text, sizeof(text), file) != NULL)
		kill((pid_t)atol(text), SIGKILL);
	fclose(file);
	env->options.program = "/no/such/program";
	check_none(env, "ssh -G failed");
}

/* Waits for the end of the process that a program has written down. */
static void
until_recorded_is_gone(const struct env *env)
{
	struct pollfd end = { .events = POLLIN };
	FILE *file = fopen(env->record, "r");
	int pid;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%d", &pid), 1);
	fclose(file);
	end.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (end.fd < 0)
		return;
	assert_int_equal(poll(&end, 1, WATCHDOG_MS), 1);
	close(end.fd);
}

static void
make_hanging(struct env *env)
{
	char does[512];

	/* As Match exec does: a process of its own. */
	snprintf(does, sizeof(does),
	    "sleep 1000 & echo $! >%s.new; mv %s.new %s; wait", env->record,
	    env->record, env->record);
	make_program(env, does);
}

static void
test_late(void **state)
{
	struct env *env = *state;
	uint64_t before = uv_hrtime();

	make_hanging(env);
	check_none(env, "ssh -G took too long");
	assert_true(uv_hrtime() - before > LIMIT_SSH_CONFIG_MS * 900000ULL);
	until_recorded_is_gone(env);
}

static void
on_tick(uv_timer_t *timer)
{
	(void)timer;
}

/* A program that was stopped just before may have emptied the record while this
 * one renamed it. */
static void
until_recorded(struct env *env)
{
	struct stat found = { .st_size = 0 };

	uv_timer_start(&env->watchdog, on_tick, 1, 1);
	while (stat(env->record, &found) != 0 || found.st_size == 0)
		uv_run(&env->loop, UV_RUN_ONCE);
	uv_timer_stop(&env->watchdog);
}

static void
test_stop(void **state)
{
	struct env *env = *state;

	make_hanging(env);
	begin(env);
	defaults_stop(env->defaults);
	defaults_stop(env->defaults);
	assert_int_equal(env->done, 0);
	until(env, &env->done);
	assert_false(env->has_list);
	begin(env);
	until_recorded(env);
	defaults_stop(env->defaults);
	until(env, &env->done);
	assert_false(env->has_list);
	until_recorded_is_gone(env);
}

/* ---- the link ---- */

static void
on_down(void *ctx, bool was_up, const char *why)
{
	struct env *env = ctx;

	assert_false(was_up);
	env->down++;
	snprintf(env->why, sizeof(env->why), "%s", why);
}

static const struct link_handler handler = { .down = on_down };

/* The link runs the program, and this is its arguments. */
static void
run_link(struct env *env, char *text, size_t size)
{
	struct link *link;
	size_t len = 0;
	FILE *file;

	begin_monitor(env);
	link = link_new(&env->loop, &env->options, &handler, env);
	env->down = 0;
	unlink(env->record);
	assert_int_equal(link_start(link, false), 0);
	until(env, &env->down);
	assert_string_equal(env->why, "ssh ended with status 9");
	link_free(link);
	file = fopen(env->record, "r");
	assert_non_null(file);
	len = fread(text, 1, size - 1, file);
	text[len] = '\0';
	fclose(file);
}

static void
test_link(void **state)
{
	static const char asks[] = "\n-oCiphers=aes128-gcm@openssh.com,";
	struct env *env = *state;
	char text[4096], *place;

	run_link(env, text, sizeof(text));
	place = strstr(text, asks);
	assert_non_null(place);
	/* Behind the user's: what they say of it counts. */
	assert_true(place > strstr(text, env->config_argument));
	assert_null(strstr(text, "\n-G\n"));

	env->options.cipher_order = false;
	run_link(env, text, sizeof(text));
	assert_null(strstr(text, "Ciphers"));

	env->options.cipher_order = true;
	write_file(env->config, "Ciphers aes256-ctr\n");
	run_link(env, text, sizeof(text));
	assert_null(strstr(text, "Ciphers"));
	make_program(env, "exit 1");
	run_link(env, text, sizeof(text));
	assert_null(strstr(text, "Ciphers"));
}

static void
test_link_stop(void **state)
{
	struct env *env = *state;
	struct link *link;

	make_hanging(env);
	begin_monitor(env);
	for (int wait = 0; wait < 2; wait++) {
		link = link_new(&env->loop, &env->options, &handler, env);
		env->down = 0;
		assert_int_equal(link_start(link, false), 0);
		if (wait)
			until_recorded(env);
		link_stop(link);
		link_stop(link);
		assert_int_equal(env->down, 0);
		until(env, &env->down);
		assert_string_equal(env->why, "stopped");
		link_free(link);
	}
	until_recorded_is_gone(env);
}

static void
test_link_no_program(void **state)
{
	struct env *env = *state;
	struct link *link;

	env->options.program = "/no/such/ssh";
	link = link_new(&env->loop, &env->options, &handler, env);
	assert_int_equal(link_start(link, false), -ENOENT);
	link_free(link);
	/* Of an exec() that fails late valgrind dies. */
	if (getenv("UNDER_VALGRIND") != NULL)
		return;
	write_file(env->program, "#!/no/such/interpreter\n");
	env->options.program = env->program;
	begin_monitor(env);
	link = link_new(&env->loop, &env->options, &handler, env);
	assert_int_equal(link_start(link, false), 0);
	until(env, &env->down);
	assert_non_null(strstr(env->why, "/ssh: No such file"));
	link_free(link);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_own),
		TEST(test_configured),
		TEST(test_arguments),
		TEST(test_alive),
		TEST(test_odd),
		TEST(test_late),
		TEST(test_stop),
		TEST(test_link),
		TEST(test_link_stop),
		TEST(test_link_no_program),
	};

	if (!ciphers_cpu_has_aes())
		return 77; /* it asks for no ciphers here */
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
