/*
 * Capabilities (capabilities(7)), by the system calls, because no more of
 * libcap would be used.  Each thread has its own capabilities, so call these
 * functions while there is only one thread.
 */
#ifndef BASE_CAPS_H
#define BASE_CAPS_H

#include <stdint.h>

#define CAPS_MASK(capability) (UINT64_C(1) << (capability))

/* Keeps only those capabilities in keep that are permitted now.  The others
 * cannot be regained or inherited.  0 or a negative errno. */
int caps_keep(uint64_t keep);

/* Empties the bounding set: no program that is run from now on can gain a
 * capability.  0 or a negative errno; -EPERM without CAP_SETPCAP. */
int caps_drop_bounding(void);

#endif
