/*
 * File names in other character sets than UTF-8, by iconv(3).
 */
#include "base/charset.h"

#include <errno.h>
#include <iconv.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ICONV_NONE ((iconv_t)-1)

struct charset {
	iconv_t to_server, to_client;
};

static long
charset_convert(iconv_t conversion, const char *name, size_t len, char *ret,
    size_t size)
{
	/* iconv() does not write to what it reads. */
	char *in = (char *)(uintptr_t)name, *out = ret;
	size_t left = size, n;

	iconv(conversion, NULL, NULL, NULL, NULL);
	n = iconv(conversion, &in, &len, &out, &left);
	/* The end: some sets have state, and shift back. */
	if (n == 0)
		n = iconv(conversion, NULL, NULL, &out, &left);
	if (n == 0)
		return (long)(size - left);
	/* Others than E2BIG: an invalid character, EILSEQ; a part of one at the
	 * end, EINVAL; or characters that were replaced, n of them. */
	return n == SIZE_MAX && errno == E2BIG ? -ENAMETOOLONG : -EILSEQ;
}

/* Is that part of ASCII itself that paths and globs need?  Sets for Japan and
 * national variants of ASCII have others than "\", "~" and more. */
static bool
charset_keeps_ascii(iconv_t conversion)
{
	static const char ascii[] = "/. -_*?ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz0123456789";
	char text[sizeof(ascii)];
	long len = (long)strlen(ascii);

	return charset_convert(conversion, ascii, strlen(ascii), text,
		   sizeof(text)) == len &&
	    memcmp(text, ascii, strlen(ascii)) == 0;
}

struct charset *
charset_new(const char *client)
{
	struct charset *charset;

	/* "" is the set of the locale, and what is behind "/" or "," asks for
	 * replacements: they would be names of other files. */
	if (*client == '\0' || strpbrk(client, "/,") != NULL) {
		errno = EINVAL;
		return NULL;
	}
	charset = calloc(1, sizeof(*charset));
	if (charset == NULL)
		return NULL;
	charset->to_server = iconv_open("UTF-8", client);
	charset->to_client = iconv_open(client, "UTF-8");
	if (charset->to_server == ICONV_NONE ||
	    charset->to_client == ICONV_NONE) {
		charset_free(charset);
		return NULL;
	}
	if (!charset_keeps_ascii(charset->to_server) ||
	    !charset_keeps_ascii(charset->to_client)) {
		charset_free(charset);
		errno = EINVAL;
		return NULL;
	}
	return charset;
}

void
charset_free(struct charset *charset)
{
	int saved = errno;

	if (charset == NULL)
		return;
	if (charset->to_server != ICONV_NONE)
		iconv_close(charset->to_server);
	if (charset->to_client != ICONV_NONE)
		iconv_close(charset->to_client);
	free(charset);
	errno = saved;
}

static long
charset_copy(const char *name, size_t len, char *ret, size_t size)
{
	if (len > size)
		return -ENAMETOOLONG;
	if (len > 0)
		memcpy(ret, name, len);
	return (long)len;
}

long
charset_to_server(struct charset *charset, const char *name, size_t len,
    char *ret, size_t size)
{
	if (charset == NULL)
		return charset_copy(name, len, ret, size);
	return charset_convert(charset->to_server, name, len, ret, size);
}

long
charset_to_client(struct charset *charset, const char *name, size_t len,
    char *ret, size_t size)
{
	if (charset == NULL)
		return charset_copy(name, len, ret, size);
	return charset_convert(charset->to_client, name, len, ret, size);
}
