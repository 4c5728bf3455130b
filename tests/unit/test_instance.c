/*
 * Requests to a control socket, and the filter of an answer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/instance.h"

/* An instance whose peer has the other end, *ret_peer. */
static struct instance
connected(int *ret_peer)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	*ret_peer = pair[1];
	return (struct instance) { .fd = pair[0] };
}

static void
test_answers(void **state)
{
	static const char answers[] =
	    "{\"ok\":true}\n{\"error\":\"no \\u0007\"}\n";
	char why[INSTANCE_WHY_MAX];
	struct instance instance;
	json_t *answer;
	int peer;

	instance = connected(&peer);
	assert_int_equal(write(peer, answers, strlen(answers)),
	    strlen(answers));
	answer = instance_status(&instance, why);
	assert_true(json_is_true(json_object_get(answer, "ok")));
	json_decref(answer);
	assert_null(instance_status(&instance, why));
	assert_string_equal(why, "no \\x07");
	assert_true(instance.fd >= 0);
	instances_close(&instance, 1);
	close(peer);
}

/* The descriptor is not closed a second time. */
static void
test_ended(void **state)
{
	char why[INSTANCE_WHY_MAX];
	struct instance instance;
	int peer;

	instance = connected(&peer);
	shutdown(peer, SHUT_WR);
	assert_null(instance_status(&instance, why));
	assert_string_equal(why, "culvert has ended");
	assert_int_equal(instance.fd, -1);
	instances_close(&instance, 1);
	close(peer);
}

static void
test_keep(void **state)
{
	static const char text[] =
	    "{\"destinations\": ["
	    "{\"tunnels\": [{\"name\": \"a\"}, {\"name\": \"b\"}]},"
	    "{\"tunnels\": [{\"name\": null}]},"
	    "{\"tunnels\": [{\"name\": \"c\"}]}]}";
	static const char *const names[] = { "b", "x" };
	json_t *status = json_loads(text, 0, NULL);
	json_t *left;

	assert_true(status_keep(status, names, 2));
	left = json_object_get(status, "destinations");
	assert_int_equal(json_array_size(left), 1);
	left = json_object_get(json_array_get(left, 0), "tunnels");
	assert_int_equal(json_array_size(left), 1);
	assert_false(status_keep(status, names + 1, 1));
	json_decref(status);
	assert_false(status_keep(NULL, names, 2));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_ended),
		cmocka_unit_test(test_keep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
