/*
 * The link against the real ssh and sshd: its start and end, alive checks.
 */
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

#include "sshenv.h"

#define N_STREAMS 20

static int
set_up(void **state)
{
	struct sshenv *env = malloc(sizeof(*env));

	sshenv_start(env, "");
	*state = env;
	return 0;
}

/* ---- start and end ---- */

static void
test_up_down(void **state)
{
	struct sshenv *env = *state;

	sshenv_link(env);
	assert_null(
	    link_dial(env->link, "127.0.0.1", 1, LINK_DATA, NULL, NULL));
	sshenv_until(env, &env->up);
	link_stop(env->link);
	link_stop(env->link);
	assert_int_equal(env->down, 0);
	assert_null(
	    link_dial(env->link, "127.0.0.1", 1, LINK_DATA, NULL, NULL));
	sshenv_until(env, &env->down);
	assert_true(env->was_up);
	assert_string_equal(env->why, "stopped");
	assert_int_equal(env->up, 1);
}

static void
test_stop_early(void **state)
{
	sshenv_stop_early(*state, 20);
}

static void
check_fails(struct sshenv *env, const char *why)
{
	sshenv_until(env, &env->down);
	assert_false(env->was_up);
	assert_int_equal(env->up, 0);
	if (strstr(env->why, why) == NULL)
		fail_msg("'%s' has no '%s'", env->why, why);
}

static void
test_wrong_key(void **state)
{
	struct sshenv *env = *state;
	char from[128], to[128];

	snprintf(from, sizeof(from), "%s/other", env->directory);
	snprintf(to, sizeof(to), "%s/key", env->directory);
	assert_int_equal(rename(from, to), 0);
	sshenv_link(env);
	check_fails(env, "Permission denied");
}

static void
test_no_program(void **state)
{
	static const struct link_handler handler = { 0 };
	struct sshenv *env = *state;
	struct link *link;
	char path[128];
	FILE *file;

	env->options.program = "/no/such/ssh";
	env->options.destination = "far";
	env->options.directory = env->directory;
	link = link_new(&env->loop, &env->options, &handler, NULL);
	assert_int_equal(link_start(link, false), -ENOENT);
	link_free(link);
	/* One that is there, but cannot be run after all.  Of an exec() that
	 * fails late valgrind dies. */
	if (getenv("UNDER_VALGRIND") != NULL)
		return;
	snprintf(path, sizeof(path), "%s/ssh", env->directory);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs("#!/no/such/interpreter\n", file);
	fclose(file);
	assert_int_equal(chmod(path, 0755), 0);
	env->options.program = path;
	sshenv_link(env);
	check_fails(env, "/ssh: No such file");
}

static void
test_no_server(void **state)
{
	struct sshenv *env = *state;

	kill(env->sshd, SIGTERM);
	waitpid(env->sshd, NULL, 0);
	env->sshd = fork();
	if (env->sshd == 0) {
		pause();
		_exit(0);
	}
	sshenv_link(env);
	check_fails(env, "Connection refused");
}

static void
test_bad_destination(void **state)
{
	static const struct link_handler handler = { 0 };
	struct sshenv *env = *state;
	struct link *link;

	env->options.program = "ssh";
	env->options.directory = env->directory;
	env->options.destination = "-oProxyCommand=false";
	link = link_new(&env->loop, &env->options, &handler, NULL);
	assert_int_equal(link_start(link, false), -EINVAL);
	link_free(link);
	link = link_new(&env->loop, &env->options, &handler, NULL);
	link_stop(link);
	link_free(link);
}

static void
test_killed(void **state)
{
	struct sshenv *env = *state;
	struct peer peer;
	struct near near[N_STREAMS];

	sshenv_link_up(env);
	peer_start(&peer, env, PEER_SILENT, 0);
	for (size_t i = 0; i < N_STREAMS; i++) {
		near_dial(&near[i], env, "127.0.0.1", peer.port);
		if (i % 2 == 0) /* and the others are still connecting */
			sshenv_until(env, &near[i].opened);
		if (i % 4 == 0)
			stream_read_stop(near[i].stream);
	}
	kill(sshenv_ssh(env), SIGKILL);
	sshenv_until(env, &env->down);
	assert_true(env->was_up);
	assert_non_null(strstr(env->why, "signal 9"));
	assert_int_equal(env->closed_at_down, N_STREAMS);
	for (size_t i = 0; i < N_STREAMS; i++) {
		assert_int_equal(near[i].closed, 1);
		assert_int_equal(near[i].eof, 0);
		assert_int_equal(near[i].err, -ECONNRESET);
		near_close(&near[i]);
	}
	peer_end(&peer);
}

/* ---- alive checks ---- */

struct check {
	unsigned int done;
	bool alive;
	unsigned int down_before;
	struct sshenv *env;
};

static void
on_alive(void *ctx, bool alive)
{
	struct check *check = ctx;

	check->done++;
	check->alive = alive;
	check->down_before = check->env->down;
}

static void
test_alive(void **state)
{
	struct sshenv *env = *state;
	struct check check = { .env = env }, cancelled = { .env = env };
	struct forward open, late;

	sshenv_link_up(env);
	forward_open(&open, env, "localhost", 0, "open");
	sshenv_until(env, &open.done);
	link_alive_cancel(link_alive_check(env->link, on_alive, &cancelled));
	assert_non_null(link_alive_check(env->link, on_alive, &check));
	assert_int_equal(check.done, 0);
	sshenv_until(env, &check.done);
	assert_true(check.alive);
	assert_int_equal(cancelled.done, 0);

	kill(sshenv_ssh(env), SIGKILL);
	check.done = 0;
	forward_open(&late, env, "localhost", 0, "late");
	assert_non_null(link_alive_check(env->link, on_alive, &check));
	link_alive_cancel(link_alive_check(env->link, on_alive, &cancelled));
	sshenv_until(env, &env->down);
	assert_int_equal(check.done, 1);
	assert_false(check.alive);
	assert_int_equal(check.down_before, 0);
	assert_int_equal(cancelled.done, 0);
	assert_int_equal(late.done, 1);
	assert_int_equal(late.port, 0);
	forward_close(&late);
	assert_null(link_alive_check(env->link, on_alive, &check));
	forward_close(&open);
}

/* An ssh that hangs is found out, and ended; one that lives is left alone. */
static void
test_watch(void **state)
{
	struct sshenv *env = *state;
	uint64_t before;
	pid_t ssh;

	env->options.watch_ms = 200;
	sshenv_link(env);
	sshenv_until(env, &env->up);
	sshenv_for(env, 10 * (unsigned int)env->options.watch_ms);
	assert_int_equal(env->down, 0);
	ssh = sshenv_ssh(env);
	before = uv_hrtime();
	kill(ssh, SIGSTOP);
	sshenv_until(env, &env->down);
	assert_true(env->was_up);
	assert_string_equal(env->why, "ssh no longer responds");
	assert_true(
	    uv_hrtime() - before >= 3 * env->options.watch_ms * 1000000);
	assert_int_equal(kill(ssh, 0), -1);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, set_up, sshenv_tear_down)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_up_down),
		TEST(test_stop_early),
		TEST(test_wrong_key),
		TEST(test_no_program),
		TEST(test_no_server),
		TEST(test_bad_destination),
		TEST(test_killed),
		TEST(test_watch),
		TEST(test_alive),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
