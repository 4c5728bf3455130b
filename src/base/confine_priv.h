/*
 * The stages of confine.c that are in files of their own.
 */
#ifndef BASE_CONFINE_PRIV_H
#define BASE_CONFINE_PRIV_H

#include "base/confine.h"

/* AddressSanitizer (LeakSanitizer) traces its own process when that ends, which
 * the confinement must permit. */
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

/* A build with coverage (meson.build): the process writes files beside the
 * object files when it ends, so Landlock is not used. */
#ifndef CONFINE_COVERAGE
#define CONFINE_COVERAGE 0
#endif

/* Applies Landlock; directory is that of struct confine_options.  Returns 0
 * with the ABI in *ret_abi, -EOPNOTSUPP if the kernel has no Landlock, or
 * another negative errno. */
int confine_files(const char *directory, int *ret_abi);

/* Load a seccomp filter: confine_rings() makes io_uring fail with ENOSYS,
 * confine_calls() permits only the calls that culvert needs; foreign as in
 * struct confine_options.  Return 0, -EOPNOTSUPP if the kernel has no filters,
 * or another negative errno. */
int confine_rings(void);
int confine_calls(bool foreign);

#endif
