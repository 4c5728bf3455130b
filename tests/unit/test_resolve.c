/*
 * Tests of net/resolve.  No name here needs a name server.
 */
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/resolve.h"
#include "sockenv.h"

struct answer {
	unsigned int calls;
	size_t n;
	struct addr found[RESOLVE_MAX];
	char why[128];
};

static void
note_answer(void *ctx, const struct addr *found, size_t n, const char *why)
{
	struct answer *answer = ctx;

	answer->calls++;
	answer->n = n;
	assert_true(n <= RESOLVE_MAX);
	if (n > 0)
		memcpy(answer->found, found, n * sizeof(*found));
	else
		strncpy(answer->why, why, sizeof(answer->why) - 1);
}

static struct answer
look_up(struct sockenv *env, const char *host)
{
	struct answer answer = { .calls = 0 };

	assert_non_null(
	    resolve_start(&env->loop, host, 2121, note_answer, &answer));
	assert_int_equal(answer.calls, 0);
	SOCKENV_UNTIL(env, answer.calls > 0);
	for (size_t i = 0; i < answer.n; i++)
		assert_int_equal(answer.found[i].port, 2121);
	return answer;
}

static void
test_numeric(void **state)
{
	static const char *const hosts[] = { "192.0.2.1", "2001:db8::1",
		"fe80::1%lo" };
	struct sockenv *env = *state;

	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		struct answer answer = look_up(env, hosts[i]);
		char text[ADDR_TEXT_MAX];

		assert_int_equal(answer.n, 1);
		assert_string_equal(addr_format_ip(&answer.found[0], text),
		    hosts[i]);
	}
}

static void
test_localhost(void **state)
{
	struct answer answer = look_up(*state, "localhost");

	assert_true(answer.n > 0);
	for (size_t i = 0; i < answer.n; i++)
		assert_true(addr_is_loopback(&answer.found[i]));
}

/* No address, with a reason, also from the loop. */
static void
test_nothing(void **state)
{
	char longest[2000];
	struct answer answer;

	answer = look_up(*state, "");
	assert_int_equal(answer.n, 0);
	assert_string_equal(answer.why, gai_strerror(EAI_NONAME));
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	answer = look_up(*state, longest);
	assert_int_equal(answer.n, 0);
	assert_true(strlen(answer.why) > 0);
}

static void
test_cancel(void **state)
{
	struct sockenv *env = *state;
	struct answer answer = { .calls = 0 };

	resolve_cancel(NULL);
	for (int i = 0; i < 20; i++) {
		struct resolve *resolve = resolve_start(&env->loop, "127.0.0.1",
		    21, note_answer, &answer);

		assert_non_null(resolve);
		resolve_cancel(resolve);
	}
	look_up(env, "127.0.0.1");
	uv_unref((uv_handle_t *)&env->tick);
	while (uv_loop_alive(&env->loop))
		sockenv_turn(env);
	assert_int_equal(answer.calls, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SOCKENV_TEST(test_numeric),
		SOCKENV_TEST(test_localhost),
		SOCKENV_TEST(test_nothing),
		SOCKENV_TEST(test_cancel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
