/*
 * Tests of tunnel/admission.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "helpers.h"
#include "tunnel/admission.h"

static const struct addr nobody = { .family = AF_UNSPEC };

/* A place, or NULL after a refusal whose words say word. */
static struct admission_place *
enter(struct admission *admission, const struct addr *peer, const char *word)
{
	enum refusal refusal = REFUSALS;
	const char *reply;
	char why[200] = "";
	struct admission_place *place =
	    admission_enter(admission, peer, why, sizeof(why), &refusal);

	if (word == NULL) {
		assert_non_null(place);
		return place;
	}
	assert_null(place);
	assert_non_null(strstr(why, word));
	reply = refusal_reply(refusal);
	assert_memory_equal(reply, "421 ", 4);
	assert_string_equal(reply + strlen(reply) - 2, "\r\n");
	return NULL;
}

static void
test_in_all(void **state)
{
	struct admission_limits limits = { .sessions = 2 };
	struct admission *admission = admission_new(&limits);
	struct addr one = address("192.0.2.1"), two = address("2001:db8::1");
	struct admission_place *first, *second;

	(void)state;
	assert_non_null(admission);
	first = enter(admission, &one, NULL);
	second = enter(admission, &two, NULL);
	assert_int_equal(admission_count(admission), 2);
	enter(admission, &nobody, "2 sessions are running");
	admission_leave(first);
	assert_int_equal(admission_count(admission), 1);
	first = enter(admission, &nobody, NULL);
	enter(admission, &one, "--max-sessions");
	admission_leave(second);
	admission_leave(first);
	assert_int_equal(admission_count(admission), 0);
	admission_free(admission);
}

/* Ports do not count; addresses that are not known do not either. */
static void
test_per_address(void **state)
{
	struct admission_limits limits = { .sessions = 9, .per_address = 2 };
	struct admission *admission = admission_new(&limits);
	struct addr one = address("192.0.2.1"), two = address("192.0.2.2");
	struct admission_place *places[7];

	(void)state;
	assert_non_null(admission);
	places[0] = enter(admission, &one, NULL);
	one.port = 4711;
	places[1] = enter(admission, &one, NULL);
	enter(admission, &one, "--max-per-address");
	places[2] = enter(admission, &two, NULL);
	for (size_t i = 3; i < 7; i++)
		places[i] = enter(admission, &nobody, NULL);
	admission_leave(places[0]);
	places[0] = enter(admission, &one, NULL);
	enter(admission, &one, "--max-per-address");
	for (size_t i = 0; i < 7; i++)
		admission_leave(places[i]);
	admission_free(admission);
}

static void
test_logins(void **state)
{
	struct admission_limits limits = { .sessions = 9, .logins = 1 };
	struct admission *admission = admission_new(&limits);
	struct admission_place *first, *second;

	(void)state;
	assert_non_null(admission);
	first = enter(admission, &nobody, NULL);
	enter(admission, &nobody, "--max-logins");
	admission_logged_in(first);
	admission_logged_in(first);
	second = enter(admission, &nobody, NULL);
	enter(admission, &nobody, "no login yet");
	/* One that ends without a login has its place back, too. */
	admission_leave(second);
	second = enter(admission, &nobody, NULL);
	admission_leave(first);
	enter(admission, &nobody, "--max-logins");
	admission_leave(second);
	admission_free(admission);
	admission_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_all),
		cmocka_unit_test(test_per_address),
		cmocka_unit_test(test_logins),
	};

	return cmocka_run_group_tests_name("admission", tests, NULL, NULL);
}
