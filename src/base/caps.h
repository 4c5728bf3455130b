/*
 * Capabilities (capabilities(7)), by the system calls themselves: of libcap no
 * more than this would be used.  They are a thread's own: call these while
 * there is only one.
 */
#ifndef BASE_CAPS_H
#define BASE_CAPS_H

#include <stdint.h>

#define CAPS_MASK(capability) (UINT64_C(1) << (capability))

/* Leaves what is in keep, of what is permitted; nothing can be had again, nor
 * inherited.  0 or a negative errno. */
int caps_keep(uint64_t keep);

/* Nothing that is run from here on can gain any (the bounding set).  0 or a
 * negative errno; -EPERM for who is not root, nor may do that. */
int caps_drop_bounding(void);

#endif
