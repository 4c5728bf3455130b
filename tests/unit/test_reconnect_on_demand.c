/*
 * ssh/reconnect: a link that is up while somebody needs it.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "reconnectenv.h"

#define IDLE_MS 200

/* Pauses grow; but not while somebody waits. */
static void
test_hold_shortens(void **state)
{
	struct rec_env *s = *state;
	const size_t *attempts = rec_go_astray(s);
	uint64_t before;

	rec_start(s,
	    &(struct reconnect_options) { .retries = RECONNECT_FOREVER,
		.first_too = true });
	/* The next pause is of at least 32 times the first. */
	sshenv_until_size(&s->env, attempts, 6);
	while (rec_count_ssh(s) > 0)
		sshenv_for(&s->env, 1);
	before = uv_hrtime();
	reconnect_hold(s->reconnect);
	sshenv_until_size(&s->env, attempts, 7);
	assert_in_range((uv_hrtime() - before) / 1000000, 0, 32 * PAUSE_MS);
	/* Those that follow would be more than a thousand times as long. */
	before = uv_hrtime();
	sshenv_until_size(&s->env, attempts, 12);
	assert_in_range((uv_hrtime() - before) / 1000000, 0, 992 * PAUSE_MS);
	reconnect_release(s->reconnect);
}

static const struct reconnect_options on_demand = {
	.retries = RECONNECT_FOREVER,
	.on_demand = true,
	.idle_ms = IDLE_MS,
};

static void
test_on_demand(void **state)
{
	struct rec_env *s = *state;

	rec_start(s, &on_demand);
	sshenv_for(&s->env, 2 * IDLE_MS);
	assert_int_equal(rec_count_ssh(s), 0);
	for (unsigned int n = 1; n <= 2; n++) {
		reconnect_hold(s->reconnect);
		assert_int_equal(rec_count_ssh(s), 0); /* not in the call */
		rec_until(s, &s->up, n);
		/* As long as it is held it stays. */
		reconnect_hold(s->reconnect);
		reconnect_release(s->reconnect);
		sshenv_for(&s->env, 2 * IDLE_MS);
		assert_true(reconnect_is_up(s->reconnect));
		reconnect_release(s->reconnect);
		while (rec_count_ssh(s) > 0)
			sshenv_for(&s->env, 1);
		assert_false(reconnect_is_up(s->reconnect));
	}
	assert_int_equal(s->down + s->ended, 0);
	assert_int_equal(rec_logged(s, "lost"), 0);
	assert_int_equal(rec_logged(s, "again"), 0);
}

/* Whoever comes back in time keeps it. */
static void
test_on_demand_idle_ends(void **state)
{
	struct rec_env *s = *state;
	pid_t ssh;

	rec_start_held(s, &on_demand);
	ssh = sshenv_ssh(&s->env);
	reconnect_release(s->reconnect);
	sshenv_for(&s->env, IDLE_MS / 10);
	reconnect_hold(s->reconnect);
	sshenv_for(&s->env, 2 * IDLE_MS);
	assert_int_equal(sshenv_ssh(&s->env), ssh);
	assert_true(reconnect_is_up(s->reconnect));
	reconnect_release(s->reconnect);
}

/* Who comes while it is being closed gets the next one. */
static void
test_on_demand_closing(void **state)
{
	struct rec_env *s = *state;
	pid_t ssh;

	rec_start_held(s, &on_demand);
	ssh = sshenv_ssh(&s->env);
	reconnect_release(s->reconnect);
	kill(ssh, SIGSTOP); /* it will take a moment */
	while (reconnect_is_up(s->reconnect))
		sshenv_for(&s->env, 1);
	reconnect_hold(s->reconnect);
	sshenv_for(&s->env, 2 * PAUSE_MS);
	assert_int_equal(s->up, 1);
	kill(ssh, SIGCONT);
	rec_until(s, &s->up, 2);
	assert_int_not_equal(sshenv_ssh(&s->env), ssh);
	assert_int_equal(s->down, 0);
	reconnect_release(s->reconnect);
}

/* One that nobody holds stays away when it is lost, until it is wanted. */
static void
test_on_demand_lost(void **state)
{
	struct rec_env *s = *state;

	rec_start_held(s, &(struct reconnect_options) { .on_demand = true });
	reconnect_release(s->reconnect);
	rec_lose(s);
	rec_until(s, &s->down, 1);
	assert_false(s->again);
	sshenv_for(&s->env, 4 * PAUSE_MS);
	assert_int_equal(rec_count_ssh(s), 0);
	assert_int_equal(rec_logged(s, "retrying in"), 0);
	reconnect_hold(s->reconnect);
	rec_until(s, &s->up, 2);
	reconnect_release(s->reconnect);
}

/* The same where attempts are made: without anybody there is none, and none is
 * announced. */
static void
test_on_demand_lost_retry(void **state)
{
	struct rec_env *s = *state;

	rec_start_held(s, &on_demand);
	reconnect_release(s->reconnect);
	rec_lose(s);
	rec_until(s, &s->down, 1);
	sshenv_for(&s->env, 4 * PAUSE_MS);
	assert_int_equal(rec_count_ssh(s), 0);
	assert_int_equal(rec_logged(s, "was lost"), 1);
	assert_int_equal(rec_logged(s, "retrying in"), 0);
}

/* Failures for clients of before are not those of the next one. */
static void
test_on_demand_failures(void **state)
{
	struct rec_env *s = *state;
	const size_t *attempts = rec_go_astray(s);

	rec_start(s,
	    &(struct reconnect_options) { .retries = 1, .on_demand = true });
	reconnect_hold(s->reconnect);
	while (rec_logged(s, "retrying in") == 0)
		sshenv_for(&s->env, 1);
	reconnect_release(s->reconnect);
	sshenv_for(&s->env, 8 * PAUSE_MS);
	assert_int_equal(*attempts, 1);
	reconnect_hold(s->reconnect);
	rec_until(s, &s->down, 1);
	assert_int_equal(*attempts, 3);
	reconnect_release(s->reconnect);
}

/* Attempts that are used up are the end of waiting, not of culvert. */
static void
test_on_demand_fails(void **state)
{
	struct rec_env *s = *state;
	const size_t *attempts = rec_go_astray(s);
	size_t before;

	rec_start(s,
	    &(struct reconnect_options) { .retries = 1, .on_demand = true });
	reconnect_hold(s->reconnect);
	rec_until(s, &s->down, 1);
	assert_int_equal(*attempts, 2);
	assert_false(s->again);
	assert_string_equal(reconnect_why(s->reconnect), s->why);
	/* Nobody wants it any more. */
	reconnect_release(s->reconnect);
	sshenv_for(&s->env, 20 * PAUSE_MS);
	before = *attempts;
	assert_int_equal(before, 2);
	rec_go_to(s, s->env.port);
	reconnect_hold(s->reconnect);
	rec_until(s, &s->up, 1);
	assert_int_equal(s->ended, 0);
	reconnect_release(s->reconnect);
}

/* Who comes when the stop is near finds nothing begun for him. */
static void
test_hold_before_stop(void **state)
{
	struct rec_env *s = *state;

	rec_start(s, &on_demand);
	reconnect_expect_stop(s->reconnect);
	reconnect_hold(s->reconnect);
	sshenv_for(&s->env, 4 * PAUSE_MS);
	assert_int_equal(rec_count_ssh(s), 0);
	assert_int_equal(s->up + s->ended, 0);
	reconnect_release(s->reconnect);
}

static void
test_stop_resting(void **state)
{
	struct rec_env *s = *state;

	rec_start(s, &on_demand);
	reconnect_stop(s->reconnect);
	assert_int_equal(s->ended, 0);
	/* It is too late for that. */
	reconnect_hold(s->reconnect);
	rec_until(s, &s->ended, 1);
	assert_false(s->was_up);
	assert_false(s->has_why);
	sshenv_for(&s->env, 2 * PAUSE_MS);
	assert_int_equal(rec_count_ssh(s), 0);
	reconnect_release(s->reconnect);
}

static void
test_stop_closing(void **state)
{
	struct rec_env *s = *state;

	rec_start_held(s, &on_demand);
	reconnect_release(s->reconnect);
	while (reconnect_is_up(s->reconnect))
		sshenv_for(&s->env, 1);
	reconnect_stop(s->reconnect);
	rec_until(s, &s->ended, 1);
	assert_true(s->was_up);
	assert_int_equal(s->down, 0);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, rec_set_up, rec_tear_down)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_hold_shortens),
		TEST(test_on_demand),
		TEST(test_on_demand_idle_ends),
		TEST(test_on_demand_closing),
		TEST(test_on_demand_lost),
		TEST(test_on_demand_lost_retry),
		TEST(test_on_demand_failures),
		TEST(test_on_demand_fails),
		TEST(test_hold_before_stop),
		TEST(test_stop_resting),
		TEST(test_stop_closing),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
