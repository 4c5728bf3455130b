/*
 * ssh/reconnect: what is said and done when sshd closes a connection on which
 * nothing is open, as its UnusedConnectionTimeout would.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "reconnectenv.h"

/* More than the shortest UnusedConnectionTimeout. */
#define UNUSED_MS 1200

#define UNUSED " (unused for 1 s: if sshd is OpenSSH 9.2 or newer, see "
#define KEEPS "from now on a session keeps the SSH connection to "
#define NO_SESSION "but --no-session forbids it"
#define SESSION_ENDS "the session that should keep the SSH connection to "

static const struct reconnect_options forever = {
	.retries = RECONNECT_FOREVER,
};

static int
set_up_sftp(void **state)
{
	return rec_set_up_with(state, "Subsystem sftp internal-sftp");
}

static int
set_up_no_sessions(void **state)
{
	return rec_set_up_with(state, "MaxSessions 0");
}

/* sshd closes the link after that time; waits until it is up again. */
static void
lose_after(struct rec_env *s, unsigned int ms)
{
	unsigned int n = s->down + 1;

	sshenv_for(&s->env, ms);
	rec_lose_sshd(s);
	rec_until(s, &s->down, n);
	assert_non_null(strstr(s->why, "closed by remote host"));
	rec_until(s, &s->up, n + 1);
}

static void
test_session_is_kept_after_it(void **state)
{
	struct rec_env *s = *state;

	s->env.options.session = true;
	rec_start_up(s, &forever);
	lose_after(s, UNUSED_MS);
	assert_non_null(strstr(s->why, UNUSED));
	assert_int_equal(rec_logged(s, UNUSED), 1);
	assert_int_equal(rec_logged(s, KEEPS), 1);
	/* The advice is logged again only if it is another one. */
	lose_after(s, UNUSED_MS);
	assert_int_equal(rec_logged(s, UNUSED), 2);
	assert_int_equal(rec_logged(s, KEEPS), 1);
}

static void
test_no_session_is_blamed_if_configured(void **state)
{
	struct rec_env *s = *state;

	s->env.options.session = false;
	rec_start_up(s, &forever);
	lose_after(s, UNUSED_MS);
	assert_int_equal(rec_logged(s, NO_SESSION), 1);
	assert_int_equal(rec_logged(s, "--on-demand"), 1);
	assert_int_equal(rec_logged(s, KEEPS), 0);
}

static void
test_end_of_kept_session_is_explained(void **state)
{
	struct rec_env *s = *state;

	s->env.options.session = true;
	rec_start_up(s, &forever);
	lose_after(s, UNUSED_MS);
	assert_int_equal(rec_logged(s, KEEPS), 1);
	lose_after(s, UNUSED_MS);
	assert_int_equal(rec_logged(s, SESSION_ENDS), 1);
	assert_int_equal(rec_logged(s,
			     "open has ended (sshd refused a session ("),
	    1);
	assert_int_equal(rec_logged(s, "), see MaxSessions"), 1);
}

static void
test_used_connection_is_not_called_unused(void **state)
{
	struct rec_env *s = *state;

	s->env.options.session = true;
	rec_start_held(s, &forever);
	lose_after(s, UNUSED_MS);
	assert_int_equal(rec_logged(s, "was lost: "), 1);
	assert_int_equal(rec_logged(s, "unused"), 0);
	assert_int_equal(rec_logged(s, KEEPS), 0);
}

static void
test_connection_used_before_is_not_called_unused(void **state)
{
	struct rec_env *s = *state;

	rec_start_held(s, &forever);
	sshenv_for(&s->env, UNUSED_MS);
	reconnect_release(s->reconnect);
	lose_after(s, 50);
	assert_int_equal(rec_logged(s, "was lost: "), 1);
	assert_int_equal(rec_logged(s, "unused"), 0);
}

static void
test_killed_ssh_is_not_called_unused(void **state)
{
	struct rec_env *s = *state;

	rec_start_up(s, &forever);
	sshenv_for(&s->env, UNUSED_MS);
	rec_lose(s);
	rec_until(s, &s->down, 1);
	assert_null(strstr(s->why, "unused"));
	assert_int_equal(rec_logged(s, NO_SESSION), 0);
}

/* There the next client opens another connection. */
static void
test_on_demand_gets_no_advice(void **state)
{
	struct rec_env *s = *state;

	rec_start_held(s,
	    &(struct reconnect_options) { .retries = RECONNECT_FOREVER,
		.on_demand = true });
	reconnect_release(s->reconnect);
	sshenv_for(&s->env, UNUSED_MS);
	rec_lose_sshd(s);
	rec_until(s, &s->down, 1);
	assert_int_equal(rec_logged(s, UNUSED), 1);
	assert_int_equal(rec_logged(s, "retrying"), 0);
	assert_int_equal(rec_logged(s, NO_SESSION), 0);
}

#define TEST(name, set_up) \
	cmocka_unit_test_setup_teardown(name, set_up, rec_tear_down)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_session_is_kept_after_it, set_up_sftp),
		TEST(test_no_session_is_blamed_if_configured, set_up_sftp),
		TEST(test_end_of_kept_session_is_explained, set_up_no_sessions),
		TEST(test_used_connection_is_not_called_unused, set_up_sftp),
		TEST(test_connection_used_before_is_not_called_unused,
		    rec_set_up),
		TEST(test_killed_ssh_is_not_called_unused, rec_set_up),
		TEST(test_on_demand_gets_no_advice, rec_set_up),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
