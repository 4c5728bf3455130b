/*
 * The two stages that have files of their own.
 */
#ifndef BASE_CONFINE_PRIV_H
#define BASE_CONFINE_PRIV_H

#include "base/confine.h"

/* AddressSanitizer looks at its own process when that ends. */
#if defined(__SANITIZE_ADDRESS__)
#define CONFINE_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CONFINE_SANITIZED 1
#endif
#endif
#ifndef CONFINE_SANITIZED
#define CONFINE_SANITIZED 0
#endif

/* Coverage is written when the process ends, beside the objects (meson.build).
 */
#ifndef CONFINE_COVERAGE
#define CONFINE_COVERAGE 0
#endif

/* 0 with the ABI; -EOPNOTSUPP, the kernel has none; other negative errno. */
int confine_files(const char *directory, int *ret_abi);

/* Both: 0; -EOPNOTSUPP; other negative errno. */
int confine_rings(void);
int confine_calls(void);

#endif
