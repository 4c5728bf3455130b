/*
 * The far side with two links: tunnel/far, tunnel/far_listener.  Which link has
 * a listener can be seen only inside it.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "farenv.h"
#include "tunnel/far_priv.h"

static int
set_up_links(void **state)
{
	return farenv_start_links(state, "", 2);
}

static struct link *
link_of(const struct heard *heard)
{
	return ((const struct far_listener *)heard->listener)->ssh;
}

static void
until_further_up(struct farenv *env, size_t n)
{
	for (int i = 0; links_further_up(env->links) != n && i < 10000; i++)
		sshenv_for(&env->ssh, 1);
	assert_int_equal(links_further_up(env->links), n);
}

/* Two listeners on the first link, and then one on the second. */
static void
listen_on_both(struct farenv *env, struct heard heard[3])
{
	heard_listen(&heard[0], env, "127.0.0.1", 0, false);
	heard_listen(&heard[1], env, "127.0.0.1", 0, false);
	until_further_up(env, 1);
	heard_listen(&heard[2], env, "127.0.0.1", 0, false);
	assert_ptr_equal(link_of(&heard[0]), links_first(env->links));
	assert_ptr_equal(link_of(&heard[1]), links_first(env->links));
	assert_ptr_not_equal(link_of(&heard[2]), links_first(env->links));
}

static void
kill_second(struct farenv *env)
{
	kill(sshenv_ssh(&env->ssh), SIGKILL);
	until_further_up(env, 0);
}

/* Which link has the listener for a data connection? */
static void
test_links(void **state)
{
	struct farenv *env = *state;
	struct link *first = links_first(env->links), *second;
	struct heard heard[3], many, other;
	uint16_t port[3];

	listen_on_both(env, heard);
	second = link_of(&heard[2]);
	assert_int_equal(links_load(env->links, first), 2);
	assert_int_equal(links_load(env->links, second), 1);
	/* Those for control connections: the first, and do not count. */
	heard_listen(&many, env, "127.0.0.1", 0, true);
	assert_ptr_equal(link_of(&many), first);
	assert_int_equal(links_load(env->links, first), 2);
	for (size_t i = 0; i < 3; i++) {
		port[i] = heard[i].v4.port;
		heard_takes(&heard[i], "127.0.0.1", port[i]);
	}
	/* Among equals the one with an idle listener. */
	heard_stop(&heard[2], true);
	heard_stop(&heard[1], true);
	heard_listen(&heard[1], env, "127.0.0.1", 0, false);
	assert_int_equal(heard[1].v4.port, port[2]);
	heard_takes(&heard[1], "127.0.0.1", port[2]);
	/* One each: both have the same load; an idle one is on the first. */
	heard_listen(&heard[2], env, "127.0.0.1", 0, false);
	assert_int_equal(heard[2].v4.port, port[1]);
	/* The first has more now: not its idle one, but a new one. */
	heard_stop(&heard[0], true);
	heard_listen(&other, env, "127.0.0.1", 0, false);
	assert_ptr_equal(link_of(&other), first);
	assert_int_equal(other.v4.port, port[0]);
	heard_listen(&heard[0], env, "127.0.0.1", 0, false);
	assert_ptr_equal(link_of(&heard[0]), second);
	assert_int_equal(links_load(env->links, first), 2);
	assert_int_equal(links_load(env->links, second), 2);
	heard_stop(&other, true);
	heard_stop(&many, true);
	for (size_t i = 0; i < 3; i++)
		heard_stop(&heard[i], true);
	assert_int_equal(links_load(env->links, first), 0);
	assert_int_equal(links_load(env->links, second), 0);
}

/* Of a link that is lost. */
static void
test_link_lost(void **state)
{
	struct farenv *env = *state;
	struct heard heard[3], idle;
	struct side_check *check = NULL;
	uint16_t port;

	listen_on_both(env, heard);
	/* One idle there, one that has taken somebody, one that has not. */
	side_listener_close(heard[0].listener, false);
	heard_listen(&idle, env, "127.0.0.1", 0, false);
	port = idle.v4.port;
	assert_ptr_not_equal(link_of(&idle), link_of(&heard[1]));
	heard_listen(&heard[0], env, "127.0.0.1", 0, false);
	assert_ptr_equal(link_of(&heard[0]), links_first(env->links));
	heard_takes(&idle, "127.0.0.1", port);
	heard_stop(&idle, true);
	kill_second(env);
	assert_int_equal(heard[0].failed, 0);
	assert_int_equal(heard[1].failed, 0);
	assert_int_equal(heard[2].failed, 1);
	assert_int_equal(heard[2].err, -ECONNRESET);
	assert_int_equal(side_check_end(heard[2].listener, NULL, NULL, &check),
	    SIDE_END_LOST);
	/* What is new is on the first, and the idle one has gone. */
	heard_listen(&idle, env, "127.0.0.1", 0, false);
	assert_ptr_equal(link_of(&idle), links_first(env->links));
	heard_takes(&heard[1], "127.0.0.1", heard[1].v4.port);
	heard_stop(&idle, true);
	for (size_t i = 0; i < 3; i++)
		heard_stop(&heard[i], true);
	assert_int_equal(env->ssh.down, 0);
}

/* A connection that has come by it ends with a loss. */
static void
test_link_lost_accepted(void **state)
{
	struct farenv *env = *state;
	struct side_check *check = NULL;
	struct heard heard[3];
	int fd;

	listen_on_both(env, heard);
	fd = sshenv_connect("127.0.0.1", heard[2].v4.port);
	sshenv_until_size(&env->ssh, &heard[2].n_taken, 1);
	kill(sshenv_ssh(&env->ssh), SIGKILL);
	sshenv_until(&env->ssh, &heard[2].taken[0].ended);
	until_further_up(env, 0);
	assert_int_equal(side_check_end(heard[2].listener, NULL, NULL, &check),
	    SIDE_END_LOST);
	close(fd);
	for (size_t i = 0; i < 3; i++)
		heard_stop(&heard[i], true);
}

/* One that is being made when its link dies is made on another. */
static void
test_link_lost_making(void **state)
{
	struct farenv *env = *state;
	struct heard heard[3], making;
	pid_t pid;

	listen_on_both(env, heard);
	side_listener_close(heard[2].listener, false);
	sshenv_for(&env->ssh, 50);
	pid = sshenv_ssh(&env->ssh);
	kill(pid, SIGSTOP);
	heard_begin(&making, env, "localhost", 0, false);
	assert_ptr_not_equal(link_of(&making), links_first(env->links));
	sshenv_for(&env->ssh, 50);
	assert_int_equal(making.told, 0);
	kill(pid, SIGKILL);
	sshenv_until(&env->ssh, &making.told);
	assert_int_equal(making.failed, 0);
	assert_ptr_equal(link_of(&making), links_first(env->links));
	heard_takes(&making, "127.0.0.1", making.v4.port);
	heard_stop(&making, true);
	for (size_t i = 0; i < 2; i++)
		heard_stop(&heard[i], true);
	assert_int_equal(links_load(env->links, links_first(env->links)), 0);
}

/* A side that does not spread has all on the first link, and asks for none. */
static void
test_first_only(void **state)
{
	struct farenv *env = *state;
	struct link *first = links_first(env->links);
	struct side *all = env->side, *one;
	struct heard heard[3], own[3];

	one = far_side_new(&env->ssh.loop, env->links, env->net,
	    env->ssh.directory, false);
	assert_non_null(one);
	env->side = one;
	for (size_t i = 0; i < 3; i++) {
		heard_listen(&own[i], env, "127.0.0.1", 0, false);
		assert_ptr_equal(link_of(&own[i]), first);
	}
	assert_int_equal(links_load(env->links, first), 3);
	sshenv_for(&env->ssh, 3 * SSHENV_PAUSE_MS);
	assert_int_equal(links_further_up(env->links), 0);
	for (size_t i = 0; i < 3; i++)
		heard_stop(&own[i], true);
	/* Nor does it use one that is up and carries less. */
	env->side = all;
	listen_on_both(env, heard);
	side_listener_close(heard[2].listener, false);
	env->side = one;
	heard_listen(&own[0], env, "127.0.0.1", 0, false);
	assert_ptr_equal(link_of(&own[0]), first);
	heard_takes(&own[0], "127.0.0.1", own[0].v4.port);
	heard_stop(&own[0], true);
	side_free(one);
	env->side = all;
	for (size_t i = 0; i < 2; i++)
		heard_stop(&heard[i], true);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, set_up_links, farenv_end)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_links),
		TEST(test_link_lost),
		TEST(test_link_lost_accepted),
		TEST(test_link_lost_making),
		TEST(test_first_only),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
