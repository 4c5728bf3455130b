/*
 * Hashes of passwords.
 */
#include "hashes.h"

#include <crypt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

const char *
make_hash(const char *password, const char *method, unsigned long cost)
{
	static char hashes[8][CRYPT_OUTPUT_SIZE];
	static unsigned next;
	char *hash = hashes[next++ % 8];
	const char *setting = crypt_gensalt(method, cost, NULL, 0);
	const char *made;

	assert_non_null(setting);
	made = crypt(password, setting);
	assert_non_null(made);
	assert_true(made[0] == '$');
	strcpy(hash, made);
	return hash;
}

struct login_file *
make_login_file(const char *format, ...)
{
	char text[4096], why[LOGIN_FILE_WHY_MAX] = "";
	struct login_file *file;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	file = login_file_parse(text, strlen(text), why, sizeof(why));
	assert_string_equal(why, "");
	assert_non_null(file);
	return file;
}
