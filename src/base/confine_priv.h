/*
 * The stages of confine.c that are in files of their own.
 */
#ifndef BASE_CONFINE_PRIV_H
#define BASE_CONFINE_PRIV_H

#include "base/confine.h"

/* AddressSanitizer examines its own process when that ends. */
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

/* With coverage (meson.build), the process writes files beside the objects when
 * it ends. */
#ifndef CONFINE_COVERAGE
#define CONFINE_COVERAGE 0
#endif

/* Landlock.  Returns 0 with the ABI in *ret_abi; -EOPNOTSUPP if the kernel has
 * none; or another negative errno. */
int confine_files(const char *directory, int *ret_abi);

/* The two seccomp filters.  0, -EOPNOTSUPP or another negative errno. */
int confine_rings(void);
int confine_calls(void);

#endif
