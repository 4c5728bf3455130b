/*
 * Pauses between attempts, which grow, and differ from host to host.  No I/O.
 */
#ifndef SSH_PAUSE_H
#define SSH_PAUSE_H

#include <stdint.h>

/* For embedding; treat the fields as private. */
struct pause {
	uint64_t first_ms;
	uint64_t max_ms;
	uint64_t next_ms; /* the longest that the next one may be */
};

/* 0 < first_ms <= max_ms. */
void pause_init(struct pause *pause, uint64_t first_ms, uint64_t max_ms);

/*
 * The pause, in ms, after a failed attempt, or after the loss of what had
 * lasted lived_ms (0: it was never up).
 *
 * A pause is between half of a bound and the bound, and at least first_ms.  The
 * bound is twice first_ms at first, doubles each time, and is at most max_ms.
 * What has lasted longer than its bound starts from the beginning.
 */
uint64_t pause_after(struct pause *pause, uint64_t lived_ms);

/* The same with 32 random bits of the caller's. */
uint64_t pause_draw(struct pause *pause, uint64_t lived_ms, uint32_t random);

#endif
