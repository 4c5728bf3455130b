/*
 * Pauses between attempts: they grow, and no two hosts keep step.  No clock.
 */
#ifndef SSH_PAUSE_H
#define SSH_PAUSE_H

#include <stdint.h>

/* Embedding it is the point; treat the fields as private. */
struct pause {
	uint64_t first_ms;
	uint64_t max_ms;
	uint64_t next_ms; /* the longest that the next one may be */
};

/* 0 < first_ms <= max_ms. */
void pause_init(struct pause *pause, uint64_t first_ms, uint64_t max_ms);

/*
 * How long to wait, in ms, after an attempt that failed, or after what had
 * stood for lived_ms (0: it never did) was lost.
 *
 * Each pause is between the half and the whole of a bound, and never less than
 * first_ms.  The bound is twice first_ms at first, twice as much each time, and
 * max_ms at most.  What has stood for longer than its bound makes a new
 * beginning.
 */
uint64_t pause_after(struct pause *pause, uint64_t lived_ms);

/* The same with the caller's random bits, any 32 evenly spread. */
uint64_t pause_draw(struct pause *pause, uint64_t lived_ms, uint32_t random);

#endif
