/*
 * check/wait: how long the check waits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "check/wait.h"
#include "limits.h"

static uv_loop_t loop;
static struct wait wait_;

static void
end(void)
{
	wait_end(&wait_);
	uv_run(&loop, UV_RUN_DEFAULT);
}

/* The other times change with that for a connection, but for the login. */
static void
test_times(void **state)
{
	(void)state;
	wait_init(&wait_, &loop, 0);
	assert_int_equal(wait_.times.connect, LIMIT_CHECK_CONNECT_MS);
	assert_int_equal(wait_.times.listing, LIMIT_CHECK_LISTING_MS);
	end();
	wait_init(&wait_, &loop, 1);
	assert_int_equal(wait_.times.connect, 1000);
	assert_int_equal(wait_.times.reply,
	    LIMIT_CHECK_REPLY_MS * 1000 / LIMIT_CHECK_CONNECT_MS);
	assert_int_equal(wait_.times.login, LIMIT_CHECK_SSH_MS);
	end();
}

/* The time begins when the wait does, even if the loop stood still before. */
static void
test_late(void **state)
{
	uint64_t began;

	(void)state;
	wait_init(&wait_, &loop, 0);
	uv_update_time(&loop);
	usleep(50 * 1000);
	began = uv_hrtime();
	wait_begin(&wait_, 30);
	while (wait_more(&wait_))
		;
	assert_true(wait_.late);
	assert_true(uv_hrtime() - began >= 20 * (uint64_t)1000 * 1000);
	end();
}

/* Once the check is over, nothing is waited for. */
static void
test_over(void **state)
{
	(void)state;
	wait_init(&wait_, &loop, 0);
	wait_.over = true;
	wait_begin(&wait_, 600 * (uint64_t)1000);
	assert_false(wait_more(&wait_));
	assert_false(wait_.late);
	end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_over),
	};

	uv_loop_init(&loop);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
