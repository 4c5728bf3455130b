/*
 * ssh/reconnect keeps the link up all the time; test_reconnect_on_demand.c has
 * the one that is up while somebody needs it.
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

static const struct reconnect_options forever = {
	.retries = RECONNECT_FOREVER,
};

static void
test_stop(void **state)
{
	struct rec_env *s = *state;

	rec_start(s, &forever);
	assert_int_equal(s->up, 0);
	assert_false(reconnect_is_up(s->reconnect));
	rec_until(s, &s->up, 1);
	assert_true(reconnect_is_up(s->reconnect));
	assert_string_equal(reconnect_why(s->reconnect), "");
	reconnect_stop(s->reconnect);
	reconnect_stop(s->reconnect);
	assert_int_equal(s->ended, 0);
	rec_until(s, &s->ended, 1);
	assert_true(s->was_up);
	assert_false(s->has_why);
	assert_int_equal(s->down, 0);
}

static void
test_lost(void **state)
{
	struct rec_env *s = *state;

	rec_start_up(s, &forever);
	for (unsigned int n = 1; n <= 3; n++) {
		struct link *before =
		    links_first(reconnect_links(s->reconnect));

		rec_lose(s);
		rec_until(s, &s->down, n);
		assert_true(s->again);
		assert_non_null(strstr(s->why, "signal 9"));
		assert_string_equal(reconnect_why(s->reconnect), s->why);
		assert_false(reconnect_is_up(s->reconnect));
		assert_false(link_is_up(before));
		rec_until(s, &s->up, n + 1);
		assert_true(reconnect_is_up(s->reconnect));
		assert_string_equal(reconnect_why(s->reconnect), "");
	}
	assert_int_equal(s->ended, 0);
	assert_int_equal(rec_logged(s,
			     "was lost: ssh was ended by signal 9; "
			     "retrying in"),
	    3);
	assert_int_equal(rec_logged(s, "127.0.0.1 again, after"), 3);
}

static void
test_never(void **state)
{
	struct rec_env *s = *state;

	rec_start_up(s, &(struct reconnect_options) { .first_too = true });
	rec_lose(s);
	rec_until(s, &s->ended, 1);
	assert_true(s->was_up);
	assert_non_null(strstr(s->why, "signal 9"));
	assert_int_equal(s->down, 0);
}

/* The first attempt is the user's to see: it is not made again. */
static void
test_first_fails(void **state)
{
	struct rec_env *s = *state;

	rec_go_to(s, sshenv_free_port());
	rec_start(s, &forever);
	rec_until(s, &s->ended, 1);
	assert_false(s->was_up);
	assert_non_null(strstr(s->why, "refused"));
	assert_int_equal(s->up + s->down, 0);
}

/* ... but if that is wanted, so many times; and it is said once. */
static void
test_first_too(void **state)
{
	struct rec_env *s = *state;
	const size_t *attempts = rec_go_astray(s);

	rec_start(s,
	    &(struct reconnect_options) { .retries = 2, .first_too = true });
	rec_until(s, &s->ended, 1);
	assert_int_equal(*attempts, 3);
	assert_false(s->was_up);
	assert_true(s->has_why);
	assert_int_equal(s->up + s->down, 0);
	assert_int_equal(rec_logged(s, "could not connect"), 1);
	assert_int_equal(rec_logged(s, " s, then repeatedly"), 1);
}

static void
test_last_retry(void **state)
{
	struct rec_env *s = *state;

	rec_go_astray(s);
	rec_start(s,
	    &(struct reconnect_options) { .retries = 1, .first_too = true });
	rec_until(s, &s->ended, 1);
	assert_int_equal(rec_logged(s, "; retrying in "), 1);
	assert_int_equal(rec_logged(s, "repeatedly"), 0);
}

static void
test_first_too_comes_up(void **state)
{
	struct rec_env *s = *state;
	const size_t *attempts = rec_go_astray(s);

	rec_start(s,
	    &(struct reconnect_options) { .retries = RECONNECT_FOREVER,
		.first_too = true });
	sshenv_until_size(&s->env, attempts, 2);
	rec_go_to(s, s->env.port);
	rec_until(s, &s->up, 1);
	assert_int_equal(s->down + s->ended, 0);
}

/* Failures that are not in a row do not count together. */
static void
test_retries_in_a_row(void **state)
{
	struct rec_env *s = *state;
	const size_t *attempts = rec_go_astray(s);
	size_t before;

	rec_go_to(s, s->env.port);
	rec_start_up(s, &(struct reconnect_options) { .retries = 2 });
	for (unsigned int n = 1; n <= 2; n++) {
		rec_go_to(s, s->bad_port);
		rec_lose(s);
		sshenv_until_size(&s->env, attempts, n);
		rec_go_to(s, s->env.port);
		rec_until(s, &s->up, n + 1);
	}
	assert_int_equal(s->ended, 0);
	before = *attempts;
	rec_go_to(s, s->bad_port);
	rec_lose(s);
	rec_until(s, &s->ended, 1);
	assert_true(s->was_up);
	assert_int_equal(*attempts, before + 2);
}

static void
take_key(struct rec_env *s)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/key.pub", s->env.directory);
	assert_int_equal(unlink(path), 0);
}

/* What may have been a password is not asked for again, nor tried. */
static void
test_refused_login(void **state)
{
	struct rec_env *s = *state;

	s->env.options.batch = false;
	rec_start_up(s, &forever);
	take_key(s);
	rec_lose(s);
	rec_until(s, &s->ended, 1);
	assert_int_equal(s->down, 1);
	assert_non_null(strstr(s->why, "Permission denied"));
	assert_int_equal(rec_logged(s, "culvert stores no password"), 1);
}

/* Where none was asked for it may come back: a home that is not mounted. */
static void
test_refused_key(void **state)
{
	struct rec_env *s = *state;

	rec_start_up(s, &(struct reconnect_options) { .retries = 2 });
	take_key(s);
	rec_lose(s);
	rec_until(s, &s->ended, 1);
	assert_int_equal(rec_logged(s, "could not connect"), 1);
	assert_int_equal(rec_logged(s, "culvert stores no password"), 0);
}

/* ssh itself is not to be had for a time. */
static void
test_no_program(void **state)
{
	struct rec_env *s = *state;

	rec_start_up(s, &forever);
	s->env.options.program = "/no/such/ssh";
	rec_lose(s);
	for (unsigned int tries = 0; tries < 1;
	     tries = (unsigned int)rec_logged(s, "could not connect"))
		sshenv_for(&s->env, 1);
	assert_string_equal(reconnect_why(s->reconnect),
	    "cannot run /no/such/ssh: No such file or directory");
	s->env.options.program = "ssh";
	rec_until(s, &s->up, 2);
	assert_int_equal(s->down, 1);
}

static void
test_no_program_at_all(void **state)
{
	struct rec_env *s = *state;

	s->env.options.program = "/no/such/ssh";
	rec_make(s, &forever);
	assert_int_equal(reconnect_start(s->reconnect), -ENOENT);
	sshenv_for(&s->env, 2 * PAUSE_MS);
	assert_int_equal(s->up + s->down + s->ended, 0);
	/* No callback is owed, and it may be given up as it is. */
	reconnect_stop(s->reconnect);
	sshenv_for(&s->env, 2 * PAUSE_MS);
	assert_int_equal(s->ended, 0);
	s->ended = 1;
}

/* A link that is lost while the stop is prepared is no news. */
static void
test_expect_stop(void **state)
{
	struct rec_env *s = *state;

	rec_start_up(s, &forever);
	reconnect_expect_stop(s->reconnect);
	rec_lose(s);
	rec_until(s, &s->ended, 1);
	assert_false(s->has_why);
	assert_int_equal(s->down, 0);
	assert_int_equal(rec_logged(s, "lost"), 0);
}

/* Nothing is begun meanwhile: nobody is to be asked for a password then. */
static void
test_expect_stop_pausing(void **state)
{
	struct rec_env *s = *state;

	rec_start_up(s, &forever);
	rec_lose(s);
	rec_until(s, &s->down, 1);
	reconnect_expect_stop(s->reconnect);
	sshenv_for(&s->env, 8 * PAUSE_MS);
	assert_int_equal(rec_count_ssh(s), 0);
	assert_int_equal(s->up, 1);
	reconnect_stop(s->reconnect);
	rec_until(s, &s->ended, 1);
	assert_false(s->has_why);
}

/* Nor does anybody hear of a link that comes up: what stands on it has gone. */
static void
test_expect_stop_connecting(void **state)
{
	struct rec_env *s = *state;

	rec_start(s, &forever);
	reconnect_expect_stop(s->reconnect);
	for (int i = 0; i < 30000 &&
	     !link_is_up(links_first(reconnect_links(s->reconnect)));
	     i++)
		sshenv_for(&s->env, 1);
	assert_true(link_is_up(links_first(reconnect_links(s->reconnect))));
	assert_int_equal(s->up, 0);
	assert_false(reconnect_is_up(s->reconnect));
}

/* ---- what status shows ---- */

static void
check_described(const struct rec_env *s, enum reconnect_state state,
    const char *name, unsigned int losses, const char *why)
{
	struct reconnect_info info;

	reconnect_describe(s->reconnect, &info);
	assert_int_equal(info.state, state);
	assert_string_equal(reconnect_state_name(info.state), name);
	assert_int_equal(info.losses, losses);
	assert_int_equal(info.links, state == RECONNECT_UP ? 1 : 0);
	assert_string_equal(info.why, why);
	if (state != RECONNECT_UP)
		assert_int_equal(info.round_trip_us, 0);
}

static void
test_described_in_each_state(void **state)
{
	struct rec_env *s = *state;

	rec_start(s, &forever);
	check_described(s, RECONNECT_CONNECTING, "connecting", 0, "");
	rec_until(s, &s->up, 1);
	check_described(s, RECONNECT_UP, "up", 0, "");
	rec_lose(s);
	rec_until(s, &s->down, 1);
	check_described(s, RECONNECT_PAUSING, "pausing", 1, s->why);
	rec_until(s, &s->up, 2);
	check_described(s, RECONNECT_UP, "up", 1, "");
	reconnect_stop(s->reconnect);
	check_described(s, RECONNECT_STOPPING, "stopping", 1, "");
	rec_until(s, &s->ended, 1);
	assert_string_equal(reconnect_state_name(RECONNECT_ENDED), "ended");
}

/* ms counts since it is up, or since it is not. */
static void
test_described_since_when(void **state)
{
	struct rec_env *s = *state;
	struct reconnect_info info;

	rec_start_up(s, &forever);
	sshenv_for(&s->env, 500);
	reconnect_describe(s->reconnect, &info);
	assert_in_range(info.ms, 500, 30000);
	rec_lose(s);
	rec_until(s, &s->down, 1);
	reconnect_describe(s->reconnect, &info);
	assert_in_range(info.ms, 0, 499);
}

static void
test_described_round_trip(void **state)
{
	struct rec_env *s = *state;
	struct reconnect_info info;
	struct peer peer;
	struct near near;

	rec_start_up(s, &forever);
	peer_start(&peer, &s->env, PEER_ECHO, 0);
	near_dial_on(&near, &s->env, links_first(reconnect_links(s->reconnect)),
	    peer.port);
	sshenv_until(&s->env, &near.opened);
	reconnect_describe(s->reconnect, &info);
	assert_in_range(info.round_trip_us, 1, 30000000);
	near_close(&near);
	peer_end(&peer);
}

/* ---- the end, at each state ---- */

static void
test_stop_connecting(void **state)
{
	struct rec_env *s = *state;

	rec_start(s, &forever);
	reconnect_stop(s->reconnect);
	rec_until(s, &s->ended, 1);
	assert_false(s->was_up);
	assert_false(s->has_why);
	assert_int_equal(s->up, 0);
}

static void
test_stop_pausing(void **state)
{
	struct rec_env *s = *state;

	rec_start_up(s, &forever);
	rec_lose(s);
	rec_until(s, &s->down, 1);
	reconnect_stop(s->reconnect);
	rec_until(s, &s->ended, 1);
	assert_true(s->was_up);
	assert_false(s->has_why);
	assert_int_equal(s->up, 1);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, rec_set_up, rec_tear_down)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_stop),
		TEST(test_lost),
		TEST(test_never),
		TEST(test_first_fails),
		TEST(test_first_too),
		TEST(test_last_retry),
		TEST(test_first_too_comes_up),
		TEST(test_retries_in_a_row),
		TEST(test_refused_login),
		TEST(test_refused_key),
		TEST(test_no_program),
		TEST(test_no_program_at_all),
		TEST(test_expect_stop),
		TEST(test_expect_stop_pausing),
		TEST(test_expect_stop_connecting),
		TEST(test_described_in_each_state),
		TEST(test_described_since_when),
		TEST(test_described_round_trip),
		TEST(test_stop_connecting),
		TEST(test_stop_pausing),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
