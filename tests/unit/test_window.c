/*
 * Receive windows.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "limits.h"
#include "ssh/window.h"

#define MIB ((uint32_t)1 << 20)
#define RTT 100000 /* microseconds */

static void
open_data(struct window *window, struct window_path *path)
{
	assert_int_equal(window_open(window, path, true, 0), 2 * MIB);
}

/* A round trip of so many microseconds in which len bytes come and are taken at
 * once. */
static void
round_trip(struct window *window, uint64_t len, uint64_t time)
{
	uint64_t now = window->probed_at;
	uint32_t piece;

	assert_true(window->probing);
	for (; len > 0; len -= piece) {
		piece = len < 32768 ? (uint32_t)len : 32768;
		assert_true(window_receive(window, piece));
		window_consume(window, piece);
		window_grant(window);
		assert_false(window_must_probe(window, now));
	}
	window_answered(window, now + time);
	window_grant(window);
}

/* Up to the probe. */
static void
up_to_probe(struct window *window)
{
	while (!window_must_probe(window, 1000)) {
		assert_true(window_receive(window, 4096));
		window_consume(window, 4096);
		window_grant(window);
	}
}

/* While the window is all that limits. */
static int
grow(struct window *window, uint32_t to)
{
	uint32_t before;
	int trips = 0;

	while (window->target < to) {
		before = window->target;
		up_to_probe(window);
		round_trip(window, window->left, RTT);
		assert_true(window->target > before);
		trips++;
	}
	return trips;
}

static void
test_first(void **state)
{
	struct window_budget budget;
	struct window_path path;
	struct window data, control;

	(void)state;
	window_budget_init(&budget, 256 * MIB, 64 * MIB);
	window_path_init(&path, &budget);
	open_data(&data, &path);
	assert_int_equal(window_open(&control, &path, false, 0), 128 * 1024);
	assert_int_equal(budget.used, 2 * MIB);
	assert_true(window_receive(&control, 128 * 1024));
	assert_false(window_receive(&control, 1));
	window_consume(&control, 128 * 1024);
	assert_int_equal(window_grant(&control), 128 * 1024);
	/* It never asks, and never grows. */
	for (int i = 0; i < 1000; i++) {
		assert_true(window_receive(&control, 64 * 1024));
		window_consume(&control, 64 * 1024);
		window_grant(&control);
		assert_false(window_must_probe(&control, 1));
	}
	window_close(&control);
	window_close(&control);
	window_close(&data);
	assert_int_equal(budget.used, 0);
	assert_int_equal(budget.n, 0);
}

/* Doubled a round trip, and later 4 MiB more, while it is what limits. */
static void
test_grows(void **state)
{
	struct window_budget budget;
	struct window_path path;
	struct window window;

	(void)state;
	window_budget_init(&budget, 256 * MIB, 64 * MIB);
	window_path_init(&path, &budget);
	open_data(&window, &path);
	up_to_probe(&window);
	round_trip(&window, 2 * MIB - 65536, RTT);
	assert_int_equal(window.target, 4 * MIB - 131072);
	assert_in_range(grow(&window, 64 * MIB), 14, 22);
	assert_int_equal(window.target, 64 * MIB);
	assert_true(window.left > 60 * MIB);
	assert_int_equal(budget.used, window.left);
}

/* What the path does not fill stays as it is. */
static void
test_stays(void **state)
{
	struct window_budget budget;
	struct window_path path;
	struct window window;

	(void)state;
	window_budget_init(&budget, 256 * MIB, 64 * MIB);
	window_path_init(&path, &budget);
	open_data(&window, &path);
	up_to_probe(&window);
	round_trip(&window, MIB, RTT);
	assert_int_equal(window.target, 2 * MIB);
	up_to_probe(&window);
	round_trip(&window, MIB + MIB / 2, RTT);
	assert_int_equal(window.target, 3 * MIB);
}

/* A longer round trip is data that wait somewhere: the window comes back to
 * what the path holds, and some more. */
static void
test_queue(void **state)
{
	struct window_budget budget;
	struct window_path path;
	struct window window;

	(void)state;
	window_budget_init(&budget, 256 * MIB, 64 * MIB);
	window_path_init(&path, &budget);
	open_data(&window, &path);
	grow(&window, 40 * MIB);
	up_to_probe(&window);
	round_trip(&window, 36 * MIB, 3 * RTT);
	/* One slow answer may be a pause of somebody. */
	assert_int_equal(window.target, 20 * MIB);
	up_to_probe(&window);
	round_trip(&window, 36 * MIB, 3 * RTT);
	assert_int_equal(window.target, (12 + 4) * MIB);
	/* Nothing is given before it has come down. */
	assert_true(window.left > 16 * MIB);
	assert_int_equal(window_grant(&window), 0);
	/* The clock has not moved, or has gone backwards. */
	for (int i = 0; i < 3; i++) {
		up_to_probe(&window);
		round_trip(&window, 0, 0);
		up_to_probe(&window);
		window_answered(&window, 0);
	}
	assert_int_equal(window.target, 2 * MIB);
}

/* The first data wait somewhere already; that the trip is a short one, the
 * opening has shown, of this channel or of another. */
static void
test_queue_from_the_start(void **state)
{
	struct window_budget budget;
	struct window_path path;
	struct window first, second;

	(void)state;
	window_budget_init(&budget, 256 * MIB, 64 * MIB);
	window_path_init(&path, &budget);
	assert_int_equal(window_open(&first, &path, true, 1000), 2 * MIB);
	window_opened(&first, 1300);
	open_data(&second, &path);
	window_opened(&second, 9000);
	up_to_probe(&first);
	round_trip(&first, 2 * MIB - 65536, 9000);
	assert_int_equal(first.target, 2 * MIB);
	up_to_probe(&second);
	round_trip(&second, 2 * MIB - 65536, 9000);
	assert_int_equal(second.target, 2 * MIB);
}

/* A path that has become longer is found out when no data are on their way. */
static void
test_path_changes(void **state)
{
	const uint64_t second = 1000 * 1000, minute = 60 * second;
	struct window_budget budget;
	struct window_path path;
	struct window one, other, control;

	(void)state;
	window_budget_init(&budget, 256 * MIB, 64 * MIB);
	window_path_init(&path, &budget);
	window_open(&control, &path, false, minute);
	window_opened(&control, minute + 300);
	window_open(&one, &path, true, minute);
	window_opened(&one, minute + 500);
	assert_int_equal(path.shortest, 300);
	/* Data have just come. */
	assert_true(window_receive(&one, MIB));
	assert_true(window_must_probe(&one, 3 * minute));
	window_open(&other, &path, true, 3 * minute + second - 1);
	window_opened(&other, 3 * minute + second + RTT);
	assert_int_equal(path.shortest, 300);
	/* One that stands unused does not count. */
	window_close(&other);
	window_close(&other);
	window_open(&other, &path, true, 3 * minute + second);
	assert_int_equal(path.shortest, 0);
	window_opened(&other, 3 * minute + second + RTT);
	assert_int_equal(path.shortest, RTT);
	window_close(&other);
	/* Not again so soon. */
	window_open(&other, &path, true, 4 * minute);
	window_opened(&other, 4 * minute + 2 * RTT);
	assert_int_equal(path.shortest, RTT);
	/* Given up before the peer has opened it. */
	window_close(&other);
	window_opened(&other, 4 * minute + 1);
	assert_int_equal(path.shortest, RTT);
}

/* A reader that lags behind: its window becomes smaller again. */
static void
test_shrinks(void **state)
{
	struct window_budget budget;
	struct window_path path;
	struct window window;

	(void)state;
	window_budget_init(&budget, 256 * MIB, 64 * MIB);
	window_path_init(&path, &budget);
	open_data(&window, &path);
	grow(&window, 64 * MIB);
	up_to_probe(&window);
	assert_true(window_receive(&window, 33 * MIB));
	window_answered(&window, 1000 + RTT);
	assert_int_equal(window.target, 32 * MIB);
	/* Half of what it may be is to be taken before more is given. */
	assert_int_equal(window_grant(&window), 0);
	window_consume(&window, 16 * MIB);
	assert_int_equal(window_grant(&window), 0);
	assert_true(window.left + window.held > 32 * MIB);
	window_consume(&window, 17 * MIB);
	assert_int_equal(window_grant(&window), 0);
	assert_true(window_receive(&window, MIB));
	window_consume(&window, MIB);
	assert_true(window_grant(&window) >= 2 * MIB);
	assert_int_equal(window.left, 32 * MIB);
	/* One that lags a little stays where it is. */
	up_to_probe(&window);
	for (int i = 0; i < 6; i++) {
		assert_true(window_receive(&window, 9 * MIB));
		window_consume(&window, 9 * MIB);
		window_grant(&window);
	}
	window_answered(&window, 1000 + RTT);
	assert_int_equal(window.target, 32 * MIB);
	/* A sender that has become slow, and never less than at first. */
	for (int i = 0; i < 4; i++) {
		assert_true(window.target > 2 * MIB);
		up_to_probe(&window);
		round_trip(&window, 1000, RTT);
	}
	assert_int_equal(window.target, 2 * MIB);
}

/* Many share the budget equally; it is never exceeded but by the smallest. */
static void
test_budget(void **state)
{
	struct window_budget budget;
	struct window_path path;
	struct window window[64], late;

	(void)state;
	window_budget_init(&budget, 64 * MIB, 64 * MIB);
	window_path_init(&path, &budget);
	open_data(&window[0], &path);
	grow(&window[0], 48 * MIB);
	/* Most is promised: others begin small ... */
	assert_true(budget.used > 46 * MIB && budget.used <= 48 * MIB);
	for (int i = 1; i < 64; i++)
		assert_true(window_open(&window[i], &path, true, 0) <= 4 * MIB);
	assert_true(budget.used <= 64 * MIB + 63 * LIMIT_WINDOW_SMALL);
	assert_true(window[63].left == LIMIT_WINDOW_SMALL);
	/* ... and the first gives way, as its data come. */
	for (int i = 0; i < 64; i++) {
		while (window[0].left > MIB) {
			assert_true(window_receive(&window[0], 65536));
			window_consume(&window[0], 65536);
			window_grant(&window[0]);
		}
	}
	assert_true(window[0].left <= MIB);
	assert_true(window_receive(&window[63], 65536));
	window_consume(&window[63], 65536);
	window_grant(&window[63]);
	assert_int_equal(window[63].left, MIB);
	assert_true(budget.used <= 64 * MIB);
	for (int i = 0; i < 64; i++)
		window_close(&window[i]);
	assert_int_equal(budget.used, 0);
	/* Held by a channel that is closed: still in the count. */
	open_data(&late, &path);
	assert_true(window_receive(&late, MIB));
	window_close(&late);
	/* The connection may be gone by then. */
	memset(&path, 0xff, sizeof(path));
	assert_int_equal(budget.used, MIB);
	assert_int_equal(window_grant(&late), 0);
	assert_false(window_must_probe(&late, 1));
	window_consume(&late, MIB);
	assert_int_equal(budget.used, 0);
}

/* Control connections take nothing from the others, however many there are. */
static void
test_control_apart(void **state)
{
	static struct window control[5000];
	struct window_budget budget;
	struct window_path path;
	struct window data;
	const size_t n = sizeof(control) / sizeof(control[0]);

	(void)state;
	window_budget_init(&budget, 64 * MIB, 64 * MIB);
	window_path_init(&path, &budget);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(window_open(&control[i], &path, false, 0),
		    LIMIT_WINDOW_SMALL);
	open_data(&data, &path);
	grow(&data, 40 * MIB);
	assert_true(data.left > 38 * MIB);
	assert_true(window_receive(&control[0], 1000));
	window_consume(&control[0], 1000);
	for (size_t i = 0; i < n; i++)
		window_close(&control[i]);
	assert_true(budget.used > 38 * MIB);
	window_close(&data);
	assert_int_equal(budget.used, 0);
}

/* Readers that stop keep what they have, but never all there is. */
static void
test_stopped(void **state)
{
	struct window_budget budget;
	struct window_path path;
	struct window stopped[2], reader;

	(void)state;
	window_budget_init(&budget, 64 * MIB, 64 * MIB);
	window_path_init(&path, &budget);
	for (int i = 0; i < 2; i++) {
		assert_true(window_open(&stopped[i], &path, true, 0) >= MIB);
		for (int trip = 0; trip < 40; trip++) {
			up_to_probe(&stopped[i]);
			round_trip(&stopped[i], stopped[i].left, RTT);
		}
		assert_true(window_receive(&stopped[i], stopped[i].left));
	}
	assert_true(stopped[0].held > 40 * MIB);
	assert_true(window_open(&reader, &path, true, 0) >= MIB);
	grow(&reader, 3 * MIB);
	assert_true(reader.left >= 2 * MIB);
	assert_true(budget.used <= 64 * MIB);
}

/* However many stand unused, the next has a window to work with. */
static void
test_unused(void **state)
{
	struct window_budget budget;
	struct window_path path;
	struct window window[300];
	uint32_t first;

	(void)state;
	window_budget_init(&budget, 256 * MIB, 64 * MIB);
	window_path_init(&path, &budget);
	for (int i = 0; i < 300; i++) {
		first = window_open(&window[i], &path, true, 0);
		assert_true(first >= LIMIT_WINDOW_SMALL);
		assert_true(i >= 120 || first >= MIB);
	}
	assert_true(budget.used <= 256 * MIB + 200 * LIMIT_WINDOW_SMALL);
	for (int i = 0; i < 300; i++)
		window_close(&window[i]);
	assert_int_equal(budget.used, 0);
}

/* An answer to nothing, as a peer may send it. */
static void
test_stray_answer(void **state)
{
	struct window_budget budget;
	struct window_path path;
	struct window window;

	(void)state;
	window_budget_init(&budget, 256 * MIB, 64 * MIB);
	window_path_init(&path, &budget);
	open_data(&window, &path);
	assert_true(window_receive(&window, 2 * MIB));
	window_consume(&window, 2 * MIB);
	window_answered(&window, 1);
	assert_int_equal(window.target, 2 * MIB);
	assert_int_equal(window_grant(&window), 2 * MIB);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first),
		cmocka_unit_test(test_grows),
		cmocka_unit_test(test_stays),
		cmocka_unit_test(test_queue),
		cmocka_unit_test(test_queue_from_the_start),
		cmocka_unit_test(test_path_changes),
		cmocka_unit_test(test_shrinks),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_control_apart),
		cmocka_unit_test(test_stopped),
		cmocka_unit_test(test_unused),
		cmocka_unit_test(test_stray_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
