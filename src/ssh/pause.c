/*
 * Pauses between attempts.
 */
#include "ssh/pause.h"

#include <assert.h>
#include <sys/random.h>

/* Twice ms, or the maximum if that is less. */
static uint64_t
twice(const struct pause *pause, uint64_t ms)
{
	return ms > pause->max_ms / 2 ? pause->max_ms : 2 * ms;
}

void
pause_init(struct pause *pause, uint64_t first_ms, uint64_t max_ms)
{
	assert(first_ms > 0 && first_ms <= max_ms);
	pause->first_ms = first_ms;
	pause->max_ms = max_ms;
	pause->next_ms = twice(pause, first_ms);
}

uint64_t
pause_draw(struct pause *pause, uint64_t lived_ms, uint32_t random)
{
	uint64_t bound, half;

	if (lived_ms > pause->next_ms)
		pause->next_ms = twice(pause, pause->first_ms);
	bound = pause->next_ms;
	pause->next_ms = twice(pause, bound);
	half = bound / 2 < pause->first_ms ? pause->first_ms : bound / 2;
	return half + random % (bound - half + 1);
}

uint64_t
pause_after(struct pause *pause, uint64_t lived_ms)
{
	uint32_t random = 0;

	/* With 0 the pause is the shortest one. */
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = 0;
	return pause_draw(pause, lived_ms, random);
}
