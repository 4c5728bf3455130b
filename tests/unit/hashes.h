/*
 * Hashes of passwords, made by crypt(3), for the tests of the login file.
 */
#ifndef UNIT_HASHES_H
#define UNIT_HASHES_H

#include <stdarg.h>

#include "gateway/login_file.h"

/* Of the methods that a login file may have, with their least cost. */
#define YESCRYPT "$y$", 1
#define SHA512 "$6$", 1000
#define BCRYPT "$2b$", 4

/* The hash; valid until this was called eight times more. */
const char *make_hash(const char *password, const char *method,
    unsigned long cost);

/* The login file with a text in the format of printf(3). */
struct login_file *make_login_file(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

#endif
