/*
 * ssh/pause: bounds, growth, and a new beginning.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ssh/pause.h"

#define FIRST 1000
#define MAX 60000

/* The shortest and the longest of each pause, one after the other. */
static const struct {
	uint64_t low;
	uint64_t high;
} bounds[] = { { 1000, 2000 }, { 2000, 4000 }, { 4000, 8000 }, { 8000, 16000 },
	{ 16000, 32000 }, { 30000, 60000 }, { 30000, 60000 },
	{ 30000, 60000 } };

#define N_BOUNDS (sizeof(bounds) / sizeof(bounds[0]))

static void
pauses_grow_between_their_bounds(void **state)
{
	(void)state;
	for (uint32_t random = 0; random < 100000; random += 37) {
		struct pause pause;

		pause_init(&pause, FIRST, MAX);
		for (size_t i = 0; i < N_BOUNDS; i++) {
			uint64_t ms =
			    pause_draw(&pause, 0, random * 2654435761u);

			assert_in_range(ms, bounds[i].low, bounds[i].high);
		}
	}
}

/* Each bound is met, so the spread is the whole. */
static void
pauses_are_spread(void **state)
{
	bool low = false, high = false;

	(void)state;
	for (uint32_t random = 0; random < 1001; random++) {
		struct pause pause;
		uint64_t ms;

		pause_init(&pause, FIRST, MAX);
		ms = pause_draw(&pause, 0, random);
		low |= ms == FIRST;
		high |= ms == 2 * FIRST;
	}
	assert_true(low);
	assert_true(high);
}

static void
what_stood_long_begins_anew(void **state)
{
	struct pause pause;

	(void)state;
	pause_init(&pause, FIRST, MAX);
	for (int i = 0; i < 8; i++)
		pause_draw(&pause, 0, 0);
	/* Not longer than the pause that is next: it goes on. */
	assert_int_equal(pause_draw(&pause, MAX, 0), MAX / 2);
	assert_int_equal(pause_draw(&pause, MAX + 1, 0), FIRST);
	assert_int_equal(pause_draw(&pause, 0, 0), 2 * FIRST);
}

static void
one_bound_is_a_fixed_pause(void **state)
{
	struct pause pause;

	(void)state;
	pause_init(&pause, 7, 7);
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(pause_draw(&pause, i, UINT32_MAX - i), 7);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pauses_grow_between_their_bounds),
		cmocka_unit_test(pauses_are_spread),
		cmocka_unit_test(what_stood_long_begins_anew),
		cmocka_unit_test(one_bound_is_a_fixed_pause),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
