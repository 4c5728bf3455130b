/*
 * Capabilities (capabilities(7)), by system calls: two functions do not justify
 * the library libcap.  Each thread has its own capabilities, so call these
 * functions while there is only one thread.
 */
#ifndef BASE_CAPS_H
#define BASE_CAPS_H

#include <stdint.h>

/* The bit of one capability (CAP_...) in a mask. */
#define CAPS_MASK(capability) (UINT64_C(1) << (capability))

/* Drops all capabilities that are not in the mask keep.  They cannot be
 * regained, and programs that this process runs inherit none.  Returns 0 or a
 * negative errno. */
int caps_keep(uint64_t keep);

/* Empties the bounding set: no program that is run from now on can gain a
 * capability.  Returns 0 or a negative errno, which is -EPERM without
 * CAP_SETPCAP. */
int caps_drop_bounding(void);

#endif
