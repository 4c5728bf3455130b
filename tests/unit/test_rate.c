/*
 * Tests of tunnel/rate.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tunnel/rate.h"

#define FLOWS 256

static void
test_bucket(void **state)
{
	struct rate rate;

	(void)state;
	rate_init(&rate, 1000000, 50);
	assert_int_equal(rate_left(&rate, 50), 100000);
	rate_spend(&rate, 100000);
	assert_int_equal(rate_left(&rate, 50), 0);
	assert_int_equal(rate_left(&rate, 51), 1000);
	assert_int_equal(rate_left(&rate, 151), 100000);
	assert_int_equal(rate_left(&rate, 1000000), 100000);
	/* It is never below the least. */
	rate_init(&rate, 1024, 0);
	assert_int_equal(rate_left(&rate, 0), RATE_BURST);
	rate_init(&rate, 64ULL << 30, 0);
	rate_spend(&rate, rate_left(&rate, 0));
	assert_int_equal(rate_left(&rate, UINT64_MAX), (64ULL << 30) / 10);
	rate_init(&rate, 0, 0);
	assert_true(rate_left(&rate, 1) == UINT64_MAX);
	rate_spend(&rate, 1ULL << 40);
	assert_true(rate_left(&rate, 2) == UINT64_MAX);
}

/* However often it is looked at, no byte is lost or won. */
static void
test_rests(void **state)
{
	struct rate rate;
	uint64_t sum = 0, left;

	(void)state;
	rate_init(&rate, 1023, 0);
	rate_spend(&rate, rate_left(&rate, 0));
	for (uint64_t now = 1; now <= 100000; now++) {
		left = rate_left(&rate, now);
		rate_spend(&rate, left);
		sum += left;
	}
	assert_int_equal(sum, 102300);
}

struct flow {
	struct rate_flow flow; /* the first */
	struct rate own;
	uint64_t got;
	struct rate_queue *leaves; /* in its turn */
};

static void
on_granted(struct rate_flow *rate_flow, size_t bytes)
{
	struct flow *flow = (struct flow *)rate_flow;

	flow->got += bytes;
	if (flow->leaves != NULL)
		rate_leave(flow->leaves, rate_flow);
}

static void
make(struct flow *flow, uint64_t own)
{
	*flow = (struct flow) { .flow.granted = on_granted };
	flow->flow.own = &flow->own;
	rate_init(&flow->own, own, 0);
}

/* Takes what the bucket has at the start. */
static void
empty(struct rate_queue *queue)
{
	struct flow flow;

	make(&flow, 0);
	rate_take(queue, &flow.flow, SIZE_MAX, 0);
}

static void
test_shares(void **state)
{
	struct rate_queue queue;
	struct flow flows[3];

	(void)state;
	rate_queue_init(&queue, 100000, 0);
	empty(&queue);
	for (size_t i = 0; i < 3; i++) {
		make(&flows[i], i == 2 ? 10000 : 0);
		rate_spend(&flows[i].own, i == 2 ? RATE_BURST : 0);
		rate_wait(&queue, &flows[i].flow, 1000000);
	}
	for (uint64_t now = 20; now <= 2000; now += 20)
		rate_turn(&queue, now);
	/* What the third may not have the others have. */
	assert_int_equal(flows[2].got, 20000);
	assert_in_range(flows[0].got, 89000, 91000);
	assert_in_range(flows[1].got, 89000, 91000);
	/* What is left is of the last turn. */
	assert_in_range(flows[0].got + flows[1].got + flows[2].got, 199000,
	    200000);
	for (size_t i = 0; i < 3; i++)
		rate_leave(&queue, &flows[i].flow);
	assert_int_equal(queue.n, 0);
}

/* Fewer bytes than flows: each has its own in a while. */
static void
test_less_than_one(void **state)
{
	static struct flow flows[FLOWS];
	struct rate_queue queue;

	(void)state;
	rate_queue_init(&queue, 1024, 0);
	empty(&queue);
	for (size_t i = 0; i < FLOWS; i++) {
		make(&flows[i], 0);
		rate_wait(&queue, &flows[i].flow, 1000);
	}
	for (uint64_t now = 20; now <= 10000; now += 20)
		rate_turn(&queue, now);
	for (size_t i = 0; i < FLOWS; i++)
		assert_in_range(flows[i].got, 39, 41);
}

/* Who comes while others wait has only what they leave. */
static void
test_in_turn(void **state)
{
	struct rate_queue queue;
	struct flow first, second;

	(void)state;
	rate_queue_init(&queue, 100000, 0);
	empty(&queue);
	make(&first, 0);
	make(&second, 0);
	rate_wait(&queue, &first.flow, 100);
	assert_int_equal(rate_take(&queue, &second.flow, 1000, 20), 0);
	rate_turn(&queue, 20);
	assert_int_equal(first.got, 100);
	assert_false(first.flow.waits);
	assert_int_equal(rate_take(&queue, &second.flow, 10000, 20), 1900);
	/* The first waits for its own bucket, which is no reason. */
	rate_init(&first.own, 1000, 20);
	rate_spend(&first.own, RATE_BURST);
	rate_wait(&queue, &first.flow, 100);
	rate_turn(&queue, 40);
	assert_int_equal(rate_take(&queue, &second.flow, 500, 40), 500);
	assert_int_equal(rate_take(&queue, &second.flow, 10000, 60), 1480);
	assert_int_equal(rate_take(&queue, &second.flow, 10000, 60), 0);
	rate_leave(&queue, &first.flow);
	rate_leave(&queue, &first.flow);
	assert_int_equal(rate_take(&queue, &second.flow, 10000, 60), 2000);
}

static void
test_leaves_in_its_turn(void **state)
{
	struct rate_queue queue;
	struct flow flows[3];

	(void)state;
	rate_queue_init(&queue, 100000, 0);
	empty(&queue);
	for (size_t i = 0; i < 3; i++) {
		make(&flows[i], 0);
		flows[i].leaves = &queue;
		rate_wait(&queue, &flows[i].flow, 1000000);
	}
	rate_turn(&queue, 30);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(flows[i].got, 1000);
	assert_int_equal(queue.n, 0);
	rate_turn(&queue, 60);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bucket),
		cmocka_unit_test(test_rests),
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_less_than_one),
		cmocka_unit_test(test_in_turn),
		cmocka_unit_test(test_leaves_in_its_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
