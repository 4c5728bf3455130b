/*
 * base/charset: names in the character sets of old clients, by the iconv of
 * this libc.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/charset.h"

static struct charset *
charset_of(const char *name)
{
	struct charset *charset = charset_new(name);

	if (charset == NULL)
		fail_msg("%s", name);
	return charset;
}

static void
check_to_server(struct charset *charset, const char *client, const char *server)
{
	char ret[64];
	long len = charset_to_server(charset, client, strlen(client), ret,
	    sizeof(ret));

	assert_int_equal(len, strlen(server));
	assert_memory_equal(ret, server, strlen(server));
}

static void
check_to_client(struct charset *charset, const char *server, const char *client)
{
	char ret[64];
	long len = charset_to_client(charset, server, strlen(server), ret,
	    sizeof(ret));

	assert_int_equal(len, strlen(client));
	assert_memory_equal(ret, client, strlen(client));
}

static void
check_both(struct charset *charset, const char *client, const char *server)
{
	check_to_server(charset, client, server);
	check_to_client(charset, server, client);
}

static void
check_invalid(struct charset *charset, const char *server)
{
	char ret[64];

	assert_int_equal(charset_to_client(charset, server, strlen(server), ret,
			     sizeof(ret)),
	    -EILSEQ);
	/* The next name is not affected. */
	check_both(charset, "a", "a");
}

static void
test_known(void **state)
{
	struct charset *charset = charset_of("CP850");

	(void)state;
	check_both(charset,
	    "/Gr\x81\xe1"
	    "e/\x9b.txt",
	    "/Grüße/ø.txt");
	check_both(charset, "\xd5", "ı");
	check_both(charset, "", "");
	charset_free(charset);
	charset = charset_of("CP437");
	check_both(charset,
	    "Gr\x81\xe1"
	    "e \xe3\xf9",
	    "Grüße π∙");
	check_invalid(charset, "ø");
	charset_free(charset);
	charset = charset_of("ISO-8859-1");
	check_both(charset,
	    "Gr\xfc\xdf"
	    "e \xf8\xff",
	    "Grüße øÿ");
	check_invalid(charset, "€");
	charset_free(charset);
}

/* Each byte but NUL is another character, and comes back. */
static void
test_round_trip(void **state)
{
	static const char *const names[] = { "CP850", "CP437", "ISO-8859-1",
		"ISO-8859-15", "KOI8-R" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct charset *charset = charset_of(names[i]);
		char bytes[255], server[1024], client[255];
		long len;

		for (size_t j = 0; j < sizeof(bytes); j++)
			bytes[j] = (char)(j + 1);
		len = charset_to_server(charset, bytes, sizeof(bytes), server,
		    sizeof(server));
		assert_true(len > 255);
		/* ASCII and its control characters are the same. */
		assert_memory_equal(server, bytes, 127);
		assert_int_equal(charset_to_client(charset, server, (size_t)len,
				     client, sizeof(client)),
		    255);
		assert_memory_equal(client, bytes, sizeof(bytes));
		charset_free(charset);
	}
}

/* No name of the client can be that of such a file. */
static void
test_not_expressible(void **state)
{
	struct charset *charset = charset_of("CP850");

	(void)state;
	check_invalid(charset, "€");
	check_invalid(charset, "abc日本");
	/* "e" and a combining accent are two characters. */
	check_invalid(charset, "e\xcc\x81");
	/* Not UTF-8: a byte of Latin-1; "/" in two bytes; a surrogate; a part
	 * of a character at the end. */
	check_invalid(charset, "Gr\xfc");
	check_invalid(charset, "\xc0\xaf");
	check_invalid(charset, "\xed\xa0\x80");
	check_invalid(charset, "a\xc3");
	charset_free(charset);
	/* A byte that the set of the client does not have. */
	charset = charset_of("ISO-8859-8");
	assert_int_equal(charset_to_server(charset, "a\xbf", 2, (char[8]) { 0 },
			     8),
	    -EILSEQ);
	check_both(charset, "a\xe0", "aא");
	charset_free(charset);
}

static void
test_size(void **state)
{
	struct charset *charset = charset_of("CP850");
	char ret[8];

	(void)state;
	memset(ret, 'x', sizeof(ret));
	assert_int_equal(charset_to_server(charset, "\x81\x81", 2, ret, 3),
	    -ENAMETOOLONG);
	assert_int_equal(ret[3], 'x');
	assert_int_equal(charset_to_server(charset, "\x81\x81", 2, ret, 4), 4);
	assert_int_equal(ret[4], 'x');
	assert_int_equal(charset_to_client(charset, "üa", 3, ret, 1),
	    -ENAMETOOLONG);
	assert_int_equal(charset_to_client(charset, "üa", 3, ret, 2), 2);
	assert_int_equal(charset_to_client(charset, "a", 1, ret, 0),
	    -ENAMETOOLONG);
	assert_int_equal(charset_to_client(charset, "", 0, ret, 0), 0);
	charset_free(charset);
}

/* Sets of more than a byte, and with state. */
static void
test_others(void **state)
{
	struct charset *charset = charset_of("SHIFT_JIS");

	(void)state;
	check_both(charset, "\x93\xfa\x96{", "日本");
	charset_free(charset);
	charset = charset_of("ISO-2022-JP");
	check_both(charset, "\x1b$BF|K\\\x1b(B", "日本");
	check_both(charset, "a", "a");
	/* No room for what ends it. */
	assert_int_equal(charset_to_client(charset, "日本", 6, (char[9]) { 0 },
			     9),
	    -ENAMETOOLONG);
	check_both(charset, "a", "a");
	charset_free(charset);
	charset = charset_of("UTF-8");
	check_both(charset, "Grüße", "Grüße");
	check_invalid(charset, "\xff");
	charset_free(charset);
}

static void
check_refused(const char *name)
{
	errno = 0;
	assert_null(charset_new(name));
	assert_int_equal(errno, EINVAL);
}

static void
test_refused(void **state)
{
	(void)state;
	check_refused("");
	check_refused("no-such-charset");
	check_refused("CP850//TRANSLIT");
	check_refused("CP850//IGNORE");
	check_refused("CP850,TRANSLIT");
	/* "/" is another byte, or several. */
	check_refused("IBM037");
	check_refused("UTF-16");
	check_refused("UTF-16LE");
	check_refused("UCS-4");
	charset_free(NULL);
}

static void
test_none(void **state)
{
	char ret[8];

	(void)state;
	check_both(NULL, "a\xff/\x80", "a\xff/\x80");
	check_both(NULL, "", "");
	assert_int_equal(charset_to_server(NULL, "abc", 3, ret, 2),
	    -ENAMETOOLONG);
	assert_int_equal(charset_to_client(NULL, "abc", 3, ret, 2),
	    -ENAMETOOLONG);
	assert_int_equal(charset_to_client(NULL, "abc", 3, ret, 3), 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_not_expressible),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
