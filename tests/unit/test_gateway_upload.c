/*
 * Uploads of the gateway to OpenSSH's sftp-server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "gatewayenv.h"
#include "limits.h"

/* Restarted behind the file's end, an upload is refused and changes nothing. */
static void
test_restart_behind_the_end_changes_nothing(void **state)
{
	struct gatewayenv *env = *state;

	gatewayenv_start(env);
	gatewayenv_put(env, "f", "0123456789", 10);
	gatewayenv_command(env, "TYPE I", "200 ");
	gatewayenv_command(env, "REST 11", "350 ");
	gatewayenv_upload(env, "STOR f", "abc", 3, "551 ");
	gatewayenv_check(env, "f", "0123456789", 10);
}

/* The temporary name is longer than the file's. */
static void
test_name_too_long(void **state)
{
	struct gatewayenv *env = *state;
	char line[4200] = "STOR /";

	gatewayenv_start(env);
	for (size_t i = strlen(line); i < 5 + 4090; i++)
		line[i] = i % 2 == 0 ? '/' : 'a';
	gatewayenv_upload(env, line, "abc", 3, "553 ");
	assert_int_equal(env->n_left_over, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		GATEWAY_TEST(test_restart_behind_the_end_changes_nothing),
		GATEWAY_TEST(test_name_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
