/*
 * Tests of tunnel/policy.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "helpers.h"
#include "sockenv.h"
#include "tunnel/policy.h"

static const struct addr none = { .family = AF_UNSPEC };
static struct owners *owners;

static enum policy_answer
admits(const struct policy_peer *client, bool any_user,
    const struct addr *local, const struct addr *peer)
{
	char why[200] = "";
	struct policy policy = { .any_user = any_user, .owners = owners };
	enum policy_answer answer =
	    policy_admits(&policy, client, local, peer, why, sizeof(why));

	assert_int_equal(answer == POLICY_ADMITTED, why[0] == '\0');
	return answer;
}

static void
test_allows(void **state)
{
	struct subnet allow[2];
	struct policy policy = { .allow = NULL };
	struct addr lan = address("192.0.2.7"), v6 = address("2001:db8::1");
	struct addr other = address("198.51.100.1");

	(void)state;
	assert_true(policy_allows(&policy, &lan));
	assert_true(policy_allows(&policy, &none));
	assert_int_equal(subnet_parse("192.0.2.0/24", &allow[0]), 0);
	assert_int_equal(subnet_parse("2001:db8::1", &allow[1]), 0);
	policy.allow = allow;
	policy.n_allow = 1;
	assert_true(policy_allows(&policy, &lan));
	assert_false(policy_allows(&policy, &v6));
	policy.n_allow = 2;
	assert_true(policy_allows(&policy, &v6));
	assert_false(policy_allows(&policy, &other));
	assert_false(policy_allows(&policy, &none));
}

/* A client of another host: its address is all that counts. */
static void
test_other_host(void **state)
{
	struct addr local = address("192.0.2.1"), peer = address("192.0.2.7");
	struct addr other = address("192.0.2.8"), v6 = address("2001:db8::7");
	struct policy policy = { .owners = owners };
	struct policy_peer client;

	(void)state;
	policy_learn(&policy, &local, &peer, &client);
	assert_false(client.local);
	peer.port = 50000;
	assert_int_equal(admits(&client, false, &local, &peer),
	    POLICY_ADMITTED);
	assert_int_equal(admits(&client, false, &local, &other),
	    POLICY_STRANGER);
	assert_int_equal(admits(&client, true, &local, &other),
	    POLICY_STRANGER);
	assert_int_equal(admits(&client, false, &local, &v6), POLICY_STRANGER);
}

/* The far side tells nobody's address. */
static void
test_nobody(void **state)
{
	struct addr local = address("127.0.0.1"), peer = address("127.0.0.1");
	struct policy policy = { .owners = owners };
	struct policy_peer client;

	(void)state;
	policy_learn(&policy, &none, &none, &client);
	assert_int_equal(client.addr.family, AF_UNSPEC);
	assert_false(client.local);
	assert_false(client.uid_known);
	assert_int_equal(admits(&client, false, &none, &none), POLICY_ADMITTED);
	assert_int_equal(admits(&client, false, &local, &peer),
	    POLICY_ADMITTED);
	policy_learn(&policy, &local, &peer, &client);
	assert_int_equal(admits(&client, false, &none, &none), POLICY_ADMITTED);
}

/* On loopback the user counts: here it is always ours. */
static void
test_user(void **state)
{
	struct sockenv *env = *state;
	struct notes notes;
	struct addr local, peer;
	struct policy policy = { .owners = owners };
	struct policy_peer client;
	int raw;

	sockenv_pair(env, &notes, &raw);
	local = net_stream_local(notes.stream);
	peer = net_stream_peer(notes.stream);
	policy_learn(&policy, &local, &peer, &client);
	assert_true(client.local);
	assert_true(client.uid_known);
	assert_int_equal(client.uid, getuid());
	assert_int_equal(admits(&client, false, &local, &peer),
	    POLICY_ADMITTED);
	client.uid++;
	assert_int_equal(admits(&client, false, &local, &peer),
	    POLICY_STRANGER);
	assert_int_equal(admits(&client, true, &local, &peer), POLICY_ADMITTED);
	client.uid--;
	assert_false(policy_has_closed(&policy, &client));
	shutdown(raw, SHUT_WR);
	assert_false(policy_has_closed(&policy, &client));
	/* Once closed it is nobody's, and nobody can tell. */
	close(raw);
	assert_true(policy_has_closed(&policy, &client));
	assert_int_equal(admits(&client, false, &local, &peer), POLICY_UNKNOWN);
	assert_int_equal(admits(&client, true, &local, &peer), POLICY_ADMITTED);
	/* It was let in, so it was ours; with any_user it may have been
	 * anybody's, and of what was never seen nothing is known. */
	policy_learn(&policy, &local, &peer, &client);
	assert_true(client.uid_known);
	policy.any_user = true;
	policy_learn(&policy, &local, &peer, &client);
	assert_false(client.uid_known);
	assert_false(policy_has_closed(&policy, &client));
	notes_free(&notes);
	/* Nobody was ever there. */
	client.uid_known = true;
	peer.port = 1;
	assert_int_equal(admits(&client, false, &local, &peer), POLICY_UNKNOWN);
}

/* Whose control connections are taken: here it is always ours. */
static void
test_takes(void **state)
{
	struct sockenv *env = *state;
	struct policy policy = { .owners = owners };
	struct addr local, peer, lan = address("192.0.2.7");
	struct addr here = address("192.0.2.1");
	struct subnet allow;
	struct notes notes;
	struct rlimit limit, lower = { .rlim_cur = 0 };
	struct owners *late;
	enum refusal refusal = REFUSALS;
	char why[200] = "";
	int raw;

	sockenv_pair(env, &notes, &raw);
	local = net_stream_peer(notes.stream);
	peer = net_stream_local(notes.stream);
	getrlimit(RLIMIT_NOFILE, &limit);
	lower.rlim_max = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &lower);
	late = owners_new();
	setrlimit(RLIMIT_NOFILE, &limit);
	assert_non_null(late);
	assert_true(
	    policy_takes(&policy, &local, &peer, why, sizeof(why), &refusal));
	assert_true(
	    policy_takes(&policy, &here, &lan, why, sizeof(why), &refusal));
	assert_int_equal(refusal, REFUSALS);
	/* Who is connected to our loopback address is on this host. */
	assert_false(
	    policy_takes(&policy, &local, &lan, why, sizeof(why), &refusal));
	assert_int_equal(refusal, REFUSAL_LOOK_UP);
	refusal = REFUSALS;
	/* Without a free descriptor as well. */
	setrlimit(RLIMIT_NOFILE, &lower);
	assert_true(
	    policy_takes(&policy, &local, &peer, why, sizeof(why), &refusal));
	/* But for who could not even begin: then it is not said to be another
	 * user's, and --any-user is not the fix. */
	policy.owners = late;
	assert_false(
	    policy_takes(&policy, &local, &peer, why, sizeof(why), &refusal));
	setrlimit(RLIMIT_NOFILE, &limit);
	assert_non_null(strstr(why, strerror(EMFILE)));
	assert_null(strstr(why, "--any-user"));
	assert_int_equal(refusal, REFUSAL_LOOK_UP);
	assert_true(
	    policy_takes(&policy, &local, &peer, why, sizeof(why), &refusal));
	owners_free(late);
	policy.owners = owners;
	/* Of a socket that is not there nothing is known. */
	peer.port = 1;
	assert_false(
	    policy_takes(&policy, &local, &peer, why, sizeof(why), &refusal));
	assert_non_null(strstr(why, "--any-user"));
	assert_int_equal(refusal, REFUSAL_LOOK_UP);
	assert_memory_equal(refusal_reply(refusal), "421 Your user", 13);
	policy.any_user = true;
	assert_true(
	    policy_takes(&policy, &local, &peer, why, sizeof(why), &refusal));
	assert_int_equal(subnet_parse("192.0.2.0/28", &allow), 0);
	policy.allow = &allow;
	policy.n_allow = 1;
	assert_true(
	    policy_takes(&policy, &local, &lan, why, sizeof(why), &refusal));
	assert_false(
	    policy_takes(&policy, &local, &peer, why, sizeof(why), &refusal));
	assert_string_equal(why, "no --allow contains that address");
	close(raw);
	notes_free(&notes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_allows),
		cmocka_unit_test(test_other_host),
		cmocka_unit_test(test_nobody),
		SOCKENV_TEST(test_user),
		SOCKENV_TEST(test_takes),
	};

	int failed;

	owners = owners_new();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	owners_free(owners);
	return failed;
}
